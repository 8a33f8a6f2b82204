"""What the status page knows of calls while they last: from the recorder's facts to masked words."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from archive.catalogue import SIGNALLED, Call
from archive.house import Archive
from archive.live_calls import LiveCall
from core.clock import utc_now
from core.ids import new_id
from core.jobs import FAILED, JobRow, enqueue, unfinished
from core.settings import PortRange
from service.live_calls import LiveCalls, live, quality
from telephony.call import CallFacts, Party, Pause, Stream
from telephony.rtp.capture import Capture, Condition
from tests.spools import packets, tone
from tests.web import serving

NOW = utc_now()
AGENT, CITIZEN = Party("agent", "8001", "李示例"), Party("citizen", "13800005678", "王样本")


@dataclass
class Ears:
    """What is heard on each port."""

    heard: Mapping[int, Condition] = field(default_factory=dict)

    def condition(self, port: int) -> Condition | None:
        return self.heard.get(port)


@dataclass
class Recorder:
    """The calls in progress."""

    calls: tuple[CallFacts, ...] = ()


def _call(identifier: UUID, **changes: object) -> CallFacts:
    streams = (Stream("1", 0, "agent", "1.rtpdump", 4000), Stream("2", 1, "citizen", "2.rtpdump", 4002))
    plain = CallFacts(identifier, "live@gateway.example", NOW, parties=(AGENT, CITIZEN), streams=streams)
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("heard", "word"),
    [
        ([], ""),
        ([Condition(0.1, 0.0), Condition(0.1, 0.009)], "good"),
        ([Condition(0.1, 0.0), Condition(0.1, 0.01)], "fair"),
        ([Condition(0.1, 0.05), Condition(0.1, 0.0)], "poor"),
        ([Condition(0.1, 0.0), Condition(10.0, 0.0)], "silent"),
    ],
)
def test_a_call_is_heard_as_well_as_its_worst_stream(heard: Sequence[Condition], word: str) -> None:
    assert quality(heard) == word


def test_a_paused_call_is_not_said_to_be_silent_and_closed_streams_are_not_heard() -> None:
    ears = Ears({4000: Condition(60.0, 0.0), 4002: Condition(60.0, 0.0)})
    paused = live(_call(new_id(), pauses=(Pause(NOW, None, "gateway"),)), ears)
    assert (paused.quality, paused.paused_by, paused.paused_at) == ("", "gateway", NOW)
    streams = _call(new_id()).streams
    closed = (replace(streams[0], received={"packets": 7}), streams[1])
    mended = Ears({4000: Condition(60.0, 0.0), 4002: Condition(0.1, 0.0)})
    assert live(_call(new_id(), streams=closed), mended).quality == "good"


async def test_rows_come_change_and_go_with_their_calls(archive: Archive, tmp_path: Path) -> None:
    """Written when something changed and only then; seen on page and API, masked, by whoever sees the call."""
    rows, ears = LiveCalls(archive.database, host="here"), Ears({4000: Condition(0.1, 0.0)})
    first, second = new_id(), new_id()
    async with serving(archive, tmp_path) as web:
        async with archive.database.write() as session:
            for each in (first, second):
                session.add(Call(id=each, state=SIGNALLED, sip_call_id=str(each), started_at=NOW))
        await rows.look(Recorder((_call(first), _call(second))), ears)
        said = await (await web.get("/api/v1/calls?state=signalled")).json()
        seen = {item["id"]: item for item in said["items"]}[str(first)]
        assert seen["citizen"] == {"number": "138****5678", "name": "王**"}
        assert seen["quality"] == "good"
        page = await (await web.get("/status", "supervisor")).text()
        assert "138****5678" in page
        assert "13800005678" not in page
        async with archive.database.write() as session:
            await session.execute(update(LiveCall).values(quality="fair"))
        await rows.look(Recorder((_call(first), _call(second))), ears)
        assert await _qualities(archive) == {first: "fair", second: "fair"}, "nothing changed, nothing was written"
        await rows.look(Recorder((_call(first),)), Ears({4000: Condition(0.1, 0.2)}))
        assert await _qualities(archive) == {first: "poor"}
        async with archive.database.write() as session:
            (await session.get_one(Call, first)).ended_at = NOW
        said = await (await web.get("/api/v1/calls?state=signalled")).json()
        assert {item["citizen"] for item in said["items"] if item["id"] == str(first)} == {None}, "it is over"
    await LiveCalls(archive.database, host="elsewhere").clear()
    assert await _qualities(archive) == {first: "poor"}
    await LiveCalls(archive.database, host="here").clear()
    assert await _qualities(archive) == {}, "what a crash left goes with the next start"


async def _qualities(archive: Archive) -> dict[UUID, str]:
    async with archive.database.read() as session:
        return {row.recording_id: row.quality for row in await session.scalars(select(LiveCall))}


async def test_lost_packets_are_told_while_the_call_lasts(tmp_path: Path) -> None:
    """Every fourth packet never comes: the next report, and so the status page, says a quarter."""
    capture = Capture("127.0.0.1", PortRange(24101, 24110), interval=0.02)
    port = capture.open(tmp_path / "1.rtpdump")
    capture.start()
    sound = [packet for _, packet in packets(tone(20_000))]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        sent = iter(packet for number, packet in enumerate(sound) if number % 4)

        def lossy() -> bool:
            for _, packet in zip(range(3), sent, strict=False):
                gateway.sendto(packet, ("127.0.0.1", port))
            condition = capture.condition(port)
            return condition is not None and condition.lost > 0.1

        async with asyncio.timeout(60):
            while not lossy():  # noqa: ASYNC110 - packets are sent between two looks
                await asyncio.sleep(0.02)
    condition = capture.condition(port)
    assert condition is not None
    assert condition.lost == pytest.approx(0.25, abs=0.1)
    assert capture.condition(port + 2) is None
    await capture.stop()


async def test_all_failed_jobs_are_tried_again_at_once(archive: Archive, tmp_path: Path) -> None:
    async with serving(archive, tmp_path) as web:
        async with archive.database.write() as session:
            for number in range(3):
                job = await session.get_one(JobRow, await enqueue(session, "transcribe", {}, now=NOW, key=str(number)))
                job.state, job.attempts = FAILED, 8
        assert (await web.post("/api/v1/jobs/retry", role="supervisor")).status == 403
        done = await web.post("/api/v1/jobs/retry", role="system")
        assert (done.status, (await done.json())["jobs"]) == (200, 4), "the house has a failed one of its own"
        async with archive.database.read() as session:
            queues = {(queue.kind, queue.state): queue.attempts for queue in await unfinished(session)}
        assert queues == {("transcribe", "queued"): 0}
