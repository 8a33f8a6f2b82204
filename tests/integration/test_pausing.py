"""A person pauses the recording of a call in progress: request, ledger, recorder, answer."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from archive.catalogue import SIGNALLED, Call
from archive.house import Archive
from archive.pausing import NOT_IN_PROGRESS, PauseRequest, Wish, ask
from core.clock import utc_now
from core.errors import Conflict
from core.ids import new_id
from core.ledger import LedgerRow
from service.pausing import ORPHANED_AFTER, apply_requests, end_forgotten, pausing
from telephony.call import CallFacts, Pause
from telephony.rtp.assemble import assemble
from tests.acceptance.calling import calls, until_sent
from tests.recording import open_house, tone
from tests.web import Web

REASON = "市民正在说出证件号码"


@dataclass
class Calls:
    """Calls in progress as the recorder has them, without sound."""

    facts: dict[UUID, CallFacts] = field(default_factory=dict)

    @property
    def calls(self) -> tuple[CallFacts, ...]:
        return tuple(self.facts.values())

    def pause(self, recording_id: UUID, *, by: str, reason: str) -> bool:
        call = self.facts[recording_id]
        if any(pause.ended_at is None for pause in call.pauses):
            return False
        self.facts[recording_id] = replace(call, pauses=(*call.pauses, Pause(utc_now(), None, by, reason)))
        return True

    def resume(self, recording_id: UUID, *, by: str) -> bool:
        call = self.facts[recording_id]
        ended = tuple(pause if pause.ended_at else replace(pause, ended_at=utc_now()) for pause in call.pauses)
        self.facts[recording_id] = replace(call, pauses=ended)
        return ended != call.pauses


async def _call(archive: Archive) -> UUID:
    identifier = new_id()
    async with archive.database.write() as session:
        session.add(Call(id=identifier, state=SIGNALLED, sip_call_id="p@gw.invalid", started_at=utc_now()))
    return identifier


async def _post(web: Web, path: str, role: str, body: object) -> tuple[int, dict[str, object]]:
    response = await web.client().post(path, json=body, headers=await web.bearer(role))
    return response.status, await response.json()


async def test_pause_and_resume_reach_the_recorder(archive: Archive, web: Web) -> None:
    call = await _call(archive)
    recorder = Calls({call: CallFacts(call, "p@gw.invalid", utc_now())})
    status, asked = await _post(web, f"/api/v1/calls/{call}/pause", "agent", {"reason": REASON})
    assert (status, asked["action"], asked["outcome"]) == (202, "pause", "")
    await apply_requests(recorder, archive.database, utc_now)
    (pause,) = recorder.facts[call].pauses
    assert (pause.by, pause.reason, pause.ended_at) == (asked["by"], REASON, None)
    listed = await (await web.get("/api/v1/calls?state=signalled")).json()
    assert {each["id"]: (each["pause"] or {}).get("outcome") for each in listed["items"]}[str(call)] == "applied"
    # Twice is once; then it goes on.
    await _post(web, f"/api/v1/calls/{call}/pause", "agent", {"reason": REASON})
    await _post(web, f"/api/v1/calls/{call}/resume", "agent", {})
    await apply_requests(recorder, archive.database, utc_now)
    (pause,) = recorder.facts[call].pauses
    assert pause.ended_at is not None
    async with archive.database.read() as session:
        rows = list(await session.scalars(select(PauseRequest).order_by(PauseRequest.id)))
        ledger = list(await session.scalars(select(LedgerRow).where(LedgerRow.subject == str(call))))
    assert [row.outcome for row in rows] == ["applied", "unchanged", "applied"]
    answered = ["pause answered", "pause answered"]
    assert [row.kind for row in ledger] == ["pause asked", "pause answered", "pause asked", "resume asked", *answered]
    assert REASON not in "".join(row.leaf for row in ledger)


async def test_a_pause_needs_a_reason_a_right_and_a_call(archive: Archive, web: Web) -> None:
    call = await _call(archive)
    assert (await _post(web, f"/api/v1/calls/{call}/pause", "agent", {"reason": ""}))[0] == 422
    assert (await _post(web, f"/api/v1/calls/{call}/pause", "auditor", {"reason": REASON}))[0] == 403
    assert (await _post(web, f"/api/v1/calls/{new_id()}/pause", "agent", {"reason": REASON}))[0] == 404
    async with archive.database.write() as session:
        row = await session.get(Call, call)
        assert row is not None
        row.ended_at = utc_now()
    assert (await _post(web, f"/api/v1/calls/{call}/pause", "agent", {"reason": REASON}))[0] == 409
    async with archive.database.write() as session:
        with pytest.raises(Conflict, match="ended"):
            await ask(session, Wish(call, "pause", "agent", REASON), now=utc_now())


async def test_another_recorders_call_is_left_to_it_for_a_while(archive: Archive, web: Web) -> None:
    call = await _call(archive)
    await _post(web, f"/api/v1/calls/{call}/pause", "agent", {"reason": REASON})
    await apply_requests(Calls(), archive.database, utc_now)
    async with archive.database.read() as session:
        assert await session.scalar(select(PauseRequest.outcome)) == ""
    await apply_requests(Calls(), archive.database, lambda: utc_now() + ORPHANED_AFTER + timedelta(seconds=1))
    async with archive.database.read() as session:
        assert await session.scalar(select(PauseRequest.outcome)) == NOT_IN_PROGRESS


def test_a_forgotten_pause_ends_and_the_gateways_does_not() -> None:
    call, held, longest = new_id(), new_id(), timedelta(seconds=60)
    began = utc_now() - timedelta(seconds=61)
    recorder = Calls(
        {
            call: CallFacts(call, "a", began, pauses=(Pause(began, None, "agent", REASON),)),
            held: CallFacts(held, "b", began, pauses=(Pause(began, None, "gateway"),)),
        }
    )
    end_forgotten(recorder, longest, began + longest)
    assert recorder.facts[call].pauses[0].ended_at is None
    end_forgotten(recorder, longest, utc_now())
    assert recorder.facts[call].pauses[0].ended_at is not None
    assert recorder.facts[held].pauses[0].ended_at is None


async def test_the_status_page_pauses_and_resumes(archive: Archive, web: Web) -> None:
    call = await _call(archive)
    browser = await web.browser("agent")
    form = {"csrf": web.form_tokens["agent"], "reason": "<b>证件</b>"}
    done = await browser.post(f"/status/calls/{call}/pause", data=form, allow_redirects=False)
    assert (done.status, done.headers["Location"]) == (303, "/status")
    page = await (await browser.get("/status")).text()
    assert "已暂停" in page
    assert "&lt;b&gt;证件&lt;/b&gt;" in page
    assert f"/status/calls/{call}/resume" in page
    await browser.post(f"/status/calls/{call}/resume", data=form)
    assert f"/status/calls/{call}/pause" in await (await browser.get("/status")).text()


async def test_what_is_said_in_a_pause_is_not_in_the_recording(archive: Archive, tmp_path: Path) -> None:
    """A few seconds of tone, of which a person takes about one out: silence in its place, marked with who and why."""
    sound = tone(tmp_path / "tone.flac", 440, 240)
    async with (
        open_house(tmp_path) as house,
        pausing(house.recorder, archive.database, timedelta(60), utc_now),
        calls(house.address, sound, 1) as (call,),
    ):
        facts = house.observer.begun[0]
        async with archive.database.write() as session:
            session.add(Call(id=facts.recording_id, state=SIGNALLED, sip_call_id="x", started_at=facts.started_at))
        await until_sent([call], 0.7)
        await _wish(archive, facts.recording_id, "pause")
        await until_sent([call], call.sent[0] / 50 + 1.2)
        await _wish(archive, facts.recording_id, "resume")
        await until_sent([call], call.sent[0] / 50 + 1)
        for sender in call.senders:
            sender.stop()
        await call.client.bye()
        packets = call.sent[0]
        facts, directory = await house.finished()
    (pause,) = facts.pauses
    assert (pause.by, pause.reason) == ("tester", REASON)
    assert pause.ended_at is not None
    made = assemble(directory, facts, directory / "audio.flac")
    samples, rate = soundfile.read(directory / "audio.flac")
    begin, end = ((at - made.started_at).total_seconds() for at in (pause.started_at, pause.ended_at))
    assert end - begin > 0.5
    assert packets / 50 - end > 0.5
    level = np.abs(samples).max(axis=1)
    loud = level[: len(level) // (rate // 50) * (rate // 50)].reshape(-1, rate // 50).max(axis=1) > 0.05
    # Whole packets of 20 ms; the drain may let the last before, and hold back the first after the pause.
    inside = slice(round(50 * begin) + 10, round(50 * end) - 10)
    assert not loud[inside].any()
    assert loud[5 : round(50 * begin) - 10].all()
    assert loud[round(50 * end) + 15 : packets - 10].all()
    assert abs(made.duration_ms - 20 * packets) < 150
    assert [stream["lost"] for stream in made.streams] == [0, 0]


async def _wish(archive: Archive, call: UUID, action: str) -> None:
    """Ask, and wait until the recorder has answered."""
    async with archive.database.write() as session:
        row = await ask(session, Wish(call, action, "tester", REASON), now=utc_now())
    async with asyncio.timeout(240):
        while True:
            async with archive.database.read() as session:
                if await session.scalar(select(PauseRequest.outcome).where(PauseRequest.id == row.id)):
                    return
            await asyncio.sleep(0.05)
