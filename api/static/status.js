// The state of things, again every few seconds, while the page is looked at and nobody is filling in one of its forms.
// Without this script the page is as it was when it was opened.
const EVERY = 5000;
const live = document.getElementById("live");
const wanted = document.getElementById("live-wanted");
const seen = document.getElementById("live-seen");

const busy = () => live.contains(document.activeElement) && document.activeElement.matches("input, button, a, summary");

const refresh = async () => {
  if (!wanted.checked || document.hidden || busy()) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  // A login that has expired leads elsewhere: what stands here stays.
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (!fresh || busy()) return;
  live.replaceChildren(...fresh.childNodes);
  seen.textContent = page.getElementById("live-seen").textContent;
};

wanted.checked = sessionStorage.getItem("live") !== "off";
wanted.addEventListener("change", () => sessionStorage.setItem("live", wanted.checked ? "on" : "off"));
wanted.closest("label").hidden = false;
setInterval(() => refresh().catch(() => {}), EVERY);
