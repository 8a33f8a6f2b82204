"""What people look at before they decide: cases and their recordings, batches and their disposals, and why a recording
is kept."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from core.errors import NotFound
from core.settings import Settings
from retention.disposal import Disposal, DisposalBatch
from retention.explaining import Explanation, explain_keeping
from retention.holds import HOLDS, HoldCase, HoldMember
from retention.policies import load_policies
from retention.rule import Policies

Counts = dict[str, int]


async def list_cases(session: AsyncSession) -> list[tuple[HoldCase, Counts]]:
    """Every case, newest first, with how many of its recordings are in which state."""
    counts: dict[UUID, Counts] = defaultdict(dict)
    query = select(HoldMember.case_id, HoldMember.state, func.count()).group_by(HoldMember.case_id, HoldMember.state)
    for case_id, state, count in await session.execute(query):
        counts[case_id][state] = count
    cases = await session.scalars(select(HoldCase).order_by(HoldCase.placed_at.desc(), HoldCase.id))
    return [(case, counts[case.id]) for case in cases]


async def show_case(session: AsyncSession, case_id: UUID) -> tuple[HoldCase, Counts]:
    """One case; ``NotFound`` otherwise."""
    case = await session.get(HoldCase, case_id)
    if case is None:
        raise NotFound("没有这个保全案件 / no such case", case=case_id)
    query = select(HoldMember.state, func.count()).where(HoldMember.case_id == case_id).group_by(HoldMember.state)
    return case, dict((await session.execute(query)).all())


async def list_members(session: AsyncSession, case_id: UUID, *, after: UUID | None, limit: int) -> list[HoldMember]:
    """The recordings of a case, by identifier."""
    query = select(HoldMember).where(HoldMember.case_id == case_id).order_by(HoldMember.recording_id).limit(limit)
    if after is not None:
        query = query.where(HoldMember.recording_id > after)
    return list(await session.scalars(query))


async def list_batches(session: AsyncSession, *, limit: int = 100) -> list[tuple[DisposalBatch, Counts]]:
    """The newest batches, with how many of their disposals are in which state."""
    query = select(DisposalBatch).order_by(DisposalBatch.night.desc()).limit(limit)
    batches = (await session.scalars(query)).all()
    counts: dict[UUID, Counts] = defaultdict(dict)
    states = select(Disposal.batch_id, Disposal.state, func.count()).group_by(Disposal.batch_id, Disposal.state)
    for batch_id, state, count in await session.execute(states.where(Disposal.batch_id.in_([b.id for b in batches]))):
        assert batch_id
        counts[batch_id][state] = count
    return [(batch, counts[batch.id]) for batch in batches]


async def list_disposals(
    session: AsyncSession, *, batch: UUID | None, state: str | None, after: UUID | None, limit: int
) -> list[Disposal]:
    """Disposals by identifier, which is the order of their proposing."""
    query = select(Disposal).order_by(Disposal.id).limit(limit)
    if batch is not None:
        query = query.where(Disposal.batch_id == batch)
    if state is not None:
        query = query.where(Disposal.state == state)
    if after is not None:
        query = query.where(Disposal.id > after)
    return list(await session.scalars(query))


async def explain_recording(
    session: AsyncSession, settings: Settings, recording_id: UUID, *, now: datetime
) -> Explanation:
    """Why a recording is kept and until when; ``NotFound`` for no such recording."""
    found = await explain_recordings(session, settings, [recording_id], now=now)
    if recording_id not in found:
        raise NotFound("没有这条录音 / no such recording", recording=recording_id)
    return found[recording_id]


async def explain_recordings(
    session: AsyncSession, settings: Settings, recordings: Sequence[UUID], *, now: datetime
) -> dict[UUID, Explanation]:
    """As ``explain_recording``, of those that there are."""
    policies, names = await load_policies(session, settings), defaultdict[UUID, list[str]](list)
    holding = (
        select(HoldMember.recording_id, HoldCase.name)
        .join(HoldCase, HoldMember.case_id == HoldCase.id)
        .where(HoldMember.recording_id.in_(recordings), HoldMember.state.in_(HOLDS))
        .order_by(HoldCase.placed_at, HoldCase.id)
    )
    for identifier, name in await session.execute(holding):
        names[identifier].append(name)
    rows = await session.scalars(select(Recording).where(Recording.id.in_(recordings)))
    return {row.id: _explain(policies, row, names[row.id], now) for row in rows}


def _explain(policies: Policies, recording: Recording, holds: Sequence[str], now: datetime) -> Explanation:
    return explain_keeping(
        policies,
        call_end=recording.ended_at,
        text_final=recording.text_final_at,
        fixed_until=recording.retain_until,
        now=now,
        holds=holds,
        held=recording.held,
    )
