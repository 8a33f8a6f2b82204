// Somebody saved another version first: both texts are shown, one sentence after the other, and nothing is lost.
import { ask, clock } from "./review-api.js";
import { t } from "./words.js";

const spelled = (pieces, left) => pieces.filter((piece) => piece.kind !== left).map((piece) => piece.text).join("");

const choice = (ordinal, value, label, text, checked) => {
  const line = document.createElement("label");
  const button = Object.assign(document.createElement("input"), { type: "radio", name: `turn-${ordinal}`, value, checked });
  const words = document.createElement("span");
  words.append(Object.assign(document.createElement("strong"), { textContent: label }), " ", text || t("（没有说话）"));
  line.append(button, words);
  return line;
};

const question = (ordinal, at, mine, theirs) => {
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = t("第 {number} 句（{at}）", { number: ordinal + 1, at: clock(at) });
  group.append(legend, choice(ordinal, "mine", t("我的："), mine, true), choice(ordinal, "theirs", t("已保存的："), theirs, false));
  return group;
};

// `data.version` is the text that `texts` were written on top of.
export const resolve = async (data, texts, reason) => {
  const address = `/api/v1/recordings/${data.id}`;
  const { version } = await ask("GET", `${address}/transcript`);
  const { turns } = await ask("GET", `${address}/versions/${data.version}/difference?against=${version}`);
  const theirs = new Map(turns.map((turn) => [turn.ordinal, { text: spelled(turn.pieces, "removed"), at: turn.start_ms }]));
  const mine = new Map(Object.entries(texts).map(([ordinal, text]) => [Number(ordinal), text]));
  const both = [...mine].filter(([ordinal, text]) => theirs.has(ordinal) && theirs.get(ordinal).text !== text);
  for (const [ordinal, text] of mine) if (theirs.get(ordinal)?.text === text) mine.delete(ordinal);

  const panel = document.getElementById("conflict");
  const place = document.getElementById("conflict-turns");
  place.replaceChildren(...both.map(([ordinal, text]) => question(ordinal, theirs.get(ordinal).at, text, theirs.get(ordinal).text)));
  panel.hidden = false;
  document.getElementById("editing").hidden = true;
  document.getElementById("turns").inert = true;
  panel.focus();
  document.getElementById("conflict-done").onclick = async () => {
    for (const [ordinal] of both) {
      if (place.querySelector(`input[name="turn-${ordinal}"]:checked`).value === "theirs") mine.delete(ordinal);
    }
    const kept = Object.fromEntries(mine);
    await ask("PATCH", `${address}/draft`, { base_version: version, texts: kept, reason, rebase: true });
    localStorage.removeItem(`huiyin.draft.${data.user}.${data.id}`);
    location.reload();
  };
};
