// On to the next thing of 我的工作 by the key that the list has for it; single keys can be switched off (WCAG 2.1.4).
const link = document.getElementById("onward");

document.addEventListener("keydown", (event) => {
  if (!link || link.parentElement.dataset.singleKeys !== "true") return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || (event.key !== "j" && event.key !== "n")) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  event.preventDefault();
  link.click();
});
