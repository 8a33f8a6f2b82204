"""One dialog's media within a recording: which m-line is received on which port, and what we said about it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from core.errors import Unavailable
from telephony.call import UNKNOWN, Stream
from telephony.rtp.srtp import Protection
from telephony.sip.answer import answer, offer_again
from telephony.sip.crypto import Agreement, accepted, agree, renewed
from telephony.sip.message import readable
from telephony.sip.offer import offer
from telephony.sip.sdp import Description, Media


class Ports(Protocol):
    """What a recording needs of ``rtp.capture``."""

    def open(self, file: Path, *, protection: Protection | None = None, mux: bool = False) -> int: ...

    def protect(self, port: int, protection: Protection | None) -> None: ...

    def close(self, port: int) -> Mapping[str, Any]: ...

    def quiet_seconds(self, port: int) -> float: ...

    def pause(self, port: int) -> None: ...

    def resume(self, port: int) -> None: ...


class Leg:
    """The streams of one dialog, ``number`` in ``CallFacts.dialogs``; ``streams`` holds the closed ones as well."""

    def __init__(self, number: int, ports: Ports, directory: Path, *, host: str, session_id: int) -> None:
        """``host`` is the address that our SDP names, ``session_id`` its ``o=`` number."""
        self.number, self._ports, self._directory = number, ports, directory
        self._host, self._session_id, self._version = host, session_id, 0
        self.streams: tuple[Stream, ...] = ()
        # m-line → the file of the stream that is open there.
        self._open: dict[int, str] = {}
        self._labels: dict[int, str] = {}
        # What open streams are protected with.
        self._agreed: dict[int, Agreement | None] = {}
        # What the gateway said last, and the keys in an offer of ours that waits for its answer.
        self._told: Description | None = None
        self._pending: dict[int, Agreement] = {}
        self.offered: frozenset[str] = frozenset()
        # Why the gateway sends nothing now; empty while any stream flows.
        self.held = ""
        self.sdp = b""

    @property
    def labels(self) -> dict[str, str]:
        """SDP labels of the open streams, by file."""
        return {file: self._labels.get(index, "") for index, file in self._open.items()}

    @property
    def open_ports(self) -> tuple[int, ...]:
        return tuple(stream.port for stream in self.streams if self.is_open(stream))

    def is_open(self, stream: Stream) -> bool:
        return stream.file in self._open.values()

    def quiet_seconds(self) -> float:
        """Seconds since the last packet on any stream; endless when none is open."""
        return min((self._ports.quiet_seconds(port) for port in self.open_ports), default=float("inf"))

    def follow(self, offered: Description, taken: Collection[str]) -> None:
        """Open and close streams as an offer asks and make the answer; ``Unavailable`` leaves everything as it was.

        ``taken`` are the files of the other legs.
        """
        wanted = _wanted(offered)
        agreed = {index: self._agree(index, media) for index, media in wanted.items()}
        fresh = self._open_streams({at: media for at, media in wanted.items() if at not in self._open}, agreed, taken)
        self._protect(agreed)
        self._settle(offered, wanted, fresh)
        self._version += 1
        self.sdp = answer(
            offered,
            {stream.index: stream.port for stream in self.streams if self.is_open(stream)},
            self._host,
            session_id=self._session_id,
            version=self._version,
            agreed=agreed,
        )

    def offer(self, taken: Collection[str]) -> None:
        """Make an offer of ours: of what is open, or of one audio stream (RFC 3261 §13.2.1, delayed offer)."""
        if not self._open:
            (stream,) = self._open_streams({0: None}, {}, taken).values()
            self.streams, self._open, self._told = (*self.streams, stream), {0: stream.file}, None
        self._pending = {index: renewed(one) for index, one in self._agreed.items() if one}
        # What says nothing new keeps its version (RFC 3264 §8).
        if self._offer() != self.sdp:
            self._version += 1
            self.sdp = self._offer()

    def _offer(self) -> bytes:
        ports = {stream.index: stream.port for stream in self.streams if self.is_open(stream)}
        if self._told is None:
            lines = [ports.get(index, 0) for index in range(max(ports) + 1)]
            return offer(lines, self._host, session_id=self._session_id, version=self._version)
        return offer_again(
            self._told,
            ports,
            self._host,
            session_id=self._session_id,
            version=self._version,
            agreed=self._pending,
        )

    def answered(self, answering: Description) -> None:
        """Follow the answer to our offer: its payload types, labels and keys; what it refuses is closed."""
        media = (self._named(index, one) for index, one in enumerate(answering.media))
        answering = replace(answering, media=tuple(media))
        wanted = {index: one for index, one in _wanted(answering).items() if index in self._open}
        agreed = {
            index: accepted(self._pending[index], one.cryptos, one.place) if index in self._pending else None
            for index, one in wanted.items()
        }
        self._protect(agreed)
        self._settle(answering, wanted, {})

    def _named(self, index: int, media: Media) -> Media:
        """An answer that repeats no label means the stream as it was named before."""
        known = self._labels.get(index, "")
        return media if media.label or not known else replace(media, attributes=(*media.attributes, ("label", known)))

    def _protect(self, agreed: dict[int, Agreement | None]) -> None:
        for stream in (one for one in self.streams if self.is_open(one) and one.index in agreed):
            if agreed[stream.index] is not self._agreed.get(stream.index):
                self._ports.protect(stream.port, _protection(agreed[stream.index]))
        self._agreed, self._pending = agreed, {}

    def _settle(self, told: Description, wanted: Mapping[int, Media], fresh: Mapping[int, Stream]) -> None:
        for index in [index for index in self._open if index not in wanted]:
            self._close_stream(index)
        self._open |= {index: stream.file for index, stream in fresh.items()}
        self._told = told
        self._labels = {index: readable(media.label) for index, media in wanted.items()}
        self.offered = frozenset(readable(media.label) for media in told.media)
        self.streams = tuple(
            self._described(one, wanted[one.index]) if self.is_open(one) else one
            for one in (*self.streams, *fresh.values())
        )
        self.held = _held(tuple(wanted.values()))

    def close(self) -> None:
        """Free every port."""
        for index in list(self._open):
            self._close_stream(index)

    def _agree(self, index: int, media: Media) -> Agreement | None:
        return agree(media.cryptos, media.place, self._agreed.get(index), optional=not media.secure)

    def _open_streams(
        self, lines: Mapping[int, Media | None], agreed: Mapping[int, Agreement | None], taken: Collection[str]
    ) -> dict[int, Stream]:
        opened: dict[int, Stream] = {}
        names = {*taken, *(stream.file for stream in self.streams)}
        try:
            for index, media in lines.items():
                label, mux = (media.label, media.mux) if media else ("", False)
                file = _file_name(index, label, names)
                names.add(file)
                port = self._ports.open(self._directory / file, protection=_protection(agreed.get(index)), mux=mux)
                opened[index] = Stream(readable(label), index, UNKNOWN, file, port, dialog=self.number)
        except (Unavailable, OSError):
            # All or nothing: the error goes on to whoever asked.
            for stream in opened.values():
                self._ports.close(stream.port)
            raise
        return opened

    def _described(self, stream: Stream, media: Media) -> Stream:
        agreement = self._agreed.get(stream.index)
        return replace(
            stream,
            label=readable(media.label),
            payload_types={**stream.payload_types, **media.recordable()},
            protection=agreement.offered.suite if agreement else "",
        )

    def _close_stream(self, index: int) -> None:
        file = self._open.pop(index)
        self.streams = tuple(
            replace(stream, received=dict(self._ports.close(stream.port))) if stream.file == file else stream
            for stream in self.streams
        )


def _wanted(told: Description) -> dict[int, Media]:
    return {index: media for index, media in enumerate(told.media) if media.recordable()}


def _protection(agreement: Agreement | None) -> Protection | None:
    return agreement.protection if agreement else None


def _file_name(index: int, label: str, taken: Collection[str]) -> str:
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", label)[:40] or f"m{index}"
    names = (f"{stem}.rtpdump", *(f"{stem}-{count}.rtpdump" for count in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _held(lines: tuple[Media, ...]) -> str:
    """Why no line brings sound: the direction of RFC 3264 §8.4 or the address of its predecessor; empty if one does."""
    reasons = {_line_held(media) for media in lines}
    return "" if "" in reasons else " and ".join(sorted(reasons))


def _line_held(media: Media) -> str:
    if media.held:
        return f"c={media.connection}"
    return f"a={media.direction}" if media.direction in ("inactive", "recvonly") else ""
