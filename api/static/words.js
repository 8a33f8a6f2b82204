// What scripts say: t("共 {count} 句", {count: 3}).  The Chinese phrase is the key; its English came with the page.
const words = {};
for (const block of document.querySelectorAll("script.words")) Object.assign(words, JSON.parse(block.textContent));

export const t = (phrase, places = {}) =>
  (words[phrase] ?? phrase).replace(/\{(\w+)(?::([^{}|]*)\|([^{}]*))?\}/g, (place, name, one, many) => {
    if (!(name in places)) return place;
    if (many === undefined) return String(places[name]);
    return places[name] === 1 ? one : many;
  });
