"""Keys that a gateway tells of in an INFO, as many did before RFC 4733 and some still do."""

import re

from telephony.sip.message import Request, decode

KEYS = "0123456789*#ABCD"
_RELAY = re.compile(r"^\s*Signal\s*=\s*(\S{1,2})\s*$", re.I | re.M)
# Events 10 and 11 where the body numbers keys (RFC 4733, table 3).
_NUMBERED = {"10": "*", "11": "#"}


def pressed(request: Request) -> str:
    """The key of an INFO with a body of ``application/dtmf-relay`` or ``application/dtmf``; empty for any other."""
    kind = request.get("Content-Type").partition(";")[0].strip().lower()
    text = decode(request.body[:200])
    if kind == "application/dtmf-relay":
        found = _RELAY.search(text)
        text = found[1] if found else ""
    elif kind != "application/dtmf":
        return ""
    key = text.strip().upper()
    key = _NUMBERED.get(key, key)
    return key if len(key) == 1 and key in KEYS else ""
