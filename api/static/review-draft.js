// Correcting the text.  What is written is in this browser at once, on the server a moment later, and never lost: only
// what the server has not acknowledged stays in this browser, under the person's name.
import { LoggedOut, ask, press } from "./review-api.js";
import { resolve } from "./review-conflict.js";
import { t } from "./words.js";

const WAIT_MS = 700;
const RETRY_MS = [2000, 5000, 15000, 30000];

export const makeDraft = (data, text, sound) => {
  const form = document.getElementById("editing");
  if (!data.corrects || !form) return null;
  const at = (id) => document.getElementById(id);
  const address = `/api/v1/recordings/${data.id}`;
  const shelf = `huiyin.draft.${data.user}.${data.id}`;
  const texts = new Map();
  const waiting = new Set();
  let reasonWaits = false;
  let editing = false;
  let timer = 0;
  let failures = 0;
  let sending = null;

  const say = (words, kind = "") => {
    at("draft-state").textContent = words;
    at("draft-state").className = `small ${kind}`;
  };
  const sealed = (ordinal) => data.texts[ordinal];
  const current = (ordinal) => texts.get(ordinal) ?? sealed(ordinal);

  const shelve = () => {
    try {
      if (!waiting.size && !reasonWaits) localStorage.removeItem(shelf);
      else {
        const kept = Object.fromEntries([...waiting].map((ordinal) => [ordinal, texts.get(ordinal) ?? null]));
        localStorage.setItem(shelf, JSON.stringify({ base: data.version, texts: kept, reason: at("reason").value }));
      }
    } catch {
      say(t("这个浏览器不能在本机保存草稿，请保持联网。"), "bad-text");
    }
  };

  const send = async () => {
    if (sending) return sending;
    clearTimeout(timer);
    const going = new Map([...waiting].map((ordinal) => [ordinal, texts.get(ordinal) ?? null]));
    const reason = at("reason").value;
    if (!going.size && !reasonWaits) return true;
    say(t("正在保存草稿…"));
    sending = ask("PATCH", `${address}/draft`, { base_version: data.version, texts: Object.fromEntries(going), reason })
      .then(() => {
        failures = 0;
        // What was written while this was under way waits for the next turn.
        for (const [ordinal, sent] of going) if ((texts.get(ordinal) ?? null) === sent) waiting.delete(ordinal);
        if (at("reason").value === reason) reasonWaits = false;
        shelve();
        say(waiting.size || reasonWaits ? t("正在保存草稿…") : t("草稿已保存"));
        if (waiting.size || reasonWaits) timer = setTimeout(send, WAIT_MS);
        return true;
      })
      .catch(failed)
      .finally(() => { sending = null; });
    return sending;
  };

  const failed = (error) => {
    if (error.status === 409) {
      resolve(data, everything(), at("reason").value);
    } else if (error instanceof LoggedOut) {
      say(t("登录已过期。草稿存在本机，没有丢失；登录后自动上传。"), "bad-text");
      const link = Object.assign(document.createElement("a"), { href: "/login", target: "_blank", textContent: t("在新窗口登录") });
      at("draft-state").append(" ", link);
      timer = setTimeout(send, RETRY_MS.at(-1));
    } else if (error.status >= 400 && error.status < 500) {
      say(t("草稿没有被接受：{why}", { why: error.message }), "bad-text");
    } else {
      say(t("没有连上服务。草稿存在本机，恢复后自动上传。"), "bad-text");
      timer = setTimeout(send, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
    }
    return false;
  };

  const everything = () => Object.fromEntries(texts);

  const mark = (ordinal) => {
    const turn = text.turns[ordinal];
    const drafted = texts.has(ordinal);
    turn.element.classList.toggle("drafted", drafted);
    turn.element.querySelector(".draft-tag")?.remove();
    if (drafted) {
      const tag = Object.assign(document.createElement("span"), { className: "tag tag-held draft-tag" });
      tag.textContent = texts.get(ordinal) === sealed(ordinal) ? t("已确认") : t("草稿");
      turn.element.querySelector(".turn-head").append(" ", tag);
    }
    const vouched = turn.element.querySelector(".vouch");
    if (vouched) press(vouched, drafted);
  };

  const change = (ordinal, value) => {
    if (value === null) texts.delete(ordinal);
    else texts.set(ordinal, value);
    waiting.add(ordinal);
    mark(ordinal);
    shelve();
    clearTimeout(timer);
    timer = setTimeout(send, WAIT_MS);
  };

  // Most browsers let a field grow with its text.  For others: first all are let go, then all are measured, so that the
  // page is laid out once and not once for each sentence of a long call.
  const grows = CSS.supports("field-sizing", "content");
  const fit = (...fields) => {
    if (grows) return;
    for (const field of fields) field.style.height = "auto";
    const heights = fields.map((field) => field.scrollHeight);
    fields.forEach((field, place) => { field.style.height = `${heights[place] + 2}px`; });
  };
  const fields = () => [...document.querySelectorAll("#turns textarea")];

  const open = (turn) => {
    const head = turn.element.querySelector(".turn-head");
    const field = document.createElement("textarea");
    field.className = "bubble";
    field.rows = 1;
    field.maxLength = 4000;
    field.value = current(turn.ordinal);
    field.setAttribute("aria-label", t("第 {number} 句的文字", { number: turn.ordinal + 1 }));
    field.addEventListener("input", () => {
      change(turn.ordinal, field.value === sealed(turn.ordinal) ? null : field.value);
      fit(field);
    });
    turn.element.append(field);
    if (turn.element.matches(".unsure") || turn.element.querySelector(".low")) {
      const vouch = Object.assign(document.createElement("button"), { type: "button", className: "small vouch" });
      vouch.textContent = t("听过，无误");
      vouch.addEventListener("click", () => {
        const again = texts.get(turn.ordinal) === sealed(turn.ordinal);
        change(turn.ordinal, again ? null : field.value);
      });
      head.append(" ", vouch);
    }
    turn.element.querySelector("p.bubble").hidden = true;
    mark(turn.ordinal);
  };

  const shut = (turn) => {
    turn.element.querySelector("textarea")?.remove();
    turn.element.querySelector(".vouch")?.remove();
    turn.element.querySelector("p.bubble").hidden = false;
  };

  const edit = (on = !editing, focus = true) => {
    if (on === editing) return;
    editing = on;
    form.hidden = !on;
    press(at("edit"), on);
    at("edit").textContent = on ? t("结束更正") : t("更正文字");
    document.getElementById("turns").classList.toggle("editable", on);
    for (const turn of text.turns) (on ? open : shut)(turn);
    fit(...fields());
    if (on && focus) {
      const milliseconds = sound?.now() ?? 0;
      const near = text.turns.findLast((turn) => turn.start <= milliseconds) ?? text.turns[0];
      near.element.querySelector("textarea").focus();
    }
    if (!on) send();
  };

  const refill = () => {
    for (const turn of text.turns) {
      const field = turn.element.querySelector("textarea");
      if (field) field.value = current(turn.ordinal);
      mark(turn.ordinal);
    }
    fit(...fields());
  };

  const replaceAll = () => {
    const wanted = at("find").value;
    if (!wanted) return at("find").focus();
    const before = new Map(texts);
    let count = 0;
    for (const turn of text.turns) {
      const parts = current(turn.ordinal).split(wanted);
      if (parts.length === 1) continue;
      count += parts.length - 1;
      const value = parts.join(at("put").value);
      change(turn.ordinal, value === sealed(turn.ordinal) ? null : value);
    }
    refill();
    at("replaced").textContent = t("换了 {count} 处。", { count });
    if (!count) return;
    const undo = Object.assign(document.createElement("button"), { type: "button", className: "quiet small" });
    undo.textContent = t("撤销替换");
    undo.addEventListener("click", () => {
      const touched = new Set([...before.keys(), ...texts.keys()]);
      for (const ordinal of touched) {
        if (before.get(ordinal) !== texts.get(ordinal)) change(ordinal, before.get(ordinal) ?? null);
      }
      refill();
      at("replaced").textContent = t("已撤销。");
    });
    at("replaced").append(" ", undo);
  };

  const save = async () => {
    const reason = at("reason").value.trim();
    if (!texts.size) return say(t("还没有改动。"), "bad-text");
    if (reason.length < 2) {
      at("reason").focus();
      return say(t("请写明更正理由（至少两个字）。"), "bad-text");
    }
    at("save").disabled = true;
    try {
      say(t("正在保存新版本…"));
      await ask("POST", `${address}/versions`, { base_version: data.version, reason, texts: everything() });
      localStorage.removeItem(shelf);
      waiting.clear();
      const here = new URLSearchParams(location.search);
      if (sound?.now() > 1000) here.set("t", (sound.now() / 1000).toFixed(1));
      location.assign(`${location.pathname}?${here}`);
    } catch (error) {
      at("save").disabled = false;
      failed(error);
    }
  };

  const giveUp = async () => {
    if (!window.confirm(t("放弃草稿？已经封存的文字不受影响。"))) return;
    clearTimeout(timer);
    await ask("DELETE", `${address}/draft`).catch(failed);
    texts.clear();
    waiting.clear();
    reasonWaits = false;
    at("reason").value = "";
    shelve();
    refill();
    say(t("草稿已放弃。"));
  };

  at("edit").addEventListener("click", () => edit());
  at("replace").addEventListener("click", replaceAll);
  at("give-up").addEventListener("click", giveUp);
  at("reason").addEventListener("input", () => {
    reasonWaits = true;
    shelve();
    clearTimeout(timer);
    timer = setTimeout(send, WAIT_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  window.addEventListener("online", () => send());
  // Back from the window where somebody logged in again.
  window.addEventListener("focus", () => send());

  const begin = () => {
    const found = JSON.parse(localStorage.getItem(shelf) ?? "null");
    const base = data.draft?.base_version || 0;
    at("reason").value = found?.reason || data.draft?.reason || "";
    for (const [ordinal, value] of Object.entries(data.draft?.texts ?? {})) texts.set(Number(ordinal), value);
    for (const [ordinal, value] of Object.entries(found?.texts ?? {})) {
      if (value === null) texts.delete(Number(ordinal));
      else texts.set(Number(ordinal), value);
      waiting.add(Number(ordinal));
    }
    if (!texts.size && !waiting.size) return;
    const older = Math.min(base || data.version, found?.base ?? data.version);
    if (older < data.version) return resolve({ ...data, version: older }, everything(), at("reason").value);
    edit(true, false);
    say(waiting.size ? t("找到没有上传的草稿，正在上传…") : t("草稿已保存"));
    if (waiting.size) send();
  };
  begin();

  return { edit, save: () => (editing ? save() : undefined), editing: () => editing };
};
