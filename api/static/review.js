// The review page.  Without it the browser's own player, the text and every form still work.
import { ask } from "./review-api.js";
import { wireBeside } from "./review-beside.js";
import { makeDraft } from "./review-draft.js";
import { wireKeys } from "./review-keys.js";
import { makeSound } from "./review-sound.js";
import { wireStretch } from "./review-stretch.js";
import { makeText } from "./review-text.js";
import { drawWave } from "./review-wave.js";
import { t } from "./words.js";

// A form that was refused answers at its own address: the page is still that of the recording.
history.replaceState(history.state, "", location.href.replace(/(\/recordings\/[^/?#]+)\/link(?=[?#]|$)/, "$1"));

const block = document.getElementById("review");
const data = JSON.parse(block.textContent);

// How the person likes the page is kept with the account; if that fails, it still holds for this page.
const remember = (chosen) => {
  Object.assign(data.preferences, chosen);
  ask("PUT", "/api/v1/me/review", chosen).catch(() => {});
};

const sound = makeSound(data, remember);
const text = makeText(data, sound, remember);
const draft = makeDraft(data, text, sound);
wireKeys(data, sound, text, draft, remember);
if (sound) {
  document.getElementById("loop").addEventListener("click", () => sound.loop(text.around()));
  drawWave(data, sound, block.dataset.nonce);
}

wireBeside(data, sound);

const clip = document.getElementById("clip");
wireStretch(clip?.elements.start, clip?.elements.end, data.duration_ms);
wireStretch(document.getElementById("evidence-start"), document.getElementById("evidence-end"), data.duration_ms);
sound?.onSpan((span) => {
  if (!clip || !span) return;
  clip.elements.start.value = (span.start / 1000).toFixed(1);
  clip.elements.end.value = (span.end / 1000).toFixed(1);
  clip.elements.start.dispatchEvent(new Event("input"));
});

const check = document.getElementById("check");
check?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = document.getElementById("checked");
  said.className = "small";
  said.textContent = t("正在逐字节核对…");
  try {
    const found = await ask("POST", `/api/v1/recordings/${data.id}/check`);
    said.classList.add(found.sound ? "sound-text" : "bad-text");
    const places = { objects: found.objects, faults: found.faults.length };
    said.textContent = found.sound
      ? t("刚刚逐字节核对过：{objects} 个文件与封存时完全一致，存储、目录和台账三处说法相同。", places)
      : t("核对发现 {faults} 处异常。请不要覆盖或恢复任何数据，并通知审计和系统管理员。", places);
  } catch {
    said.classList.add("bad-text");
    said.textContent = t("核对没有完成，请稍后再试。");
  }
});
