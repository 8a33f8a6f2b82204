"""Session descriptions (RFC 8866) and answers to them (RFC 3264), as a recording server gives them (RFC 7866 §7.1)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from telephony.rtp.codecs import STATIC_PAYLOADS, find
from telephony.sip.message import decode

TELEPHONE_EVENT = "TELEPHONE-EVENT/8000"
_PROFILES = ("RTP/AVP", "RTP/AVPF")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Media:
    """One m-line.  ``direction`` has the session's value where the m-line names none."""

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]
    connection: str = ""
    direction: str = "sendrecv"
    attributes: Attributes = ()

    def attribute(self, name: str) -> str | None:
        """The first attribute of a name; ``""`` for a flag."""
        return next((value for key, value in self.attributes if key == name), None)

    @property
    def label(self) -> str:
        """RFC 4574 label, by which recording metadata names the stream."""
        return (self.attribute("label") or "").strip()

    def encodings(self) -> dict[str, str]:
        """Payload type → ``ENCODING/CLOCK`` in capitals, in the order of the m-line; unknown ones are left out."""
        mapped = dict(STATIC_PAYLOADS)
        for name, value in self.attributes:
            found = (
                re.fullmatch(r"([0-9]{1,3})\s+([A-Za-z0-9.+_-]+)/([0-9]{1,6})(?:/[0-9]+)?\s*", value)
                if name == "rtpmap"
                else None
            )
            if found:
                mapped[found[1]] = f"{found[2]}/{found[3]}".upper()
        return {payload: mapped[payload] for payload in self.formats if payload in mapped}

    def recordable(self) -> dict[str, str]:
        """The payload types that we take: what the assembler decodes, and telephone events beside it.

        Empty: the m-line is refused.
        """
        if self.kind != "audio" or self.port == 0 or self.profile.upper() not in _PROFILES:
            return {}
        known = self.encodings()
        if not any(find(name) for name in known.values()):
            return {}
        return {payload: name for payload, name in known.items() if find(name) or name == TELEPHONE_EVENT}


@dataclass(frozen=True)
class Description:
    """A session description, reduced to what offer and answer need."""

    origin: str
    media: tuple[Media, ...]
    connection: str = ""


def parse_sdp(body: bytes) -> Description:
    """Read a description; unknown lines are passed over (RFC 8866 §5), broken ones raise ``ValueError``."""
    origin = connection = ""
    direction = "sendrecv"
    sections: list[list[tuple[str, str]]] = [[]]
    for line in re.split(r"\r\n|\n|\r", decode(body)):
        if not line.strip():
            continue
        if line[1:2] != "=":
            raise ValueError("a line of SDP has no equals sign")
        if line[0] == "m":
            sections.append([])
        sections[-1].append((line[0], line[2:].strip()))
    session, *media = sections
    if not session or session[0] != ("v", "0"):
        raise ValueError("SDP does not begin with v=0")
    for key, value in session:
        origin = value if key == "o" else origin
        connection = _address(value) if key == "c" else connection
        direction = value if key == "a" and value in _DIRECTIONS else direction
    return Description(origin, tuple(_parse_media(lines, connection, direction) for lines in media), connection)


def _parse_media(lines: Sequence[tuple[str, str]], connection: str, direction: str) -> Media:
    found = re.fullmatch(r"(\S+)\s+([0-9]{1,5})(?:/[0-9]+)?\s+(\S+)((?:\s+\S+)*)", lines[0][1])
    if not found or int(found[2]) > 65535:
        raise ValueError("a media line of SDP is broken")
    attributes: list[tuple[str, str]] = []
    for key, value in lines[1:]:
        if key == "c":
            connection = _address(value)
        elif key == "a" and value in _DIRECTIONS:
            direction = value
        elif key == "a":
            name, _, content = value.partition(":")
            attributes.append((name.strip().lower(), content.strip()))
    formats = tuple(found[4].split())
    return Media(found[1].lower(), int(found[2]), found[3], formats, connection, direction, tuple(attributes))


def _address(value: str) -> str:
    parts = value.split()
    if len(parts) != 3 or parts[0].upper() != "IN":
        raise ValueError("a connection line of SDP is broken")
    return parts[2].partition("/")[0]


def answer(offer: Description, ports: Mapping[int, int], host: str, *, session_id: int, version: int) -> bytes:
    """Our answer: m-line ``index`` at ``ports[index]``, every other refused with port 0 (RFC 3264 §6)."""
    family = "IP6" if ":" in host else "IP4"
    lines = ["v=0", f"o=huiyin {session_id} {version} IN {family} {host}", "s=-", f"c=IN {family} {host}", "t=0 0"]
    for index, media in enumerate(offer.media):
        lines += _answer_media(media, ports.get(index, 0))
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _answer_media(media: Media, port: int) -> list[str]:
    taken = media.recordable() if port else {}
    if not taken:
        lines = [f"m={media.kind} 0 {media.profile} {' '.join(media.formats) or '0'}"]
        return [*lines, f"a=label:{media.label}"] if media.label else lines
    lines = [f"m=audio {port} {media.profile} {' '.join(taken)}"]
    if media.label:
        lines.append(f"a=label:{media.label}")
    for payload, name in taken.items():
        shown = name.lower() if name == TELEPHONE_EVENT else name
        lines.append(f"a=rtpmap:{payload} {shown}")
        if name == TELEPHONE_EVENT:
            lines.append(f"a=fmtp:{payload} 0-15")
    if media.attribute("ptime"):
        lines.append(f"a=ptime:{media.attribute('ptime')}")
    # We never send: nothing is left of an offer in which the gateway would only listen (RFC 3264 §6.1).
    lines.append("a=recvonly" if media.direction in ("sendrecv", "sendonly") else "a=inactive")
    return lines
