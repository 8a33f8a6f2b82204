// A page that renews its parts when the server tells that something changed.  What somebody is using stays as it is; the
// updating can be paused; a screen reader hears one sentence, rarely.  Without this script the page is as it was opened.
import { follow } from "./events.js";
import { t } from "./words.js";

const SELDOM = 20000;
const AT_LEAST = 3000;

const live = document.getElementById("live");
const bar = document.getElementById("live-bar");
const wanted = document.getElementById("live-wanted");
const shown = document.getElementById("live-state");
const said = document.getElementById("live-said");

const WORDS = {
  live: () => t("实时更新中"),
  polling: () => t("没有实时通道，每 15 秒更新一次"),
  lost: () => t("没有连上服务，内容可能已经过时"),
  off: () => t("已暂停更新"),
  over: () => t("登录已过期，请重新登录"),
};
const state = (word) => {
  bar.dataset.state = word;
  shown.textContent = WORDS[word]();
};

// What each part was when it came from the server: times that tick and drawers that are open are no news.
const came = new Map([...live.querySelectorAll("[data-part]")].map((part) => [part.id, part.outerHTML]));

const dirty = (field) => (field.type === "checkbox" || field.type === "radio"
  ? field.checked !== field.defaultChecked
  : field.matches("input, textarea") && field.type !== "hidden" && field.value !== field.defaultValue);
const busy = (part) => (part.contains(document.activeElement) && document.activeElement !== document.body)
  || part.querySelector("details[open]") !== null
  || [...part.querySelectorAll("input, textarea")].some(dirty);

// Somebody is in one row of the table: renew the others.
const renewRows = (part, fresh) => {
  const body = part.querySelector("[data-rows]");
  const freshBody = fresh.querySelector("[data-rows]");
  if (!body || !freshBody) return;
  for (const row of [...body.children]) {
    const next = freshBody.querySelector(`#${CSS.escape(row.id)}`);
    if (busy(row)) continue;
    if (next) row.replaceWith(next.cloneNode(true));
    else row.remove();
  }
  for (const row of freshBody.children) {
    if (!document.getElementById(row.id)) body.append(row.cloneNode(true));
  }
};

const renew = (part, fresh) => {
  const html = fresh.outerHTML;
  if (came.get(part.id) === html) return;
  if (busy(part)) {
    renewRows(part, fresh);
    waiting = true;
    return;
  }
  came.set(part.id, html);
  part.replaceWith(fresh);
};

let waiting = false;
let lastSaid = { text: live.dataset.said ?? "", at: 0 };
const say = (text) => {
  if (!text || text === lastSaid.text || Date.now() - lastSaid.at < SELDOM) return;
  lastSaid = { text, at: Date.now() };
  said.textContent = text;
};

const take = (page) => {
  const fresh = page.getElementById("live");
  if (!fresh) return;
  waiting = false;
  for (const part of [...live.querySelectorAll("[data-part]")]) {
    const next = fresh.querySelector(`#${CSS.escape(part.id)}`);
    if (next) renew(part, next);
    else if (!busy(part)) part.remove();
  }
  // A part that was not there: before the one that follows it.
  const order = [...fresh.querySelectorAll("[data-part]")];
  order.reverse().forEach((part, place) => {
    if (document.getElementById(part.id)) return;
    const after = place > 0 ? document.getElementById(order[place - 1].id) : null;
    if (after) after.before(part);
    else live.append(part);
    came.set(part.id, part.outerHTML);
  });
  // A part that waits for its user shows an older state still: it is asked for again.
  if (!waiting) live.dataset.version = fresh.dataset.version;
  document.getElementById("live-seen").textContent = page.getElementById("live-seen").textContent;
  say(fresh.dataset.said);
  tick();
};

let asking = false;
let again = false;
const refresh = async () => {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Huiyin-Background": "1" } });
    if (answer.redirected || answer.status === 401) {
      following.stop();
      state("over");
      return;
    }
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    // However much happens, a page is asked for so often and no more.
    await new Promise((done) => { setTimeout(done, AT_LEAST); });
  } catch {
    state("lost");
  } finally {
    asking = false;
  }
  if (again) {
    again = false;
    refresh();
  }
};

// How long something lasts, while it lasts.
const two = (number) => String(number).padStart(2, "0");
const tick = () => {
  for (const each of live.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(each.dataset.since)) / 1000));
    const minutes = Math.floor(seconds / 60);
    each.textContent = minutes < 60
      ? `${minutes}:${two(seconds % 60)}`
      : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
  }
};

const following = follow(live.dataset.events, {
  version: () => live.dataset.version,
  changed: (event) => { if (!event || event.lastEventId !== live.dataset.version) refresh(); },
  state,
});
live.addEventListener("focusout", () => setTimeout(() => { if (waiting && wanted.checked) refresh(); }, 200));
wanted.checked = sessionStorage.getItem("live") !== "off";
wanted.addEventListener("change", () => {
  sessionStorage.setItem("live", wanted.checked ? "on" : "off");
  following.want(wanted.checked);
});
if (!wanted.checked) following.want(false);
setInterval(() => { if (wanted.checked && !document.hidden) tick(); }, 1000);
bar.dataset.script = "on";
