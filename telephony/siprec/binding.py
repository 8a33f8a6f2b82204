"""Who speaks in which stream, and who of them is the agent.

The rule, first match wins:

1. A gateway that records one phone (Cisco's built-in bridge) says which side is the agent's.
2. Participants whose number matches one of the configured patterns are agents, the others citizens, when at least one
   matches and at least one does not.
3. Who already had a role keeps it; one person alone is a citizen where there are patterns and none matches; otherwise
   the first participant who sends is the agent and the others are citizens.
4. A stream has the role that all who ever sent in it share; it is ``mixed`` when senders of both roles are in it now,
   ``unknown`` when it carried one and then the other.
5. Of two streams, one that is nobody's is the other party's; two that are nobody's, in order of label (of m-line,
   where labels are no numbers), belong to the two parties in metadata order, or to agent and citizen where no party
   is known; the call is flagged.
"""

import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from telephony.call import AGENT, CITIZEN, MIXED, UNKNOWN, Party
from telephony.siprec.callers import numbers_in
from telephony.siprec.snapshot import Metadata, Participant, without_dummies

ROLES_ASSUMED, PARTY_CHANGED = "roles assumed", "stream changed party"
NUMBER_ELSEWHERE = "number not from participants"

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Binding(Generic[Key]):
    """Parties, the role of each stream, who ever spoke in it, everybody's role (both by id), and what was odd."""

    parties: tuple[Party, ...]
    roles: Mapping[Key, str]
    flags: tuple[str, ...] = ()
    spoke: Mapping[Key, frozenset[str]] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    # Whether a stream that carried one party now carries the other.
    changed: bool = False

    def role_of(self, key: Key) -> str:
        """The role that all who ever spoke in a stream share."""
        return _shared(self.known, self.spoke.get(key, frozenset()))


def bind(
    labels: Mapping[Key, str],
    metadata: Metadata | None,
    agents: Sequence[re.Pattern[str]],
    *,
    offered: Collection[str] = (),
    callers: Metadata | None = None,
    speakers: Mapping[Key, str] | None = None,
    before: Binding[Key] | None = None,
) -> Binding[Key]:
    """Bind streams (key → SDP label) to people.

    ``offered`` labels may stand on refused m-lines; ``callers`` are the people that headers name, ``speakers`` the ids
    of those who alone speak in a stream; ``before`` is the binding until now.
    """
    told = metadata or Metadata()
    people, elsewhere = _with_numbers(told, callers or Metadata())
    everybody = (*people, *told.former, *(callers.former if callers and people == callers.participants else ()))
    known = _roles(people, everybody, agents, before.known if before else {})
    now = {key: _speaking(told, people, label, (speakers or {}).get(key)) for key, label in labels.items()}
    past = before.spoke if before else {}
    spoke = {**past, **{key: past.get(key, frozenset()) | ids for key, ids in now.items()}}
    roles = {key: MIXED if _both(known, now[key]) else _shared(known, spoke[key]) for key in labels}
    changed = any(
        UNKNOWN not in (one := _shared(known, past.get(key, frozenset())), other := _shared(known, now[key]))
        and one != other
        for key in labels
    )
    flags = (*_disagreements(labels, offered, told), *((NUMBER_ELSEWHERE,) if elsewhere else ()))
    nobodys = [key for key in labels if not spoke[key]]
    if (
        len(labels) == 2
        and nobodys
        and (assumed := _assumed(labels, roles, nobodys, [known[one.id] for one in people]))
    ):
        roles, flags = {**roles, **assumed}, (*flags, ROLES_ASSUMED)
    return Binding(_parties(everybody, known), roles, flags, spoke, known, changed)


