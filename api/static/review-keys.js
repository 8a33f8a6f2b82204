// Shortcuts.  Single keys can be switched off (WCAG 2.1.4) and never act while somebody writes.
export const wireKeys = (data, sound, text, draft, remember) => {
  const dialog = document.getElementById("keys");
  const single = document.getElementById("single-keys");
  single.checked = data.preferences.single_keys;
  single.addEventListener("change", () => remember({ single_keys: single.checked }));
  const help = () => { if (!dialog.open) dialog.showModal(); };
  document.getElementById("show-keys")?.addEventListener("click", help);

  const comment = () => document.getElementById("comment-text")?.focus();
  const acts = {
    " ": () => sound?.toggle(),
    ArrowLeft: () => sound?.step(-1),
    ArrowRight: () => sound?.step(1),
    "<": () => sound?.faster(-1),
    ">": () => sound?.faster(1),
    ",": () => sound?.faster(-1),
    ".": () => sound?.faster(1),
    "[": () => text.stepWord(-1),
    "]": () => text.stepWord(1),
    n: () => text.stepDoubt(1),
    p: () => text.stepDoubt(-1),
    l: () => sound?.loop(text.around()),
    i: () => sound?.startHere(),
    o: () => sound?.endHere(),
    s: () => sound?.skip(),
    e: () => draft?.edit(),
    c: comment,
    // On to the next thing of 我的工作, for who came from there; n is the next doubtful place here.
    j: () => document.getElementById("onward")?.click(),
    "?": help,
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s" && draft?.editing()) {
      event.preventDefault();
      draft.save();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open || !single.checked) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
};
