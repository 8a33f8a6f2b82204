"""Who speaks in which m-line, and who of them is the agent.

The rule, first match wins:

1. Participants whose number matches one of the configured patterns are agents, the others citizens, when at least one
   matches and at least one does not.
2. Otherwise the first participant of the metadata is the agent and the others are citizens.
3. A stream has the role that all of its senders share; with senders of both roles it is ``unknown`` (mixed audio).
4. When no stream is bound and there are exactly two, in order of label (of m-line, where labels are no numbers): they
   belong to the two parties in metadata order, or to agent and citizen where no party is known; the call is flagged.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from telephony.call import Party
from telephony.siprec.metadata import Metadata, Participant

AGENT, CITIZEN, UNKNOWN = "agent", "citizen", "unknown"
ROLES_ASSUMED = "roles assumed"


@dataclass(frozen=True)
class Binding:
    """Parties, the role of each m-line (by index), and what was odd."""

    parties: tuple[Party, ...]
    roles: Mapping[int, str]
    flags: tuple[str, ...] = ()


def bind(
    labels: Mapping[int, str],
    metadata: Metadata | None,
    agents: Sequence[re.Pattern[str]],
    *,
    offered: Collection[str] = (),
) -> Binding:
    """Bind m-lines (index → SDP label) to the people of the metadata; ``offered`` labels may stand on refused ones."""
    people = metadata.participants if metadata else ()
    roles_of = dict(zip((one.id for one in people), _roles(people, agents), strict=True))
    parties = tuple(Party(roles_of[one.id], one.number, one.name, one.aor) for one in people)
    roles = {
        index: _shared({roles_of[one.id] for one in metadata.speakers(label)} if metadata and label else set())
        for index, label in labels.items()
    }
    flags = _missing_labels((*labels.values(), *offered), metadata)
    bound = metadata is not None and any(label and metadata.speakers(label) for label in labels.values())
    if not bound and len(labels) == 2:
        told = [party.role for party in parties]
        order = told if sorted(told) == [AGENT, CITIZEN] else [AGENT, CITIZEN]
        by_label = sorted(labels, key=lambda index: _label_order(index, labels[index]))
        return Binding(parties, dict(zip(by_label, order, strict=True)), (*flags, ROLES_ASSUMED))
    return Binding(parties, roles, flags)


def _roles(people: Sequence[Participant], agents: Sequence[re.Pattern[str]]) -> list[str]:
    matching = [any(pattern.search(one.number) for pattern in agents) for one in people]
    if not any(matching) or all(matching):
        matching = [place == 0 for place in range(len(people))]
    return [AGENT if matches else CITIZEN for matches in matching]


def _shared(roles: set[str]) -> str:
    return roles.pop() if len(roles) == 1 else UNKNOWN


def _missing_labels(labels: Collection[str], metadata: Metadata | None) -> tuple[str, ...]:
    named = dict.fromkeys(metadata.labels.values()) if metadata else {}
    return tuple(f"label {label} not in SDP" for label in named if label not in labels)


def _label_order(index: int, label: str) -> tuple[int, int, int]:
    return (0, int(label), index) if re.fullmatch(r"[0-9]{1,9}", label) else (1, 0, index)