def _with_numbers(told: Metadata, callers: Metadata) -> tuple[tuple[Participant, ...], bool]:
    """The people; who lacks a phone number gets one that an extension or a header tells, if it is nobody else's."""
    people = without_dummies(told.participants)
    if not people:
        found = tuple(Participant(f"extension:{number}", "", number) for number in numbers_in(told))
        return callers.participants or found, not all(one.role for one in callers.participants or found)
    lacking = [one for one in people if not one.has_phone]
    numbers = dict.fromkeys((*numbers_in(told), *(one.number for one in callers.participants)))
    free = [number for number in numbers if not any(_same(number, one.number) for one in people)]
    if len(lacking) != 1 or not free:
        return people, False
    return tuple(replace(one, number=free[0]) if one is lacking[0] else one for one in people), True


def _same(one: str, other: str) -> bool:
    """Whether two numbers differ in no more than a prefix."""
    short, long = sorted((one.lstrip("+"), other.lstrip("+")), key=len)
    return long == short or (len(short) >= 7 and long.endswith(short))


def _roles(
    people: Sequence[Participant],
    everybody: Sequence[Participant],
    agents: Sequence[re.Pattern[str]],
    known: Mapping[str, str],
) -> dict[str, str]:
    matching = {one.id: any(pattern.search(one.number) for pattern in agents) for one in everybody}
    if any(matching.values()) and not all(matching.values()):
        found = {identity: AGENT if matches else CITIZEN for identity, matches in matching.items()}
    else:
        found = {one.id: known[one.id] for one in everybody if one.id in known}
        if agents and len(everybody) == 1 and everybody[0].number and not any(matching.values()):
            found.setdefault(everybody[0].id, CITIZEN)
        senders = [one for one in people if one.sends] or people
        for one in (*senders, *everybody):
            present = {found.get(other.id) for other in people}
            found.setdefault(one.id, CITIZEN if AGENT in present else AGENT)
    return found | {one.id: one.role for one in everybody if one.role}


def _speaking(told: Metadata, people: Sequence[Participant], label: str, alone: str | None) -> frozenset[str]:
    if any(one.id == alone for one in people):
        return frozenset((alone,)) if alone else frozenset()
    return frozenset(one.id for one in told.speakers(label)) if label else frozenset()


def _both(known: Mapping[str, str], ids: Collection[str]) -> bool:
    return {AGENT, CITIZEN} <= {known.get(identity) for identity in ids}


def _shared(known: Mapping[str, str], ids: Collection[str]) -> str:
    roles = {known[identity] for identity in ids if identity in known}
    return roles.pop() if len(roles) == 1 else UNKNOWN


def _assumed(
    labels: Mapping[Key, str], roles: Mapping[Key, str], nobodys: Sequence[Key], order: Sequence[str]
) -> dict[Key, str]:
    if len(nobodys) == 1:
        (other,) = (roles[key] for key in labels if key not in nobodys)
        return {nobodys[0]: CITIZEN if other == AGENT else AGENT} if other in (AGENT, CITIZEN) else {}
    places = {key: place for place, key in enumerate(labels)}
    by_label = sorted(labels, key=lambda key: _label_order(places[key], labels[key]))
    return dict(zip(by_label, order if sorted(order) == [AGENT, CITIZEN] else (AGENT, CITIZEN), strict=True))


def _label_order(place: int, label: str) -> tuple[int, int, int]:
    return (0, int(label), place) if re.fullmatch(r"[0-9]{1,9}", label) else (1, 0, place)


def _disagreements(labels: Mapping[Key, str], offered: Collection[str], told: Metadata) -> tuple[str, ...]:
    named = dict.fromkeys(told.labels.values())
    in_sdp = {*labels.values(), *offered}
    missing = [label for label in dict.fromkeys(labels.values()) if named and label and label not in named]
    return (
        *(f"label {label} not in SDP" for label in named if label not in in_sdp),
        *(f"label {label} not in metadata" for label in missing),
    )


def _parties(everybody: Sequence[Participant], known: Mapping[str, str]) -> tuple[Party, ...]:
    """Who is still there before who left, so that the first of a role is the one who stayed."""
    ordered = sorted(everybody, key=lambda one: one.left_at is not None)
    return tuple(
        Party(known[one.id], one.number, one.name, one.aor, joined_at=one.joined_at, left_at=one.left_at)
        for one in ordered
    )
