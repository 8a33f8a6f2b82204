"""Session descriptions (RFC 8866) as values.  ``sip.answer`` says how a recording server replies to one.

Whatever gateways write is read as far as it makes sense: an m-line that is broken becomes one that is refused, in its
place, and any other line that is broken is passed over.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address

from telephony.rtp.codecs import STATIC_PAYLOADS, find
from telephony.sip.crypto import Crypto
from telephony.sip.message import decode

TELEPHONE_EVENT = "TELEPHONE-EVENT/8000"
# What rides beside a codec, at whatever clock: digits (RFC 4733) and comfort noise (RFC 3389).
_BESIDE = ("TELEPHONE-EVENT/", "CN/")
_PLAIN = ("RTP/AVP", "RTP/AVPF")
_SECURE = ("RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
# Found at session level where they do not belong, these are meant for every m-line.
_INHERITED = ("ptime", "maxptime", "rtcp-mux")
# A description of 64 KB has room for thousands, each of which would take two ports.
MOST_MEDIA = 32

_LINE = re.compile(r"\s*([A-Za-z])\s*=")
_MEDIA = re.compile(r"(\S+)\s+([0-9]{1,5})(?:\s*/\s*[0-9]+)?\s+(\S+)((?:\s+\S+)+)")
_RTPMAP = re.compile(r"([0-9]{1,3})\s+([A-Za-z0-9.+_-]+)(?:\s*/\s*([0-9]{1,6}))?(?:\s*/\s*([0-9]{1,2}))?")
_ADDRESS = re.compile(r"IN\s+IP[46]\s+([^\s/]+)(?:/\S*)?", re.I)

Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Media:
    """One m-line.  ``connection``, ``direction`` and ``cryptos`` have the session's values where it names none.

    ``attributes`` are all others, names in lower case.  A line that could not be read has no ``formats``.
    """

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]
    connection: str = ""
    direction: str = "sendrecv"
    attributes: Attributes = ()
    cryptos: tuple[Crypto, ...] = ()

    def attribute(self, name: str) -> str | None:
        """The first attribute of a name; ``""`` for a flag."""
        return next((value for key, value in self.attributes if key == name), None)

    @property
    def label(self) -> str:
        """RFC 4574 label, by which recording metadata names the stream."""
        return (self.attribute("label") or "").strip()

    @property
    def held(self) -> bool:
        """Whether the connection address is unspecified: hold as it was before RFC 3264 §8.4."""
        try:
            return ip_address(self.connection).is_unspecified
        except ValueError:
            return False

    @property
    def place(self) -> tuple[str, int] | None:
        """Address and port that the other side names; None on hold."""
        return None if self.held else (self.connection, self.port)

    @property
    def mux(self) -> bool:
        """Whether RTCP may come on the RTP port (RFC 5761)."""
        return self.attribute("rtcp-mux") is not None

    def rtpmaps(self) -> dict[str, str]:
        """Payload type → ``encoding/clock[/channels]`` as offered, in the order of the m-line, without unknown ones."""
        mapped = dict(STATIC_PAYLOADS)
        for name, value in self.attributes:
            if name == "rtpmap" and (found := _RTPMAP.fullmatch(value)):
                mapped[found[1]] = "/".join(part for part in (found[2], found[3] or "8000", found[4]) if part)
        return {payload: mapped[payload] for payload in self.formats if payload in mapped and int(payload) < 128}

    def encodings(self) -> dict[str, str]:
        """Payload type → ``ENCODING/CLOCK`` in capitals; otherwise as ``rtpmaps``."""
        return {payload: "/".join(name.upper().split("/")[:2]) for payload, name in self.rtpmaps().items()}

    def recordable(self) -> dict[str, str]:
        """The payload types that we take: what the assembler decodes, and digits and comfort noise beside it.

        Empty: the m-line is refused, for ``refusal``.
        """
        return {} if self.refusal() else self._taken()

    @property
    def secure(self) -> bool:
        """Whether the profile asks for protection."""
        return self.profile.upper() in _SECURE

    def refusal(self) -> str:
        """Why the m-line cannot be recorded; empty when it can.  ``closed``: the offer says so itself."""
        profile = self.profile.upper()
        reasons = (
            ("unreadable", not self.formats),
            ("not audio", self.kind != "audio"),
            ("closed", self.port == 0),
            ("unknown transport", profile not in (*_PLAIN, *_SECURE)),
            ("no usable key", self.secure and not any(crypto.usable for crypto in self.cryptos)),
            ("no known codec", not any(find(name) for name in self.rtpmaps().values())),
        )
        return next((reason for reason, holds in reasons if holds), "")

    def _taken(self) -> dict[str, str]:
        # Whether it has a second channel is part of the question; for Opus it is part of the name.
        offered, encodings = self.rtpmaps(), self.encodings()
        return {
            payload: name for payload, name in encodings.items() if find(offered[payload]) or name.startswith(_BESIDE)
        }


@dataclass(frozen=True)
class Description:
    """A session description, reduced to what offer and answer need.  ``attributes`` are the session's own."""

    origin: str
    media: tuple[Media, ...]
    connection: str = ""
    attributes: Attributes = ()

    def refusals(self) -> tuple[str, ...]:
        """Each audio line that can be read and is refused all the same, and why; lines count from 1."""
        reasons = (media.refusal() if media.kind == "audio" else "" for media in self.media)
        return tuple(
            f"audio line {place} refused: {reason}"
            for place, reason in enumerate(reasons, start=1)
            if reason not in ("", "closed", "unreadable")
        )

    def __bytes__(self) -> bytes:
        """With the keys of ``a=crypto``: to be sent, not to be kept."""
        lines = ["v=0", f"o={self.origin}", "s=-", *_print_connection(self.connection), "t=0 0"]
        lines += _print_attributes(self.attributes)
        for media in self.media:
            lines += _print_media(media, self.connection)
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def parse_sdp(body: bytes) -> Description:
    """Read a description.  Raises ``ValueError`` when it is none: no m-line nor ``v=0``, or another version."""
    sections: list[list[tuple[str, str]]] = [[]]
    for line in re.split(r"\r\n|\n|\r", decode(body).removeprefix("\ufeff")):
        if found := _LINE.match(line):
            letter = found[1].lower()
            if letter == "m":
                sections.append([])
            sections[-1].append((letter, line[found.end() :].strip()))
    session, *media = sections
    version = next((value for letter, value in session if letter == "v"), None)
    if version is None and not media:
        raise ValueError("a body of SDP describes no session")
    if version not in (None, "0"):
        raise ValueError("the version of SDP is not 0")
    origin = next((value for letter, value in session if letter == "o"), "")
    common = _apply(session, Media("", 0, "", ()))
    parsed = (_parse_media(lines, common, place < MOST_MEDIA) for place, lines in enumerate(media))
    return Description(origin, tuple(parsed), common.connection, common.attributes)


