// A stretch of a recording, typed as 1:23, 1:02:03 or 83.5: what is wrong with it is said at its fields.
import { t } from "./words.js";

const plain = (text) => text.normalize("NFKC").trim();
const seconds = (text) => plain(text).split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

export const wireStretch = (start, end, duration) => {
  if (!start || !end) return;
  const judge = () => {
    start.setCustomValidity("");
    end.setCustomValidity("");
    const from = start.validity.patternMismatch ? 0 : seconds(start.value);
    if (from * 1000 >= duration) start.setCustomValidity(t("录音没有这么长。"));
    else if (end.value && !end.validity.patternMismatch && seconds(end.value) <= from) end.setCustomValidity(t("终点要在起点之后。"));
  };
  for (const field of [start, end]) {
    field.addEventListener("input", judge);
    // Chinese input leaves digits and colons wide.
    field.addEventListener("change", () => { field.value = plain(field.value); judge(); });
  }
};
