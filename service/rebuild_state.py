"""How far a rebuild has come: one job row that commits with what each step writes, so that a killed run goes on."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.rebuild_ledger import Loss
from core.database import Base, Database
from core.errors import Refused
from core.heartbeats import STALE_AFTER, newest
from core.ids import new_id
from core.jobs import DONE, RUNNING, JobRow
from core.rebuilding import KEY, KIND, keep_writers_out

# Tables that say nothing of evidence: whoever made an account, or looked at an empty house, may still rebuild.
NOT_EVIDENCE = frozenset({"users", "sessions", "heartbeats", "alerts", "live_calls"})
LOSSES_KEPT = 1000


@dataclass
class State:
    """The step that is under way and how far it is; what was brought back, and what could not be."""

    job: UUID
    step: str
    cursor: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    def lose(self, loss: Loss | str) -> str:
        """Note a loss and return its line; beyond a thousand they are only counted."""
        self.count("losses")
        if len(self.losses) < LOSSES_KEPT:
            self.losses.append(str(loss))
        return str(loss)

    async def save(self, session: AsyncSession) -> None:
        """Keep the state in the caller's transaction."""
        row = await session.get_one(JobRow, self.job)
        row.payload = {
            "step": self.step,
            "cursor": self.cursor,
            "counts": dict(self.counts),
            "losses": list(self.losses),
        }

    async def finish(self, session: AsyncSession, now: datetime) -> None:
        """The rebuild is over."""
        await self.save(session)
        row = await session.get_one(JobRow, self.job)
        row.state, row.finished_at = DONE, now


async def open_state(database: Database, first_step: str, now: datetime) -> State:
    """The state of a rebuild that was interrupted, or a new one in an empty database; ``Refused`` in any other."""
    async with database.write() as session:
        await keep_writers_out(session)
        row = await session.scalar(select(JobRow).where(JobRow.kind == KIND, JobRow.key == KEY).with_for_update())
        if row is not None and row.state == RUNNING:
            return _resumed(row.id, row.payload)
        if filled := await _filled(session):
            raise Refused(
                "数据库不是空的，重建不会覆盖任何内容 / the database is not empty, and a rebuild never overwrites",
                tables=", ".join(filled),
                remedy="set HUIYIN_DATABASE_URL to an empty database",
            )
        state = State(new_id(), first_step)
        session.add(
            JobRow(
                id=state.job, kind=KIND, key=KEY, payload={}, state=RUNNING, run_after=now, created_at=now, attempts=1
            )
        )
        await session.flush()
        await state.save(session)
        return state


async def require_nobody_works(database: Database, now: datetime) -> None:
    """``Refused`` while some process shows that it lives: it would work on half a catalogue."""
    async with database.read() as session:
        alive = [beat for beat in (await newest(session)).values() if now - beat.at < STALE_AFTER]
    if alive:
        raise Refused(
            "有进程正在使用这个数据库 / a process works on this database",
            processes=", ".join(f"{beat.process} on {beat.host} ({beat.pid})" for beat in alive),
            remedy=f"stop it; if it was killed, wait {STALE_AFTER.seconds} s",
        )


def _resumed(job: UUID, payload: dict[str, Any]) -> State:
    return State(job, payload["step"], payload["cursor"], dict(payload["counts"]), list(payload["losses"]))


async def _filled(session: AsyncSession) -> list[str]:
    found = []
    for table in Base.metadata.sorted_tables:
        if table.name not in NOT_EVIDENCE:
            some = select(literal(1)).select_from(table).limit(1).subquery()
            if await session.scalar(select(func.count()).select_from(some)):
                found.append(table.name)
    return found
