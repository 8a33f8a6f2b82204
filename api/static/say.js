// What a page says of its own accord: beside what it is about, else above everything.  One sentence at a time.
import { t } from "./words.js";

export const say = (text, { beside = null, login = false } = {}) => {
  document.getElementById("said")?.remove();
  const notice = Object.assign(document.createElement("p"), { id: "said", className: "notice bad" });
  notice.setAttribute("role", "alert");
  if (beside) beside.after(notice);
  else document.getElementById("main").prepend(notice);
  notice.textContent = text;
  if (login) {
    const link = Object.assign(document.createElement("a"), { href: "/login", target: "_blank", textContent: t("在新窗口登录") });
    notice.append(" ", link);
  }
  notice.scrollIntoView({ block: "nearest" });
};

export const unsay = () => document.getElementById("said")?.remove();
