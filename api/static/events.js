// Follows the server's events while the page is looked at.  Where there are none (an old proxy, too many pages, a server
// that starts anew), whoever follows is asked to look by himself every so often, and told that this is so.
const POLL = 15000;
const TRY_AGAIN = 60000;
// The browser connects again by itself: only what takes longer is worth a word.
const PATIENCE = 8000;

// `version()`: what the page shows.  `changed(event)`: there is something newer; without an event perhaps.
// `state(word)`: "live", "polling", "lost" or "off".
export const follow = (path, { version, changed, state }) => {
  let source = null;
  let wanted = true;
  let timers = [];

  const rest = () => {
    timers.forEach(clearTimeout);
    timers = [];
  };
  const later = (what, milliseconds) => timers.push(setTimeout(what, milliseconds));

  const close = () => {
    rest();
    source?.close();
    source = null;
  };
  const poll = () => {
    changed(null);
    later(poll, POLL);
  };
  const refused = () => {
    close();
    state("polling");
    poll();
    later(open, TRY_AGAIN);
  };
  const open = () => {
    close();
    if (!wanted || document.hidden) return;
    source = new EventSource(`${path}?since=${encodeURIComponent(version())}`);
    source.addEventListener("open", () => { rest(); state("live"); });
    source.addEventListener("changed", changed);
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) refused();
      else if (!timers.length) later(() => state("lost"), PATIENCE);
    });
  };

  // A page in the background holds no connection: browsers have six for each site.
  document.addEventListener("visibilitychange", open);
  open();
  return {
    want(yes) {
      wanted = yes;
      if (!yes) state("off");
      open();
    },
    stop: close,
  };
};