def _parse_media(lines: Sequence[tuple[str, str]], session: Media, wanted: bool) -> Media:
    line = lines[0][1]
    found = _MEDIA.fullmatch(line)
    if found and wanted and int(found[2]) <= 65535:
        media = Media(found[1].lower(), int(found[2]), found[3], tuple(dict.fromkeys(found[4].split())))
    else:
        # Its place must be kept, its words cannot be trusted.
        kind = re.match(r"[A-Za-z]+(?!\S)", line)
        media = Media(kind[0].lower() if kind else "audio", 0, "RTP/AVP", ())
    media = _apply(lines[1:], replace(media, connection=session.connection, direction=session.direction))
    inherited = (pair for pair in session.attributes if pair[0] in _INHERITED and media.attribute(pair[0]) is None)
    return replace(media, attributes=(*media.attributes, *inherited), cryptos=media.cryptos or session.cryptos)


def _apply(lines: Iterable[tuple[str, str]], media: Media) -> Media:
    """A section's lines over what holds already; broken ones change nothing."""
    connection, direction = media.connection, media.direction
    attributes: list[tuple[str, str]] = []
    cryptos: list[Crypto] = []
    for letter, value in lines:
        name, _, content = value.partition(":")
        name, content = name.strip().lower(), content.strip()
        if letter == "c" and (found := _ADDRESS.fullmatch(value)):
            connection = found[1]
        elif letter != "a" or not name:
            continue
        elif name in _DIRECTIONS:
            direction = name
        elif name == "crypto":
            with suppress(ValueError):
                cryptos.append(Crypto.parse(content))
        else:
            attributes.append((name, content))
    return replace(
        media, connection=connection, direction=direction, attributes=tuple(attributes), cryptos=tuple(cryptos)
    )


def _print_media(media: Media, connection: str) -> list[str]:
    return [
        f"m={media.kind} {media.port} {media.profile} {' '.join(media.formats) or '0'}",
        *(_print_connection(media.connection) if media.connection != connection else ()),
        *_print_attributes(media.attributes),
        *(f"a=crypto:{crypto.to_sdp()}" for crypto in media.cryptos),
        f"a={media.direction}",
    ]


def _print_connection(host: str) -> list[str]:
    return [f"c=IN {family(host)} {host}"] if host else []


def _print_attributes(attributes: Attributes) -> list[str]:
    return [f"a={name}:{value}" if value else f"a={name}" for name, value in attributes]


def family(host: str) -> str:
    """The address type of a host."""
    return "IP6" if ":" in host else "IP4"
