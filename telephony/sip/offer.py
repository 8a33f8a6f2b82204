"""Our own offer, for a gateway that sends an INVITE without one and answers in the ACK (RFC 3261 §13.2.1)."""

from collections.abc import Sequence

from telephony.rtp.codecs import STATIC_PAYLOADS, find

# G.711 first: every gateway has it and nothing is lost on the way.
_STATIC = ("8", "0", "9", "18")
_DYNAMIC = {"96": ("opus/48000/2", "OPUS/48000"), "97": ("G726-32/8000", "G726-32/8000")}
_EVENTS = ("a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15")


def offer(ports: Sequence[int], host: str, *, session_id: int, version: int) -> bytes:
    """One line for each port: audio that we only receive; port 0 keeps the place of a line that is closed."""
    family = "IP6" if ":" in host else "IP4"
    lines = ["v=0", f"o=huiyin {session_id} {version} IN {family} {host}", "s=-", f"c=IN {family} {host}", "t=0 0"]
    for number, port in enumerate(ports, start=1):
        lines += [*_audio(port), f"a=label:{number}", "a=recvonly"] if port else ["m=audio 0 RTP/AVP 8"]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _audio(port: int) -> list[str]:
    named = {payload: STATIC_PAYLOADS[payload] for payload in _STATIC if find(STATIC_PAYLOADS[payload])}
    named |= {payload: shown for payload, (shown, name) in _DYNAMIC.items() if find(name)}
    maps = [f"a=rtpmap:{payload} {name}" for payload, name in named.items()]
    return [f"m=audio {port} RTP/AVP {' '.join(named)} 101", *maps, *_EVENTS]
