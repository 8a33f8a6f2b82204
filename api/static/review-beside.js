// Answers and comments are sent without leaving the page: the sound goes on, and what is being written stays.
import { LoggedOut, ask, clock } from "./review-api.js";
import { say, unsay } from "./say.js";
import { t } from "./words.js";

const heard = Object.assign(document.createElement("p"), { className: "hidden" });
heard.setAttribute("role", "status");

// The page as it is now; its parts take the place of those with the same name.
const renew = async (...names) => {
  const answer = await fetch(location.href, { headers: { "X-Huiyin-Background": "1" } });
  if (!answer.ok) throw new TypeError("the page did not come");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const name of names) {
    const next = page.getElementById(name);
    if (next) document.getElementById(name)?.replaceWith(next);
  }
};

// Run ``act`` once at a time for a form; what goes wrong is said beside it, and nothing of it is lost.
const once = async (form, act) => {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  unsay();
  try {
    await act();
  } catch (error) {
    const away = error instanceof TypeError;
    say(away ? t("没有连上服务，内容没有送出。请检查网络后再试。") : error.message, { beside: form, login: error instanceof LoggedOut });
  } finally {
    delete form.dataset.busy;
  }
};

const decide = async (form, button) => {
  const focused = form.contains(document.activeElement);
  const place = [...document.querySelectorAll(".finding")].indexOf(form.closest(".finding"));
  await ask("POST", `/api/v1${new URL(form.action).pathname}`, { answer: button.value });
  await renew("findings", "ledger");
  const all = [...document.querySelectorAll(".finding")];
  heard.textContent = all[place]?.querySelector(".finding-head").innerText.replaceAll(/\s+/g, " ") ?? "";
  if (!focused) return;
  // On to the next one that waits.
  const next = [...all.slice(place + 1), ...all.slice(0, place + 1)].map((each) => each.querySelector("button.primary"));
  const wanted = next.find(Boolean) ?? document.getElementById("findings-title");
  if (!wanted.matches("button")) wanted.tabIndex = -1;
  wanted.focus();
};

// “1:02:03”, “1:23” or “83.5”: the field's pattern lets nothing else through.
const milliseconds = (text) => Math.round(text.trim().split(":").reduce((sum, part) => sum * 60 + Number(part), 0) * 1000);

const comment = async (form, shelf) => {
  const { at, text } = form.elements;
  await ask("POST", new URL(form.action).pathname.replace("/recordings/", "/api/v1/recordings/"), {
    at_ms: milliseconds(at.value), text: text.value,
  });
  sessionStorage.removeItem(shelf);
  form.reset();
  document.getElementById("no-comments")?.remove();
  await renew("comment-list", "ledger");
  heard.textContent = t("备注已留下。");
};

export const wireBeside = (data, sound) => {
  document.getElementById("main").append(heard);
  document.querySelector(".review").addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (!form.matches(".decide, #comment-form")) return;
    event.preventDefault();
    once(form, () => (form.id ? comment(form, shelf) : decide(form, submitter)));
  });

  const form = document.getElementById("comment-form");
  // What is written and not sent yet outlives another version's being saved: it is kept with this tab.
  const shelf = `huiyin.comment.${data.user}.${data.id}`;
  if (!form) return;
  const { at, text } = form.elements;
  const kept = JSON.parse(sessionStorage.getItem(shelf) ?? "null");
  if (kept) [at.value, text.value] = kept;
  // The moment at which somebody begins to write.
  text.addEventListener("focus", () => { if (sound && !text.value) at.value = clock(sound.now()); });
  // Chinese input leaves digits and colons wide.
  at.addEventListener("change", () => { at.value = at.value.normalize("NFKC"); });
  form.addEventListener("input", () => {
    if (text.value) sessionStorage.setItem(shelf, JSON.stringify([at.value, text.value]));
    else sessionStorage.removeItem(shelf);
  });
};
