// Every page: a form is sent once, and only while somebody is there to take it; one that came back says at its fields
// what was wrong; a broken connection is said.
import { say, unsay } from "./say.js";
import { look, why } from "./session.js";
import { t } from "./words.js";

const UNREACHED = () => t("没有连上服务，内容没有送出。请检查网络后再试。");
const looked = new WeakSet();
// A session ends by time or by what is done in another window.
const SOON = 60000;
let fresh = true;
const stale = () => { fresh = false; };
setTimeout(stale, SOON);
window.addEventListener("blur", stale);

// The browser would leave the page for an error, and what was written on it would be gone: the page looks first.
const sendWhenPossible = async (form, submitter) => {
  const refuse = (text, login) => {
    delete form.dataset.sent;
    say(text, { beside: form, login });
  };
  try {
    const found = await look();
    if (!found.in) return refuse(why(found), found.status === 401);
  } catch {
    return refuse(UNREACHED(), false);
  }
  unsay();
  looked.add(form);
  form.requestSubmit(submitter);
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  const again = looked.delete(form);
  const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
  if (!again && question && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post" || event.defaultPrevented) return;
  // Twice within a moment is a double click; a form whose answer is a download stays and can be sent again.
  const twice = !again && Date.now() - Number(form.dataset.sent ?? 0) < 2000;
  form.dataset.sent = String(Date.now());
  const doubtful = document.body.dataset.user && form.elements.namedItem("csrf") && !(fresh && navigator.onLine);
  if (twice || (doubtful && !again)) event.preventDefault();
  if (!twice && doubtful && !again) sendWhenPossible(form, event.submitter);
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

document.addEventListener("htmx:sendError", () => say(UNREACHED()));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401) say(t("登录已过期。请在新窗口登录后再试，本页内容不会丢失。"), { login: true });
  else say(t("服务没有完成这一步（{status}）。请刷新页面后再试。", { status }));
});
