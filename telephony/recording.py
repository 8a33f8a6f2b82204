"""One call while it is recorded: its facts, its directory in the spool, its open ports."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from core.errors import Unavailable
from telephony.call import CLOSED, SIGNALLING_DIR, CallFacts, Stream
from telephony.sip.message import readable
from telephony.sip.sdp import Description, answer
from telephony.siprec.binding import ROLES_ASSUMED, UNKNOWN, bind
from telephony.siprec.metadata import Metadata
from telephony.siprec.session import SessionRequest

METADATA_MISSING, METADATA_UNREADABLE = "metadata missing", "metadata unreadable"
PARTY_CHANGED, NOT_ACKNOWLEDGED = "stream changed party", "not acknowledged"


class Ports(Protocol):
    """What a recording needs of ``rtp.capture``."""

    def open(self, file: Path) -> int: ...

    def close(self, port: int) -> Mapping[str, object]: ...

    def quiet_seconds(self, port: int) -> float: ...


class Recording:
    """Begins when its directory can be written; ``apply`` follows the signalling, ``close`` ends it."""

    def __init__(
        self, facts: CallFacts, spool_dir: Path, ports: Ports, agents: Sequence[re.Pattern[str]], host: str
    ) -> None:
        """``host`` is the address that answers name.  Raises ``OSError`` when the directory cannot be made."""
        self.facts, self.host = facts, host
        self.directory = spool_dir / str(facts.recording_id)
        self._ports, self._agents = ports, agents
        self._labels: dict[int, str] = {}
        self._open: dict[int, int] = {}
        self._metadata: Metadata | None = None
        self._lasting: tuple[str, ...] = ()
        self._bodies: dict[str, bytes] = {}
        self._documents = self._version = 0
        self._saved: CallFacts | None = None
        self._offered: frozenset[str] = frozenset()
        # Files of streams that carried one party and then another.
        self._mixed: set[str] = set()
        self.sdp = b""
        try:
            (self.directory / SIGNALLING_DIR).mkdir(parents=True)
        except OSError:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def apply(self, told: SessionRequest) -> None:
        """Follow an INVITE or UPDATE; ``Unavailable``, for want of ports, leaves everything as it was."""
        if told.offer is not None:
            self._follow_offer(told.offer)
        if told.metadata is not None:
            self._metadata = self._metadata.updated(told.metadata) if self._metadata else told.metadata
        elif told.raw_metadata:
            self._flag(METADATA_UNREADABLE)
        self.facts = replace(self._bound(), work_order=told.work_order or self.facts.work_order)

    def store(self, told: SessionRequest) -> None:
        """Write the bodies as received and, where they changed, the facts; raises ``OSError``."""
        self._keep("sdp", told.raw_offer)
        self._keep("xml", told.raw_metadata)
        if self.facts != self._saved:
            self.facts.save(self.directory)
            self._saved = self.facts

    def flag(self, flag: str) -> None:
        """Note something odd in the facts (saved with the next change)."""
        self._flag(flag)
        self.facts = self.facts.flagged(flag)

    def quiet_seconds(self) -> float:
        """Seconds since the last packet on any stream; endless when no stream is open."""
        return min((self._ports.quiet_seconds(port) for port in self._open.values()), default=float("inf"))

    def close(self, reason: str, at: datetime) -> CallFacts:
        """Close every port; the final facts come back and are ``Durability``'s to save.  Never raises."""
        for index in list(self._open):
            self._close_stream(index)
        self.facts = replace(self.facts, state=CLOSED, ended_at=at, end_reason=reason)
        return self.facts

    def discard(self) -> None:
        """Undo a beginning that failed: free the ports, remove the directory."""
        for port in self._open.values():
            self._ports.close(port)
        self._open.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _follow_offer(self, offer: Description) -> None:
        wanted = {index: media.recordable() for index, media in enumerate(offer.media) if media.recordable()}
        fresh = self._open_streams({index: offer.media[index].label for index in wanted if index not in self._open})
        for index in [index for index in self._open if index not in wanted]:
            self._close_stream(index)
        self._open |= {index: stream.port for index, stream in fresh.items()}
        self._labels = {index: offer.media[index].label for index in wanted}
        self._offered = frozenset(media.label for media in offer.media)
        streams = (*self.facts.streams, *fresh.values())
        self.facts = replace(self.facts, streams=tuple(self._with_payloads(stream, wanted) for stream in streams))
        self._version += 1
        session_id = self.facts.recording_id.int >> 66
        self.sdp = answer(offer, self._open, self.host, session_id=session_id, version=self._version)

    def _open_streams(self, labels: Mapping[int, str]) -> dict[int, Stream]:
        opened: dict[int, Stream] = {}
        try:
            for index, label in labels.items():
                file = self._file_name(index, label, [stream.file for stream in opened.values()])
                port = self._ports.open(self.directory / file)
                opened[index] = Stream(readable(label), index, UNKNOWN, file, port)
        except (Unavailable, OSError):
            # All or nothing: the error goes on to whoever asked.
            for stream in opened.values():
                self._ports.close(stream.port)
            raise
        return opened

    def _file_name(self, index: int, label: str, others: Sequence[str]) -> str:
        taken = {stream.file for stream in self.facts.streams}.union(others)
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", label)[:40] or f"m{index}"
        names = (f"{stem}.rtpdump", *(f"{stem}-{count}.rtpdump" for count in range(2, len(taken) + 3)))
        return next(name for name in names if name not in taken)

    def _with_payloads(self, stream: Stream, wanted: Mapping[int, Mapping[str, str]]) -> Stream:
        if not self._is_open(stream):
            return stream
        agreed = {**stream.payload_types, **wanted[stream.index]}
        return replace(stream, label=readable(self._labels[stream.index]), payload_types=agreed)

    def _is_open(self, stream: Stream) -> bool:
        return self._open.get(stream.index) == stream.port and not stream.received

    def _close_stream(self, index: int) -> None:
        received = dict(self._ports.close(self._open[index]))
        self.facts = replace(
            self.facts,
            streams=tuple(
                replace(stream, received=received) if stream.index == index and self._is_open(stream) else stream
                for stream in self.facts.streams
            ),
        )
        del self._open[index]

    def _bound(self) -> CallFacts:
        binding = bind(self._labels, self._metadata, self._agents, offered=self._offered)
        streams = tuple(
            replace(stream, role=self._role(stream, binding.roles.get(stream.index, UNKNOWN)))
            for stream in self.facts.streams
        )
        missing = (METADATA_MISSING,) if self._metadata is None and METADATA_UNREADABLE not in self._lasting else ()
        flags = tuple(dict.fromkeys((*self._lasting, *missing, *binding.flags)))
        parties = binding.parties or self.facts.parties
        return replace(self.facts, streams=streams, parties=parties, flags=flags)

    def _role(self, stream: Stream, told: str) -> str:
        """The stream's role now.  One m-line that carried one party and now carries the other is of neither; a role
        that was only assumed may be corrected."""
        if not self._is_open(stream):
            return stream.role
        assumed = ROLES_ASSUMED in self.facts.flags
        if not assumed and UNKNOWN not in (stream.role, told) and stream.role != told:
            self._mixed.add(stream.file)
            self._flag(PARTY_CHANGED)
        return UNKNOWN if stream.file in self._mixed else told

    def _flag(self, flag: str) -> None:
        self._lasting = tuple(dict.fromkeys((*self._lasting, flag)))

    def _keep(self, suffix: str, body: bytes) -> None:
        """Store a body as received, unless it repeats the last of its kind (a session refresh)."""
        if not body or self._bodies.get(suffix) == body:
            return
        self._documents += 1
        (self.directory / SIGNALLING_DIR / f"{self._documents:03}.{suffix}").write_bytes(body)
        self._bodies[suffix] = body
