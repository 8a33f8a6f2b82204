// Two lanes drawn from what was computed at sealing; dragging chooses a stretch.  The slider below does the same by keyboard.
import WaveSurfer from "./vendor/wavesurfer.esm.js";
import Regions from "./vendor/wavesurfer.regions.esm.js";

// Softer than this on both lanes (of 1) is silence; a second of it is worth skipping.
const SILENT = 0.024;
const LONG_MS = 1000;
const EDGE_MS = 250;

const loudness = (lane) => {
  const octets = Int8Array.from(atob(lane), (character) => (character.charCodeAt(0) << 24) >> 24);
  const found = new Float32Array(octets.length / 2);
  for (let place = 0; place < found.length; place++) {
    found[place] = Math.max(Math.abs(octets[2 * place]), Math.abs(octets[2 * place + 1])) / 128;
  }
  return found;
};

const silencesOf = (lanes, perSecond) => {
  const found = [];
  const bin = 1000 / perSecond;
  let from = -1;
  for (let place = 0; place <= lanes[0].length; place++) {
    const silent = place < lanes[0].length && lanes.every((lane) => lane[place] <= SILENT);
    if (silent && from < 0) from = place;
    if (silent || from < 0) continue;
    if ((place - from) * bin >= LONG_MS) found.push([from * bin + EDGE_MS, place * bin - EDGE_MS]);
    from = -1;
  }
  return found;
};

// Each lane fills its height, but a lane of noise is not blown up to look like speech.
const drawn = (lane) => {
  const loudest = Math.max(0.08, lane.reduce((most, value) => Math.max(most, value), 0));
  return lane.map((value) => value / loudest);
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const lanesColoured = (count) =>
  ["--lane-agent", "--lane-citizen"].slice(0, count).map((name) => ({
    waveColor: `color-mix(in srgb, ${colour(name)} 45%, ${colour("--sheet")})`,
    progressColor: colour(name),
  }));

export const drawWave = async (data, sound, nonce) => {
  const answer = await fetch(`/api/v1/recordings/${data.id}/waveform`).catch(() => null);
  if (!answer?.ok) return;
  const said = await answer.json();
  const lanes = said.lanes.map(loudness);
  if (!lanes.length || !lanes[0].length || !said.duration_ms) return;
  sound.setSilences(silencesOf(lanes, said.per_second));
  const look = () => ({ splitChannels: lanesColoured(lanes.length), cursorColor: colour("--ink") });
  const wave = WaveSurfer.create({
    container: "#wave",
    media: sound.audio,
    peaks: lanes.map(drawn),
    duration: said.duration_ms / 1000,
    height: 34,
    // A bar for each value at least: a short call is not drawn with gaps.
    barWidth: Math.max(2, Math.ceil(document.getElementById("wave").clientWidth / lanes[0].length) - 1),
    barGap: 1,
    barRadius: 1,
    cursorWidth: 2,
    dragToSeek: false,
    hideScrollbar: true,
    cspNonce: nonce,
    ...look(),
  });
  // Before the sound is loaded nothing tells the drawing where it will begin.
  sound.onTime((milliseconds) => { if (!sound.audio.readyState) wave.setTime(milliseconds / 1000); });
  wave.on("ready", () => { if (!sound.audio.readyState) wave.setTime(sound.now() / 1000); });
  const regions = wave.registerPlugin(Regions.create());
  const wash = "rgb(120 120 200 / 25%)";
  let region = null;
  regions.enableDragSelection({ color: wash });
  const chosen = (found) => {
    if (region && region !== found) region.remove();
    region = found;
    sound.setSpan({ start: found.start * 1000, end: found.end * 1000 });
  };
  regions.on("region-created", chosen);
  regions.on("region-updated", chosen);
  sound.onSpan((span) => {
    if (!span) {
      region?.remove();
      region = null;
    } else if (!region || Math.abs(region.start * 1000 - span.start) > 1 || Math.abs(region.end * 1000 - span.end) > 1) {
      if (region) region.setOptions({ start: span.start / 1000, end: span.end / 1000 });
      else region = regions.addRegion({ start: span.start / 1000, end: span.end / 1000, color: wash });
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => wave.setOptions(look()));
  document.getElementById("wave").classList.add("drawn");
};
