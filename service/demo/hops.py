"""Watching the hops: what the catalogue says of each call, shown the moment that it changes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import TEXT_DONE, TEXT_FAILED, Call, Recording, TurnRow
from archive.house import Archive
from core.errors import Unavailable
from service.demo import show
from service.demo.callers import SampleCall
from telephony.simulator import CallReport
from workorders.orders import Finding, Link, LinkQuestion

POLL_SECONDS = 0.4
AFTER_CALLS_SECONDS = 120.0
# signalled, ended, sealed, text, link, findings
HOPS = 6


@dataclass(frozen=True)
class Watched:
    """A sample call and the recording that it became."""

    call: SampleCall
    recording_id: UUID


async def watch(
    archive: Archive, calls: Sequence[SampleCall], placing: "asyncio.Task[list[CallReport]]", zone: ZoneInfo
) -> list[Watched]:
    """Show every hop until each call has text, link and findings; ``Unavailable`` when that takes too long."""
    loop = asyncio.get_running_loop()
    seen: dict[str, int] = {call.name: 0 for call in calls}
    deadline: float | None = None
    while True:
        for call in calls:
            lines = await _hops(archive, call, zone)
            for line in lines[seen[call.name] :]:
                show.step(f"{call.name:<12} {line}")
            seen[call.name] = len(lines)
        if placing.done():
            placing.result()
            if all(count == HOPS for count in seen.values()):
                return [Watched(call, await _recording_id(archive, call)) for call in calls]
            deadline = deadline or loop.time() + AFTER_CALLS_SECONDS
            if loop.time() > deadline:
                stuck = ", ".join(f"{name} {count}/{HOPS}" for name, count in seen.items() if count < HOPS)
                raise Unavailable("not every hop happened in time; see the service's log", stuck=stuck)
        await asyncio.sleep(POLL_SECONDS)


async def _hops(archive: Archive, call: SampleCall, zone: ZoneInfo) -> list[str]:
    """What has happened to one call so far, a line a hop, in their order."""
    async with archive.database.read() as session:
        signalled = await session.scalar(select(Call).where(Call.sip_call_id == call.sip_call_id))
        if signalled is None:
            return []
        recording = await session.get(Recording, signalled.id)
        lines = [f"① 信令到达，正在录音 signalled, recording {str(signalled.id)[:13]}…"]
        if signalled.ended_at or recording:
            lines.append(f"② 通话结束 ended ({signalled.note or 'bye'})")
        if recording is not None:
            lines += await _after_sealing(session, recording, zone)
        return lines


async def _after_sealing(session: AsyncSession, recording: Recording, zone: ZoneInfo) -> list[str]:
    until = recording.retain_until.astimezone(zone).date()
    lines = [f"③ 已封存 sealed: {recording.duration_ms / 1000:.1f} s 立体声 stereo, 保存至 kept until {until}"]
    if recording.text_state == TEXT_FAILED:
        raise Unavailable("transcription failed", recording=recording.id, reason=recording.text_error)
    if recording.text_state != TEXT_DONE:
        return lines
    turns = await session.scalar(select(func.count()).where(TurnRow.recording_id == recording.id))
    lines.append(f"④ 已转写 transcribed: {turns} 句 turns (v{recording.text_version})")
    link = await session.scalar(select(Link).where(Link.recording_id == recording.id))
    if link is None:
        question = await session.get(LinkQuestion, recording.id)
        if question is not None:
            raise Unavailable("the call was not linked", recording=recording.id, reason=question.reason)
        return lines
    lines.append(f"⑤ 已关联工单 linked to {link.work_order} ({link.how})")
    findings = list(await session.scalars(select(Finding).where(Finding.recording_id == recording.id)))
    if findings:
        answers = ", ".join(f"{finding.question}={finding.answer}" for finding in findings)
        lines.append(f"⑥ 回访结论 findings (suggested): {answers}")
    return lines


async def _recording_id(archive: Archive, call: SampleCall) -> UUID:
    async with archive.database.read() as session:
        found = await session.scalar(select(Call.id).where(Call.sip_call_id == call.sip_call_id))
    assert found is not None
    return found
