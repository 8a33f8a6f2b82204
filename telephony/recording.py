"""One call while it is recorded: its facts, its directory in the spool, the dialogs that bring it."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from telephony import pauses
from telephony.call import CLOSED, SIGNALLING_DIR, UNKNOWN, CallFacts, Key, Stream
from telephony.leg import Leg
from telephony.leg import Ports as Ports
from telephony.sip.crypto import redacted
from telephony.sip.dialog import DialogKey
from telephony.sip.message import readable
from telephony.sip.sdp import Description
from telephony.siprec.binding import PARTY_CHANGED, Binding, bind
from telephony.siprec.callers import Group
from telephony.siprec.session import METADATA_FORBIDDEN, METADATA_UNREADABLE, SessionRequest
from telephony.siprec.snapshot import Metadata

# A caller presses a few dozen; the facts must not grow for ever.
_MOST_KEYS = 1000
METADATA_MISSING, NOT_ACKNOWLEDGED = "metadata missing", "not acknowledged"


class Recording:
    """Begins when its directory can be written; dialogs ``join`` and ``leave``, ``apply`` follows the signalling of
    each, ``close`` ends it."""

    def __init__(self, facts: CallFacts, spool_dir: Path, ports: Ports, agents: Sequence[re.Pattern[str]]) -> None:
        """Raises ``OSError`` when the directory cannot be made."""
        self.facts = facts
        self.directory = spool_dir / str(facts.recording_id)
        # Dialogs of one tie belong to one recording; empty: this one takes no further dialog.
        self.tie = ""
        self._ports, self._agents = ports, agents
        self._legs: dict[DialogKey, Leg] = {}
        self._left: list[Leg] = []
        self._metadata: Metadata | None = None
        self._callers = Metadata()
        self._speakers: dict[int, str] = {}
        self._group = Group()
        self._binding: Binding[str] | None = None
        self._lasting: tuple[str, ...] = ()
        self._bodies: dict[tuple[int, str, int], bytes] = {}
        self._documents = 0
        self._saved: CallFacts | None = None
        try:
            (self.directory / SIGNALLING_DIR).mkdir(parents=True)
        except OSError:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    @property
    def dialogs(self) -> tuple[DialogKey, ...]:
        """The dialogs that still bring this call."""
        return tuple(self._legs)

    def join(self, key: DialogKey, host: str) -> None:
        """A dialog begins to bring this call; ``host`` is the address that our SDP names to it."""
        number = len(self._legs) + len(self._left)
        session_id = (self.facts.recording_id.int >> 66) + number
        self._legs[key] = Leg(number, self._ports, self.directory, host=host, session_id=session_id)
        self.facts = replace(self.facts, dialogs=(*self.facts.dialogs, readable(key[0])))

    def leave(self, key: DialogKey, at: datetime) -> bool:
        """A dialog has ended, its streams close; True while others still bring the call."""
        leg = self._legs.pop(key)
        leg.close()
        if leg.streams:
            self._left.append(leg)
        else:
            # It was refused for want of ports: nothing of it is in the recording.
            self.facts = replace(self.facts, dialogs=self.facts.dialogs[: leg.number])
        self._follow_hold("BYE", at)
        self._settle()
        return bool(self._legs)

    def apply(self, key: DialogKey, told: SessionRequest, at: datetime) -> None:
        """Follow an INVITE or UPDATE of a dialog; ``Unavailable``, for want of ports, leaves everything as it was."""
        if told.offer is not None:
            self._legs[key].follow(told.offer, self._files())
            for flag in told.offer.refusals():
                self._flag(flag)
        self._learn(key, told)
        self._follow_hold(told.method, at)
        self._settle()

    def offer(self, key: DialogKey) -> None:
        """Make ``sdp`` an offer of ours, for a gateway that asks for one; ``Unavailable`` for want of ports."""
        self._legs[key].offer(self._files())
        self._settle()

    def answered(self, key: DialogKey, answer: Description, at: datetime) -> None:
        """The gateway's answer to our offer has come (in its ACK)."""
        self._legs[key].answered(answer)
        self._follow_hold("ACK", at)
        self._settle()

    def sdp(self, key: DialogKey) -> bytes:
        """What we last answered, or offered, in a dialog."""
        return self._legs[key].sdp

    def press(self, digit: str, at: datetime) -> None:
        """Note a key that the gateway tells of in an INFO."""
        self.facts = replace(self.facts, keys=(*self.facts.keys, Key(digit, at))[-_MOST_KEYS:])

    def pause(self, at: datetime, by: str, reason: str) -> bool:
        """Stop recording until ``resume`` because a person asks (``by`` names them); False if somebody already did."""
        if pauses.lasting(self.facts.pauses, by_gateway=False):
            return False
        self.facts = replace(self.facts, pauses=pauses.begun(self.facts.pauses, at, by, reason))
        for port in self._open_ports():
            self._ports.pause(port)
        return True

    def resume(self, at: datetime, by: str) -> bool:
        """Record again after a person's pause; False if there was none.  The gateway ends its own."""
        if not pauses.lasting(self.facts.pauses, by_gateway=False):
            return False
        for port in self._open_ports():
            self._ports.resume(port)
        self.facts = replace(self.facts, pauses=pauses.ended(self.facts.pauses, at, by))
        return True

    def store(self, key: DialogKey, told: SessionRequest) -> None:
        """Write the parts as received and, where they changed, the facts; raises ``OSError``."""
        counts: dict[str, int] = {}
        for suffix, content in told.raw:
            counts[suffix] = counts.get(suffix, 0) + 1
            self._keep((self._legs[key].number, suffix, counts[suffix]), content)
        self.save()

    def save(self) -> None:
        """Write the facts if they changed; raises ``OSError``."""
        if self.facts != self._saved:
            self.facts.save(self.directory)
            self._saved = self.facts

    def flag(self, flag: str) -> None:
        """Note something odd in the facts (saved with the next change)."""
        self._flag(flag)
        self.facts = self.facts.flagged(flag)

    def quiet_seconds(self) -> float:
        """Seconds since the last packet on any stream; endless when no stream is open."""
        return min((leg.quiet_seconds() for leg in self._legs.values()), default=float("inf"))

    def close(self, reason: str, at: datetime) -> CallFacts:
        """Close every port; the final facts come back and are ``Durability``'s to save.  Never raises."""
        for key in list(self._legs):
            self.leave(key, at)
        paused = pauses.ended(self.facts.pauses, at, by="")
        self.facts = replace(self.facts, state=CLOSED, ended_at=at, end_reason=reason, pauses=paused)
        return self.facts

    def discard(self) -> None:
        """Undo a beginning that failed: free the ports, remove the directory."""
        for leg in self._legs.values():
            leg.close()
        self._legs.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _learn(self, key: DialogKey, told: SessionRequest) -> None:
        for flag in told.flags:
            self._flag(flag)
        if told.metadata is not None:
            self._metadata = self._metadata.updated(told.metadata) if self._metadata else told.metadata
        # Later requests of a dialog may leave out what its first said of the bridge.
        if told.callers.people.participants and (told.callers.tie or not self.tie):
            self._callers = self._callers.updated(told.callers.people)
        self.tie = self.tie or told.callers.tie
        if told.callers.speaker:
            self._speakers[self._legs[key].number] = told.callers.speaker
        if told.group.rank < self._group.rank:
            self._group = told.group
        order = told.work_order or self.facts.work_order
        self.facts = replace(self.facts, work_order=order, group=self._group.name)

    def _follow_hold(self, method: str, at: datetime) -> None:
        """All streams inactive, held or sent from nowhere: the gateway pauses; any stream that flows ends that."""
        legs = [leg for leg in self._legs.values() if leg.open_ports]
        held = all(leg.held for leg in legs)
        if legs and held:
            reason = f"{method} with {' and '.join(dict.fromkeys(leg.held for leg in legs))}"
            paused = pauses.begun(self.facts.pauses, at, pauses.GATEWAY, reason)
        elif legs:
            paused = pauses.ended(self.facts.pauses, at, pauses.GATEWAY)
        else:
            paused = self.facts.pauses
        self.facts = replace(self.facts, pauses=paused)

    def _settle(self) -> None:
        """Bring the facts' streams, parties, roles and flags up to date."""
        open_labels = {file: label for leg in self._legs.values() for file, label in leg.labels.items()}
        everywhere = [*self._left, *self._legs.values()]
        speakers = {
            stream.file: alone
            for leg in everywhere
            if (alone := self._speakers.get(leg.number))
            for stream in leg.streams
        }
        offered = frozenset(label for leg in everywhere for label in leg.offered)
        binding = self._binding = bind(
            open_labels,
            self._metadata,
            self._agents,
            offered=offered,
            callers=self._callers,
            speakers=speakers,
            before=self._binding,
        )
        if binding.changed:
            self._flag(PARTY_CHANGED)
        for leg in everywhere:
            leg.streams = tuple(self._with_role(stream, binding) for stream in leg.streams)
        streams = tuple(stream for leg in everywhere for stream in leg.streams)
        flags = binding.flags if open_labels else tuple(self.facts.flags)
        self.facts = replace(
            self.facts,
            streams=tuple(sorted(streams, key=lambda stream: stream.dialog)),
            parties=binding.parties or self.facts.parties,
            flags=tuple(dict.fromkeys((*self._lasting, *self._missing(), *flags))),
        )
        if pauses.lasting(self.facts.pauses, by_gateway=False):
            for port in self._open_ports():
                self._ports.pause(port)

    def _missing(self) -> tuple[str, ...]:
        unread = METADATA_UNREADABLE in self._lasting or METADATA_FORBIDDEN in self._lasting
        return (METADATA_MISSING,) if self._metadata is None and not unread else ()

    def _with_role(self, stream: Stream, binding: Binding[str]) -> Stream:
        """A closed stream keeps its role unless more is known now about those who spoke in it."""
        spoken = binding.role_of(stream.file)
        role = binding.roles.get(stream.file, spoken if spoken != UNKNOWN else stream.role)
        return replace(stream, role=role)

    def _files(self) -> tuple[str, ...]:
        return tuple(stream.file for stream in self.facts.streams)

    def _open_ports(self) -> tuple[int, ...]:
        return tuple(port for leg in self._legs.values() for port in leg.open_ports)

    def _flag(self, flag: str) -> None:
        self._lasting = tuple(dict.fromkeys((*self._lasting, flag)))

    def _keep(self, place: tuple[int, str, int], content: bytes) -> None:
        """Store a part as received, unless it repeats the last in its place (a session refresh)."""
        content = redacted(content)
        if not content or self._bodies.get(place) == content:
            return
        self._documents += 1
        (self.directory / SIGNALLING_DIR / f"{self._documents:03}.{place[1]}").write_bytes(content)
        self._bodies[place] = content
