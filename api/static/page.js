// Every page: a form is sent once; one that came back says at its fields what was wrong; a broken connection is said.
import { t } from "./words.js";

const say = (text) => {
  let notice = document.getElementById("said");
  if (!notice) {
    notice = Object.assign(document.createElement("p"), { id: "said", className: "notice bad", role: "alert" });
    document.getElementById("main").prepend(notice);
  }
  notice.textContent = text;
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post" || event.defaultPrevented) return;
  // Twice within a moment is a double click; a form whose answer is a download stays and can be sent again.
  if (Date.now() - Number(form.dataset.sent ?? 0) < 2000) event.preventDefault();
  else form.dataset.sent = String(Date.now());
});

// The address is that of the form that was refused: what is wrong is read first, and again at each of its fields.
const problem = document.querySelector("#main .notice.bad[role=alert]:not([hidden])");
const leadsHere = (address) => address && new URL(address, location.href).pathname === location.pathname;
const refused = problem && [...document.forms].find((form) => form.method === "post" &&
  (leadsHere(form.action) || [...form.elements].some((element) => leadsHere(element.getAttribute("formaction")))));
if (refused) {
  problem.id = "problem";
  for (const field of refused.querySelectorAll("input:not([type=hidden]):not([type=checkbox]):not([type=radio]), select, textarea")) {
    field.setAttribute("aria-describedby", ["problem", field.getAttribute("aria-describedby")].filter(Boolean).join(" "));
  }
  refused.closest("details")?.setAttribute("open", "");
  if (!refused.querySelector("[autofocus]")) {
    problem.tabIndex = -1;
    problem.focus();
  }
}

document.addEventListener("htmx:sendError", () => say(t("没有连上服务，内容没有送出。请检查网络后再试。")));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401) say(t("登录已过期。请在新窗口登录后再试，本页内容不会丢失。"));
  else say(t("服务没有完成这一步（{status}）。请刷新页面后再试。", { status }));
});
