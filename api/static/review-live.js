// Says when the text of the recording that is open becomes ready, or somebody else saved another version.  It changes
// nothing on the page: what is being listened to or written stays.
import { ask } from "./review-api.js";
import { follow } from "./events.js";
import { t } from "./words.js";

const block = document.getElementById("review");
const shown = { version: JSON.parse(block.textContent).version, state: block.dataset.textState };
const { id, user } = JSON.parse(block.textContent);

// It is there before it says anything, so that a screen reader hears it.
const notice = document.createElement("div");
notice.setAttribute("role", "status");
document.querySelector("#main > .heading").after(notice);

const who = async (version) => {
  const { items } = await ask("GET", `/api/v1/recordings/${id}/versions`);
  return items.find((each) => each.number === version)?.author ?? "";
};

const sentence = async (now) => {
  if (now.life !== "kept") return t("这条录音正在处置，页面上的内容将不再可用。");
  if (now.text_version > shown.version && shown.version === 0) return t("文字已经生成。");
  if (now.text_version > shown.version) {
    const author = await who(now.text_version).catch(() => "");
    if (author === user) return t("您在别处保存了第 {version} 版文字。", { version: now.text_version });
    return author
      ? t("{who} 刚刚保存了第 {version} 版文字。", { who: author, version: now.text_version })
      : t("有人刚刚保存了第 {version} 版文字。", { version: now.text_version });
  }
  if (now.text_state !== shown.state && now.text_state === "failed") return t("转写没有成功，详情请刷新页面。");
  return "";
};

const tell = async (event) => {
  // Without events the page is as it was opened: nobody asks every few seconds for one recording.
  if (!event) return;
  const now = JSON.parse(event.data);
  const text = await sentence(now);
  if (!text) return;
  const again = Object.assign(document.createElement("a"), { href: location.href, textContent: t("显示最新内容") });
  const line = Object.assign(document.createElement("p"), { className: "notice", textContent: `${text} ` });
  line.append(again);
  notice.replaceChildren(line);
};

follow(`/events/recordings/${id}`, { version: () => "", changed: (event) => { tell(event).catch(() => {}); }, state() {} });
