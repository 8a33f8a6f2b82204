// The player: place, speed, loop, silence, and where each person stopped.
import { ask, clock, press, pressed } from "./review-api.js";
import { t } from "./words.js";

const STEP = 5000;
const SAVE_EVERY = 10000;

export const makeSound = (data, remember) => {
  const player = document.getElementById("player");
  const audio = document.getElementById("audio");
  if (!player || !audio) return null;
  const at = (id) => document.getElementById(id);
  const listeners = [];
  const spanListeners = [];
  let span = null;
  let silences = [];
  let begun = false;
  let savedAt = 0;
  let saved = -1;

  const now = () => audio.currentTime * 1000;

  const show = (milliseconds) => {
    at("now").textContent = clock(milliseconds);
    at("seek").value = String(milliseconds);
    at("seek").setAttribute("aria-valuetext", clock(milliseconds));
    for (const listener of listeners) listener(milliseconds, !audio.paused);
  };

  // Before the sound is loaded, currentTime sets where it will begin.
  const place = (milliseconds) => {
    const wanted = Math.max(0, Math.min(milliseconds, data.duration_ms));
    audio.currentTime = wanted / 1000;
    show(wanted);
  };

  const start = () => audio.play().catch((error) => {
    if (error.name !== "AbortError") at("sound-error").hidden = false;
  });

  const savePlace = (leaving = false) => {
    const position = Math.round(now());
    if (!begun || position === saved) return;
    saved = position;
    savedAt = Date.now();
    ask("PUT", `/api/v1/recordings/${data.id}/place`, { position_ms: position }, { keepalive: leaving }).catch(() => {
      saved = -1;
    });
  };

  const looping = () => pressed(at("loop")) && span;
  // A seek may land a moment early: the last of a silence is heard rather than sought again and again.
  const quiet = (milliseconds) => silences.find(([from, to]) => from <= milliseconds && milliseconds < to - 100);

  const keepWithin = () => {
    const milliseconds = now();
    if (audio.seeking) return show(milliseconds);
    if (looping() && (milliseconds >= span.end || milliseconds < span.start - 500)) return place(span.start);
    if (!audio.paused && pressed(at("skip"))) {
      const silence = quiet(milliseconds);
      if (silence) return place(silence[1]);
    }
    show(milliseconds);
  };

  let frame = 0;
  const tick = () => {
    keepWithin();
    if (Date.now() - savedAt > SAVE_EVERY) savePlace();
    frame = audio.paused ? 0 : requestAnimationFrame(tick);
  };

  const setSpan = (found) => {
    span = found && found.end > found.start ? found : null;
    at("selection").hidden = !span;
    if (span) at("span").textContent = `${clock(span.start)} – ${clock(span.end)}`;
    if (!span) press(at("loop"), false);
    for (const listener of spanListeners) listener(span);
  };

  const setSpeed = (speed) => {
    audio.playbackRate = audio.defaultPlaybackRate = speed;
    at("speed").value = String(speed);
  };

  const sound = {
    audio,
    now,
    place,
    hear: (milliseconds) => { place(milliseconds); start(); },
    toggle: () => (audio.paused ? start() : audio.pause()),
    step: (direction) => place(now() + direction * STEP),
    faster: (direction) => {
      const choices = Array.from(at("speed").options, (option) => Number(option.value));
      const next = choices[choices.indexOf(audio.playbackRate) + direction];
      if (next) { setSpeed(next); remember({ speed: next }); }
    },
    onTime: (listener) => listeners.push(listener),
    onSpan: (listener) => spanListeners.push(listener),
    span: () => span,
    setSpan,
    startHere: () => setSpan({ start: now(), end: span && span.end > now() ? span.end : data.duration_ms }),
    endHere: () => setSpan({ start: span && span.start < now() ? span.start : 0, end: now() }),
    // Without a span, `around` tells which sentence is meant.
    loop: (around) => {
      if (!pressed(at("loop")) && !span) setSpan(around);
      press(at("loop"), !pressed(at("loop")) && Boolean(span));
    },
    skip: () => {
      press(at("skip"), !pressed(at("skip")));
      remember({ skip_silence: pressed(at("skip")) });
    },
    setSilences: (found) => { silences = found; },
  };

  audio.addEventListener("play", () => {
    begun = true;
    player.classList.add("playing");
    at("play").setAttribute("aria-label", at("play").dataset.pause);
    at("sound-error").hidden = true;
    at("resume").hidden = true;
    if (!frame) frame = requestAnimationFrame(tick);
  });
  audio.addEventListener("pause", () => {
    player.classList.remove("playing");
    at("play").setAttribute("aria-label", at("play").dataset.play);
    savePlace();
  });
  audio.addEventListener("ended", () => { if (looping()) sound.hear(span.start); });
  audio.addEventListener("timeupdate", keepWithin);
  audio.addEventListener("error", () => { at("sound-error").hidden = false; });
  document.addEventListener("visibilitychange", () => { if (document.hidden) savePlace(true); });
  window.addEventListener("pagehide", () => savePlace(true));

  at("play").addEventListener("click", sound.toggle);
  at("back").addEventListener("click", () => sound.step(-1));
  at("forward").addEventListener("click", () => sound.step(1));
  at("skip").addEventListener("click", sound.skip);
  at("seek").addEventListener("input", () => place(Number(at("seek").value)));
  at("start-here").addEventListener("click", sound.startHere);
  at("end-here").addEventListener("click", sound.endHere);
  at("clear-span").addEventListener("click", () => { setSpan(null); at("play").focus(); });
  at("speed").addEventListener("change", () => {
    setSpeed(Number(at("speed").value));
    remember({ speed: audio.playbackRate });
  });

  audio.removeAttribute("controls");
  player.querySelectorAll(":scope > .controls, :scope > .lanes").forEach((element) => { element.hidden = false; });
  setSpeed(data.preferences.speed);
  press(at("skip"), data.preferences.skip_silence);

  const asked = Number(new URLSearchParams(location.search).get("t"));
  if (asked > 0) {
    place(asked * 1000);
  } else if (data.place_ms) {
    place(data.place_ms);
    at("resume").hidden = false;
    at("resume").querySelector("span").textContent = t("上次听到 {at}，从这里继续。", { at: clock(data.place_ms) });
    at("resume").querySelector("button").addEventListener("click", () => { at("resume").hidden = true; sound.hear(0); });
  }
  return sound;
};
