// The dialogue follows the sound, and the sound follows the dialogue; doubtful words are stepped through.
import { press, pressed } from "./review-api.js";
import { t } from "./words.js";

const BEFORE_MS = 800;

export const makeText = (data, sound, remember) => {
  const list = document.getElementById("turns");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const follow = document.getElementById("follow");
  const turns = Array.from(document.querySelectorAll(".turn"), (element) => ({
    element,
    ordinal: Number(element.dataset.ordinal),
    start: Number(element.dataset.start),
    end: Number(element.dataset.end),
  }));
  // Turn by turn: a call of hours has tens of thousands of words.
  const wordsOf = (turn) => Array.from(turn.element.querySelectorAll(".w"), (element) => ({
    element,
    start: Number(element.dataset.s),
    end: Number(element.dataset.e),
    turn,
  }));
  const said = turns.map(wordsOf);
  const words = said.flat().sort((left, right) => left.start - right.start);
  const doubts = turns.flatMap((turn, place) => {
    const low = said[place].filter((word) => word.element.classList.contains("low")).sort((left, right) => left.start - right.start);
    if (low.length) return low;
    return turn.element.classList.contains("unsure") ? [{ element: turn.element.querySelector(".bubble"), start: turn.start, turn }] : [];
  });
  let shown = null;
  let spoken = null;
  let doubt = -1;
  let doubted = null;

  const reveal = (element) => element.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });

  const last = (things, milliseconds) => {
    let found = null;
    for (const thing of things) if (thing.start <= milliseconds && milliseconds < thing.end) found = thing;
    return found;
  };

  const show = (milliseconds, playing) => {
    const word = last(words, milliseconds);
    if (word !== spoken) {
      spoken?.element.classList.remove("now");
      word?.element.classList.add("now");
      spoken = word;
    }
    const turn = last(turns, milliseconds);
    if (turn === shown) return;
    shown?.element.classList.remove("speaking");
    shown?.element.removeAttribute("aria-current");
    shown = turn;
    turn?.element.classList.add("speaking");
    turn?.element.setAttribute("aria-current", "true");
    const writing = document.activeElement?.matches("textarea, input:not([type=range])");
    if (turn && playing && pressed(follow) && !writing) reveal(turn.element);
  };

  const stepWord = (direction) => {
    if (!sound || !words.length) return;
    const milliseconds = sound.now();
    const next = direction > 0
      ? words.find((word) => word.start > milliseconds + 20)
      : words.findLast((word) => word.start < milliseconds - (sound.audio.paused ? 20 : 400));
    if (!next) return;
    sound.place(next.start);
    reveal(next.turn.element);
  };

  // The place of a word in its turn's text, for selecting it where the text is written.
  const offsetOf = (word) => {
    let before = 0;
    for (const node of word.turn.element.querySelector(".bubble").childNodes) {
      if (node === word.element) return before;
      before += node.textContent.length;
    }
    return 0;
  };

  const stepDoubt = (direction) => {
    if (!doubts.length) return;
    doubt = doubt < 0 && direction < 0 ? doubts.length - 1 : (doubt + direction + doubts.length) % doubts.length;
    const found = doubts[doubt];
    doubted?.element.classList.remove("doubted");
    doubted = found;
    found.element.classList.add("doubted");
    count();
    const field = found.turn.element.querySelector("textarea");
    if (field) {
      field.focus({ preventScroll: true });
      const start = found.element.classList.contains("w") ? offsetOf(found) : 0;
      field.setSelectionRange(start, start + found.element.textContent.length);
    }
    reveal(found.turn.element);
    sound?.hear(Math.max(0, found.start - BEFORE_MS));
  };

  const count = () => {
    const label = document.getElementById("doubt-count");
    if (!label) return;
    if (!doubts.length) label.textContent = t("没有存疑的词");
    else if (doubt < 0) label.textContent = t("存疑 {count} 处", { count: doubts.length });
    else label.textContent = t("存疑 {place} / {count}", { place: doubt + 1, count: doubts.length });
  };

  list?.addEventListener("click", (event) => {
    const word = event.target.closest(".w");
    const button = event.target.closest("[data-hear]");
    if (button) sound?.hear(Number(button.dataset.hear));
    else if (word && getSelection().isCollapsed) sound?.hear(Number(word.dataset.s));
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-jump]");
    if (!link || !sound) return;
    event.preventDefault();
    const milliseconds = Number(link.dataset.jump);
    sound.hear(milliseconds);
    const turn = turns.find((each) => each.start === milliseconds) || last(turns, milliseconds);
    if (turn) reveal(turn.element);
  });
  const wire = (id, act) => document.getElementById(id)?.addEventListener("click", act);
  wire("word-before", () => stepWord(-1));
  wire("word-after", () => stepWord(1));
  wire("doubt-before", () => stepDoubt(-1));
  wire("doubt-after", () => stepDoubt(1));
  wire("follow", () => {
    press(follow, !pressed(follow));
    remember({ follow: pressed(follow) });
  });
  press(follow, data.preferences.follow);
  document.getElementById("text-tools")?.removeAttribute("hidden");
  document.querySelectorAll("#doubt-before, #doubt-after").forEach((button) => { button.disabled = !doubts.length; });
  count();
  if (!sound) document.querySelectorAll("[data-hear], #word-before, #word-after").forEach((each) => { each.disabled = true; });
  sound?.onTime(show);
  if (sound) {
    show(sound.now(), false);
    if (Number(new URLSearchParams(location.search).get("t")) > 0 && shown) reveal(shown.element);
  }

  return {
    turns,
    stepWord,
    stepDoubt,
    // The sentence that is spoken, or that was spoken last.
    around: () => {
      const milliseconds = sound?.now() ?? 0;
      const turn = last(turns, milliseconds) ?? turns.findLast((each) => each.start <= milliseconds) ?? turns[0];
      return turn ? { start: turn.start, end: turn.end } : null;
    },
  };
};
