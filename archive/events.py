"""What the ledger tells, read: its rows as values."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.ledger import LedgerRow


@dataclass(frozen=True)
class Event:
    """One ledger row, read."""

    seq: int
    at: datetime
    kind: str
    actor: str
    subject: str
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, leaf: str) -> "Event":
        said = json.loads(leaf)
        moment = datetime.fromisoformat(said["at"])
        return cls(said["seq"], moment, said["kind"], said["actor"], said["subject"], said["facts"])

    @property
    def objects(self) -> Sequence[Mapping[str, Any]]:
        """The object versions that were sealed with it."""
        return tuple(self.facts.get("objects", ()))


async def events_about(
    session: AsyncSession, subjects: Sequence[str], kinds: Sequence[str] = ()
) -> dict[str, list[Event]]:
    """What the ledger tells of each subject (of some kinds, if any are named), in order."""
    told: dict[str, list[Event]] = {subject: [] for subject in subjects}
    query = select(LedgerRow.subject, LedgerRow.leaf).where(LedgerRow.subject.in_(subjects)).order_by(LedgerRow.seq)
    if kinds:
        query = query.where(LedgerRow.kind.in_(kinds))
    for subject, leaf in await session.execute(query):
        try:
            told[subject].append(Event.of(leaf))
        except (ValueError, KeyError, TypeError):
            continue  # `ledger.check` names a row that is no entry
    return told


async def events_of_kinds(session: AsyncSession, kinds: Sequence[str], after: int = -1) -> AsyncIterator[Event]:
    """The events of some kinds from behind a row on, in order."""
    query = select(LedgerRow.leaf).where(LedgerRow.kind.in_(kinds), LedgerRow.seq > after).order_by(LedgerRow.seq)
    async for leaf in await session.stream_scalars(query.execution_options(yield_per=200)):
        yield Event.of(leaf)
