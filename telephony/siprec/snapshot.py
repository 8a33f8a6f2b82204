"""Recording metadata as values: who takes part, what they send, and how one snapshot follows another (RFC 7865)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

_PHONE = re.compile(r"\d{3}")
# Documents that name others every time must not fill the memory.
_MOST_FORMER = 100


@dataclass(frozen=True)
class Participant:
    """One person: address of record, its user part as ``number``, the name as told, the ids of the streams sent.

    ``role`` is set only where the gateway itself says who the agent is.
    """

    id: str
    aor: str = ""
    number: str = ""
    name: str = ""
    sends: tuple[str, ...] = ()
    joined_at: datetime | None = None
    left_at: datetime | None = None
    role: str = ""

    @property
    def has_phone(self) -> bool:
        """Whether the number can be one that somebody dials."""
        return bool(_PHONE.search(self.number))

    def same_person(self, other: "Participant") -> bool:
        return self.id == other.id or bool(self.number and self.number == other.number)

    def after(self, old: "Participant") -> "Participant":
        """This later description completed by an older one; who associates again after leaving is back."""
        back = self.joined_at and old.left_at and self.joined_at > old.left_at
        return replace(
            self,
            aor=self.aor or old.aor,
            number=self.number or old.number,
            name=self.name or old.name,
            joined_at=old.joined_at or self.joined_at,
            left_at=self.left_at or (None if back else old.left_at),
            role=self.role or old.role,
        )


@dataclass(frozen=True)
class Metadata:
    """Participants in document order, stream id → label, and whatever extension elements hold (name → text).

    ``released`` are the streams that a participant no longer sends, ``former`` the participants that later complete
    snapshots left out, ``flags`` what was odd about the document.
    """

    participants: tuple[Participant, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    partial: bool = False
    group: str = ""
    session: str = ""
    released: frozenset[tuple[str, str]] = frozenset()
    former: tuple[Participant, ...] = ()
    flags: tuple[str, ...] = ()

    def speakers(self, label: str) -> tuple[Participant, ...]:
        """Who sends the stream of a label.  Where stream objects are left out, labels serve as ids."""
        streams = {label, *(stream for stream, its_label in self.labels.items() if its_label == label)}
        return tuple(one for one in self.participants if streams.intersection(one.sends))

    def extension(self, *names: str) -> str:
        """The text of the first of these extension elements or labelled fields, by local name in any case."""
        return next((text for name in names if (text := self.extensions.get(name.lower(), ""))), "")

    def updated(self, newer: "Metadata") -> "Metadata":
        """After a later document: a partial one (RFC 7865 §6.1.1) changes what it names, a complete one replaces."""
        if newer.partial:
            return self._completed(newer)
        participants = tuple(_carried(one, (*self.participants, *self.former)) for one in newer.participants)
        gone = tuple(
            one
            for one in (*self.former, *without_dummies((*self.participants, *newer.participants)))
            if not any(one.same_person(other) for other in newer.participants)
        )
        return replace(newer, participants=participants, former=gone[-_MOST_FORMER:])

    def _completed(self, newer: "Metadata") -> "Metadata":
        known = {one.id: one for one in self.participants}
        for one in newer.participants:
            old = known.get(one.id)
            if old is None and not (one.aor or one.name):
                # An association of somebody who was never introduced.
                continue
            known[one.id] = replace(one.after(old), sends=one.sends or old.sends) if old else one
        participants = (
            replace(one, sends=tuple(stream for stream in one.sends if (one.id, stream) not in newer.released))
            for one in known.values()
        )
        return replace(
            newer,
            participants=tuple(participants),
            labels={**self.labels, **newer.labels},
            extensions={**self.extensions, **newer.extensions},
            partial=self.partial,
            group=newer.group or self.group,
            session=newer.session or self.session,
            former=self.former,
        )


def without_dummies(people: Sequence[Participant]) -> tuple[Participant, ...]:
    """Leaves out placeholders, which send nothing and have no number, as soon as anybody does send."""
    if not any(one.sends for one in people):
        return tuple(people)
    return tuple(one for one in people if one.sends or one.has_phone)


def _carried(one: Participant, known: Sequence[Participant]) -> Participant:
    old = next((other for other in known if other.id == one.id), None)
    old = old or next((other for other in known if other.same_person(one)), None)
    return one.after(old) if old else one
