"""Session timers as the called side agrees to them (RFC 4028 §9): pure negotiation, seconds in and out.

We end a session when its whole interval has passed without a refresh, not the recommended third before (§10): whoever
refreshes late is still recorded, and nobody may count on us longer than agreed.
"""

import re
from dataclasses import dataclass

from telephony.sip.header import parse_parameters
from telephony.sip.message import Headers, Request, Response

MIN_SE = 90
OPTION = "timer"
# A billion seconds is for ever, and fits whatever adds it to a clock.
_LONGEST = 10**9


@dataclass(frozen=True)
class SessionTimer:
    """Every ``interval`` seconds a refresh, by us or by the peer."""

    interval: int
    ours: bool

    @property
    def refresh_after(self) -> float:
        """Seconds after which the refresher refreshes (§7.2: half the interval)."""
        return self.interval / 2

    def headers(self, *, supported: bool) -> Headers:
        """What our 2xx says; ``Require: timer`` binds a peer that knows the extension and refreshes (§9)."""
        told = ("Session-Expires", f"{self.interval};refresher={'uas' if self.ours else 'uac'}")
        return (told, ("Require", OPTION)) if supported and not self.ours else (told,)


class TooShort(Exception):
    """The peer asks for an interval below ``MIN_SE``: 422 (§6)."""


def supports(request: Request) -> bool:
    """Whether the peer knows session timers."""
    return OPTION in {option.lower() for name in ("Supported", "Require") for option in request.values(name)}


def agree(request: Request, wished: int) -> SessionTimer | None:
    """The timer that our 2xx to an INVITE or UPDATE names; ``wished`` seconds are asked for where the peer names none
    (0: nothing is).  ``TooShort`` where the peer wants less than ``MIN_SE`` and would understand a 422.

    A peer that does not know timers gets none: to find out whether it lives, asking within the dialog is lighter than
    refreshing for it.
    """
    supported = supports(request)
    asked, refresher = _session_expires(request)
    if asked is None:
        least = max(_seconds(request.get("Min-SE")) or 0, MIN_SE)
        return SessionTimer(max(wished, least), ours=False) if wished and supported else None
    if asked < MIN_SE:
        if supported:
            raise TooShort
        return None
    if not supported:
        # A proxy asks for itself: only we can refresh (table 2).
        return SessionTimer(asked, ours=True)
    return SessionTimer(asked, ours=refresher == "uas")


def refreshed(response: Response, before: SessionTimer) -> SessionTimer | None:
    """The timer after a 2xx to a refresh of ours; there the peer is the server, and None ends the timer (§7.2)."""
    interval, refresher = _session_expires(response)
    if interval is None:
        return None
    return SessionTimer(max(interval, MIN_SE), ours=refresher != "uas" if refresher else before.ours)


def least_allowed(response: Response, before: SessionTimer) -> SessionTimer:
    """The timer to ask for after a 422 (§7.4)."""
    return SessionTimer(max(before.interval, _seconds(response.get("Min-SE")) or before.interval), before.ours)


def request_headers(timer: SessionTimer) -> Headers:
    """What a refresh of ours says: there we are the client."""
    return ("Session-Expires", f"{timer.interval};refresher=uac"), ("Min-SE", str(MIN_SE))


def _session_expires(message: Request | Response) -> tuple[int | None, str]:
    value, _, parameters = message.get("Session-Expires").partition(";")
    named = dict(parse_parameters(parameters))
    return _seconds(value), (named.get("refresher") or "").lower()


def _seconds(text: str) -> int | None:
    """Unreadable is as good as absent: a timer is no reason to lose a call."""
    text = text.partition(";")[0].strip()
    return min(int(text), _LONGEST) if re.fullmatch(r"[0-9]{1,10}", text) else None
