// 检索: what is found changes in place, and the address with it; filters that are empty are no part of it.
import "./vendor/htmx.min.js";

document.addEventListener("htmx:configRequest", (event) => {
  const { formData, verb } = event.detail;
  if (verb !== "get") return;
  for (const [name, value] of [...formData.entries()]) if (value === "") formData.delete(name);
});

document.addEventListener("htmx:afterSettle", (event) => {
  const words = document.getElementById("q");
  if (event.detail.target?.id !== "found" || !words) return;
  document.title = document.title.replace(/^.*?(?= · )/, [words.dataset.title, words.value].filter(Boolean).join(" "));
  document.getElementById("found-said").textContent = document.querySelector("#found .count, #found .empty")?.innerText ?? "";
});
