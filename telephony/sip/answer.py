"""Answers of a recording server (RFC 3264 §6, RFC 7866 §7.1): what can be recorded is taken, all else refused."""

from collections.abc import Mapping
from dataclasses import replace

from telephony.sip.crypto import Agreement
from telephony.sip.sdp import Attributes, Description, Media, family

_EVENTS = "TELEPHONE-EVENT/"
# How packets are cut.
_REPEATED = ("ptime", "maxptime")
# By which others name the line (RFC 4574, RFC 5888); a refused one keeps them.
_NAMES = ("label", "mid")


def answer(
    offer: Description,
    ports: Mapping[int, int],
    host: str,
    *,
    session_id: int,
    version: int,
    agreed: Mapping[int, Agreement | None] | None = None,
) -> bytes:
    """m-line ``index`` at ``ports[index]`` with the key of ``agreed[index]``; every other is refused with port 0.

    The bytes hold keys: to be sent, not to be kept.
    """
    media = _lines(offer, ports, host, agreed or {})
    return bytes(Description(_origin(host, session_id, version), media, host))


def offer_again(
    told: Description,
    ports: Mapping[int, int],
    host: str,
    *,
    session_id: int,
    version: int,
    agreed: Mapping[int, Agreement | None],
) -> bytes:
    """What is in force, as an offer of ours: for a gateway that asks in the middle of a call (RFC 3261 §14.2).

    ``told`` is what it last said.  Lines keep their places and payload types (RFC 3264 §8); a hold may end.
    """
    media = (replace(one, direction="recvonly") if one.port else one for one in _lines(told, ports, host, agreed))
    return bytes(Description(_origin(host, session_id, version), tuple(media), host))


def _origin(host: str, session_id: int, version: int) -> str:
    return f"huiyin {session_id} {version} IN {family(host)} {host}"


def _lines(
    told: Description, ports: Mapping[int, int], host: str, agreed: Mapping[int, Agreement | None]
) -> tuple[Media, ...]:
    return tuple(
        _take(one, ports[index], host, agreed.get(index))
        if ports.get(index) and one.recordable()
        else _refuse(one, host)
        for index, one in enumerate(told.media)
    )


def _refuse(media: Media, host: str) -> Media:
    """The line as it was offered, without a port (RFC 3264 §6)."""
    return Media(media.kind, 0, media.profile, media.formats, host, "inactive", _repeat(media, _NAMES))


def _take(media: Media, port: int, host: str, agreement: Agreement | None) -> Media:
    # We never send: nothing is left of an offer in which the gateway would only listen (RFC 3264 §6.1).
    direction = "recvonly" if media.direction in ("sendrecv", "sendonly") else "inactive"
    taken = media.recordable()
    attributes = [*_repeat(media, _NAMES), *_formats(media, taken), *_repeat(media, _REPEATED)]
    if media.mux:
        attributes.append(("rtcp-mux", ""))
    cryptos = (agreement.ours,) if agreement else ()
    return Media("audio", port, media.profile, tuple(taken), host, direction, tuple(attributes), cryptos)


def _repeat(media: Media, names: tuple[str, ...]) -> Attributes:
    return tuple((name, value) for name in names if (value := media.attribute(name)))


def _formats(media: Media, taken: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each payload type with the parameters that it was offered with: we decode whatever they allow."""
    offered = dict(reversed([value.partition(" ")[::2] for name, value in media.attributes if name == "fmtp"]))
    lines: list[tuple[str, str]] = []
    for payload, name in media.rtpmaps().items():
        if payload in taken:
            events = name.upper().startswith(_EVENTS)
            parameters = offered.get(payload, "").strip() or ("0-15" if events else "")
            lines.append(("rtpmap", f"{payload} {name}"))
            lines += [("fmtp", f"{payload} {parameters}")] if parameters else []
    return lines
