"""What pages can follow: one table.  A topic's state holds identifiers, states and counts, and nobody's name or number.

Each look is cheap, since it is taken every two seconds: by key, or along an index.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import reading
from api.access.user import User
from api.scope import visible
from archive.catalogue import MISSING, SIGNALLED, Recording
from archive.live_calls import live
from archive.pausing import newest
from archive.redaction_copies import Redaction
from core.alerts import standing
from core.errors import NotFound
from core.jobs import unfinished
from core.ledger import LedgerRow
from reporting.reports import Report
from retention.disposal import Disposal
from retention.handover.tables import Export
from retention.holds import HoldCase, HoldMember
from retention.night import KIND as NIGHT

SHOWN = 50


@dataclass(frozen=True)
class Asked:
    """Who looks, at what, and when."""

    user: User
    subject: UUID | None
    now: datetime


Look = Callable[[AsyncSession, Asked], Awaitable[Any]]


@dataclass(frozen=True)
class Topic:
    """``path`` follows ``/events/``; ``told``: the state itself is sent, not only its version."""

    path: str
    permission: str
    look: Look
    told: bool = False


@dataclass(frozen=True)
class Seen:
    """A topic's state at one moment, as JSON, and its version."""

    state: str

    @property
    def version(self) -> str:
        """The same for the same state, in every process."""
        return hashlib.sha256(self.state.encode()).hexdigest()[:20]


async def look_at(session: AsyncSession, topic: Topic, asked: Asked) -> Seen:
    """The topic as whoever asks may know of it; ``NotFound`` for a subject that is not there for him."""
    return Seen(json.dumps(await topic.look(session, asked), default=str, sort_keys=True))


async def _pipeline(session: AsyncSession, asked: Asked) -> Any:
    calls = await reading.list_calls(session, asked.user, SIGNALLED, SHOWN)
    missing = await reading.list_calls(session, asked.user, MISSING, SHOWN)
    pauses = await newest(session, [call.id for call in calls])
    heard = (await live(session, [call.id for call in calls], asked.now)).items()
    nights = select(LedgerRow.seq).where(LedgerRow.kind == NIGHT).order_by(LedgerRow.seq.desc()).limit(1)
    return [
        [(call.id, call.ended_at, call.work_order, call.note) for call in calls],
        sorted((call, each.quality, each.paused_at, bool(each.citizen_number)) for call, each in heard),
        [call.id for call in missing],
        [(pause.id, pause.outcome) for pause in pauses.values()],
        [(alert.name, alert.process, alert.host, alert.since) for alert in await standing(session)],
        [(queue.kind, queue.state, queue.number, queue.attempts) for queue in await unfinished(session)],
        await session.scalar(nights),
    ]


async def _recording(session: AsyncSession, asked: Asked) -> Any:
    columns = select(Recording.text_state, Recording.text_version, Recording.held, Recording.life)
    row = (await session.execute(columns.where(Recording.id == asked.subject, visible(asked.user)))).one_or_none()
    if row is None:
        raise NotFound("no such recording", recording=asked.subject)
    return {"text_state": row.text_state, "text_version": row.text_version, "held": row.held, "life": row.life}


async def _redactions(session: AsyncSession, asked: Asked) -> Any:
    await _recording(session, asked)
    columns = select(Redaction.id, Redaction.state, Redaction.written, Redaction.expires_at)
    rows = await session.execute(columns.where(Redaction.recording_id == asked.subject).order_by(Redaction.asked_at))
    waiting = [(queue.kind, queue.state, queue.attempts) for queue in await unfinished(session, "redact")]
    return [[tuple(row) for row in rows], waiting]


async def _exports(session: AsyncSession, _asked: Asked) -> Any:
    progress = select(Export.id, Export.state, Export.recorded, Export.written, Export.removed_at)
    rows = await session.execute(progress.order_by(Export.asked_at.desc()).limit(SHOWN))
    waiting = [(queue.kind, queue.state, queue.attempts) for queue in await unfinished(session, "export")]
    return [[tuple(row) for row in rows], waiting]


async def _hold(session: AsyncSession, asked: Asked) -> Any:
    case = await session.get(HoldCase, asked.subject)
    if case is None:
        raise NotFound("没有这个案件 / no such case", case=asked.subject)
    members = (
        select(HoldMember.state, func.count()).where(HoldMember.case_id == asked.subject).group_by(HoldMember.state)
    )
    work = [(queue.state, queue.number, queue.attempts) for queue in await unfinished(session, "hold")]
    return [case.state, case.applied_at, sorted(tuple(row) for row in await session.execute(members)), work]


async def _batch(session: AsyncSession, asked: Asked) -> Any:
    states = select(Disposal.state, func.count()).where(Disposal.batch_id == asked.subject).group_by(Disposal.state)
    return sorted(tuple(row) for row in await session.execute(states))


async def _reports(session: AsyncSession, _asked: Asked) -> Any:
    newest_first = select(Report.id).order_by(Report.issued_at.desc()).limit(SHOWN)
    waiting = [(queue.kind, queue.state, queue.number) for queue in await unfinished(session, "daily")]
    return [list(await session.scalars(newest_first)), waiting]


PIPELINE = Topic("pipeline", "calls.see", _pipeline)
RECORDING = Topic("recordings/{id}", "recordings.see", _recording, told=True)
REDACTIONS = Topic("redactions/{id}", "redactions.make", _redactions)
EXPORTS = Topic("exports", "exports.see", _exports)
HOLD = Topic("holds/{id}", "holds.see", _hold)
# What was proposed one by one.
SINGLES = Topic("disposals/single", "disposals.see", _batch)
BATCH = Topic("disposals/{id}", "disposals.see", _batch)
REPORTS = Topic("reports", "reports.see", _reports)
TOPICS = (PIPELINE, RECORDING, REDACTIONS, EXPORTS, HOLD, SINGLES, BATCH, REPORTS)
