// One key to the next thing to do; single keys can be switched off (WCAG 2.1.4) and never act while somebody writes.
import { ask } from "./review-api.js";

const note = document.querySelector("[data-single-keys]");
const single = document.getElementById("single-keys");
const links = [...document.querySelectorAll("a[data-work]")];
const STEPS = { n: 1, j: 1, p: -1, k: -1 };

const step = (by) => {
  // The row that has the focus now, on whichever of its links.
  const row = document.activeElement?.closest("tr");
  const at = links.findIndex((link) => row?.contains(link));
  const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1);
  links[next].focus();
  links[next].scrollIntoView({ block: "nearest" });
};

if (note) {
  note.hidden = false;
  single.addEventListener("change", () => {
    ask("PUT", "/api/v1/me/review", { single_keys: single.checked }).catch(() => { single.checked = !single.checked; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !single.checked) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    const by = STEPS[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });
}
