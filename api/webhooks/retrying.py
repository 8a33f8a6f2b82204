"""What becomes of a delivery after a try.  One table; time and chance are arguments.

waiting ──2xx──▶ delivered
   ▲  │──410──▶ failed, and the subscriber is switched off
   │  └──else──▶ waiting, later; after the last try: failed
   └── a person sends it again ── delivered, failed
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
OK, GONE, ELSE = "ok", "gone", "else"
FIRST, FACTOR, LONGEST = timedelta(seconds=5), 4, timedelta(hours=8)
# 5 s, 20 s, 80 s … 8 h: about 40 hours from the first try to the last.
TRIES = 12
# A subscriber may ask for patience, up to so much.
LONGEST_ASKED = timedelta(hours=24)
JITTER = 0.2

_NEXT: Mapping[tuple[str, bool], str] = {
    (OK, False): DELIVERED,
    (OK, True): DELIVERED,
    (GONE, False): FAILED,
    (GONE, True): FAILED,
    (ELSE, False): WAITING,
    (ELSE, True): FAILED,
}


@dataclass(frozen=True)
class Next:
    """The new state, and when the next try is (only while waiting)."""

    state: str
    at: datetime


def judge(status: int | None) -> str:
    """What an answer's status means; ``None``: there was no answer."""
    if status is not None and 200 <= status < 300:
        return OK
    return GONE if status == 410 else ELSE


def after(tries: int, status: int | None, now: datetime, *, chance: float, asked: timedelta = timedelta(0)) -> Next:
    """After try number ``tries`` (from 1).  ``chance`` from 0 to 1 spreads the next one by a fifth either way, so that
    what failed together does not come back together; ``asked`` is the answer's Retry-After."""
    state = _NEXT[judge(status), tries >= TRIES]
    if state != WAITING:
        return Next(state, now)
    plain = min(FIRST * FACTOR ** (tries - 1), LONGEST)
    return Next(state, now + max(plain * (1 - JITTER + 2 * JITTER * chance), min(asked, LONGEST_ASKED)))
