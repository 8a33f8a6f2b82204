// The dialogue follows the sound, and the sound follows the dialogue.  Without this script the browser's own player works.
"use strict";

(() => {
  const player = document.getElementById("player");
  const audio = document.getElementById("audio");
  if (!player || !audio) return;

  const duration = Number(player.dataset.duration);
  const turns = Array.from(document.querySelectorAll(".turn"), (element) => ({
    element,
    start: Number(element.dataset.start),
    end: Number(element.dataset.end),
  }));
  const play = document.getElementById("play");
  const now = document.getElementById("now");
  const seek = document.getElementById("seek");
  const needle = document.getElementById("needle");
  const follow = document.getElementById("follow");
  const speed = document.getElementById("speed");
  const failure = document.getElementById("sound-error");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  const clock = (milliseconds) => {
    const seconds = Math.floor(milliseconds / 1000);
    const tail = `${String(seconds % 60).padStart(2, "0")}`;
    const minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
  };

  // The turn that is being spoken: the last one that has begun and not yet ended.
  const speaking = (milliseconds) => {
    let found = null;
    for (const turn of turns) {
      if (turn.start <= milliseconds && milliseconds < turn.end) found = turn;
    }
    return found;
  };

  let shown = null;
  const show = (milliseconds) => {
    now.textContent = clock(milliseconds);
    seek.value = String(milliseconds);
    seek.setAttribute("aria-valuetext", clock(milliseconds));
    needle.setAttribute("x1", String(milliseconds));
    needle.setAttribute("x2", String(milliseconds));
    const turn = speaking(milliseconds);
    if (turn === shown) return;
    if (shown) {
      shown.element.classList.remove("speaking");
      shown.element.removeAttribute("aria-current");
    }
    shown = turn;
    if (!turn) return;
    turn.element.classList.add("speaking");
    turn.element.setAttribute("aria-current", "true");
    if (follow.checked && !audio.paused) reveal(turn.element);
  };

  const reveal = (element) => {
    element.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  };

  // Before the sound is loaded, currentTime sets where it will begin.
  const place = (milliseconds) => {
    audio.currentTime = Math.max(0, Math.min(milliseconds, duration)) / 1000;
    show(audio.currentTime * 1000 || milliseconds);
  };

  const start = () => audio.play().catch((error) => {
    if (error.name !== "AbortError") failure.hidden = false;
  });

  const hear = (milliseconds) => {
    place(milliseconds);
    start();
  };

  let frame = 0;
  const tick = () => {
    show(audio.currentTime * 1000);
    frame = audio.paused ? 0 : requestAnimationFrame(tick);
  };

  audio.addEventListener("play", () => {
    player.classList.add("playing");
    play.setAttribute("aria-label", play.dataset.pause);
    failure.hidden = true;
    if (!frame) frame = requestAnimationFrame(tick);
  });
  audio.addEventListener("pause", () => {
    player.classList.remove("playing");
    play.setAttribute("aria-label", play.dataset.play);
  });
  audio.addEventListener("timeupdate", () => show(audio.currentTime * 1000));
  audio.addEventListener("error", () => { failure.hidden = false; });

  play.addEventListener("click", () => (audio.paused ? start() : audio.pause()));
  seek.addEventListener("input", () => place(Number(seek.value)));
  speed.addEventListener("change", () => { audio.playbackRate = Number(speed.value); });
  turns.forEach((turn) => {
    turn.element.querySelector(".bubble").addEventListener("click", () => hear(turn.start));
  });
  document.querySelectorAll("[data-jump]").forEach((link) => {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const milliseconds = Number(link.dataset.jump);
      hear(milliseconds);
      const turn = turns.find((each) => each.start === milliseconds) || speaking(milliseconds);
      if (turn) reveal(turn.element);
    });
  });
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("input, select, textarea, button, a, summary");
    if (event.key === " " && !busy) {
      event.preventDefault();
      play.click();
    }
  });

  audio.removeAttribute("controls");
  player.querySelectorAll("[hidden]:not(.notice)").forEach((element) => { element.hidden = false; });

  const asked = Number(new URLSearchParams(location.search).get("t"));
  if (asked > 0) {
    place(asked * 1000);
    const turn = speaking(asked * 1000);
    if (turn) reveal(turn.element);
  }
})();
