"""What the status page knows of calls while they last: from the recorder's facts to masked words."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from api.access.user import User
from api.events.topics import PIPELINE, Asked, look_at
from archive.catalogue import SIGNALLED, Call
from archive.house import Archive
from archive.live_calls import LiveCall
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from core.heartbeats import STALE_AFTER
from core.ids import new_id
from core.jobs import FAILED, JobRow, enqueue, unfinished
from core.settings import PortRange
from retention.reconcile import AFTER_START, reconcile
from service.live_calls import RENEW_AFTER, LiveCalls, live, quality
from telephony.call import CallFacts, Party, Pause, Stream
from telephony.rtp.capture import Capture, Condition
from tests.ports import free_ports
from tests.spools import packets, tone
from tests.web import Web, serving

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


@dataclass
class Hand:
    """A clock in the test's hand."""

    now: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.now


async def test_rows_come_change_and_go_with_their_calls(archive: Archive, tmp_path: Path) -> None:
    """Written when something changed and only then; seen on page and API, masked, by whoever sees the call."""
    here, ears, first, second = new_id(), Ears({4000: Condition(0.1, 0.0)}), new_id(), new_id()
    rows = LiveCalls(archive.database, here, archive.clock)
    async with serving(archive, tmp_path) as web:
        await _signal(archive, first, second)
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


async def test_recorders_clear_only_what_is_their_own(archive: Archive, tmp_path: Path) -> None:
    """Two spools on one database, whether of one host or of two; the page shows the calls of both."""
    mine, other = new_id(), new_id()
    ours, theirs = new_id(), new_id()
    ears = Ears({4000: Condition(0.1, 0.0)})
    await LiveCalls(archive.database, ours, archive.clock).look(Recorder((_call(mine),)), ears)
    there = LiveCalls(archive.database, theirs, archive.clock)
    await there.look(Recorder((_call(other),)), ears)
    assert await _qualities(archive) == {mine: "good", other: "good"}, "the second one's start took nothing away"
    async with serving(archive, tmp_path) as web:
        await _signal(archive, mine, other)
        page = await (await web.get("/status", "supervisor")).text()
        assert {f'id="call-{each}"' in page for each in (mine, other)} == {True}
    await LiveCalls(archive.database, ours, archive.clock).look(Recorder(), ears)
    assert await _qualities(archive) == {other: "good"}, "what a crash left goes with the next start"
    await there.clear()
    assert await _qualities(archive) == {}


async def test_what_somebody_took_away_is_written_again(archive: Archive) -> None:
    """As two recorders would whose spools are copies of one another, identifier and all."""
    hand, call, ears = Hand(), _call(new_id()), Ears()
    spool = new_id()
    rows = LiveCalls(archive.database, spool, hand)
    await rows.look(Recorder((call,)), ears)
    await LiveCalls(archive.database, spool, hand).clear()
    await rows.look(Recorder((call,)), ears)
    assert await _qualities(archive) == {}, "nobody asks at every look"
    hand.now += RENEW_AFTER
    await rows.look(Recorder((call,)), ears)
    await rows.look(Recorder((call,)), ears)
    assert await _qualities(archive) == {call.recording_id: ""}


async def test_a_recorder_that_never_comes_back_has_no_calls_in_progress(
    database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    """Its calls pass for lost as soon as it would pass for dead, and are forgotten when they count as missing."""
    hand = Hand()
    archive = Archive(database, store, hand)
    gone, going = _call(new_id()), _call(new_id())
    dead, alive = (LiveCalls(database, new_id(), hand) for _ in range(2))
    await _signal(archive, gone.recording_id, going.recording_id, at=hand.now)
    async with serving(archive, tmp_path) as web:
        await dead.look(Recorder((gone,)), Ears())
        await alive.look(Recorder((going,)), Ears())
        before = await _version(web, hand)
        assert await _in_progress(web, gone, going) == (True, True)
        hand.now += STALE_AFTER - RENEW_AFTER
        await alive.look(Recorder((going,)), Ears())
        assert await _in_progress(web, gone, going) == (True, True)
        assert await _version(web, hand) == before, "a sign of life is no news"
        hand.now += RENEW_AFTER
        assert await _in_progress(web, gone, going) == (False, True)
        assert await _version(web, hand) != before, "who has the page open is told"
        page = await (await web.get("/status", "supervisor")).text()
        assert "失去联系的通话" in page
        said = (await (await web.get("/api/v1/calls?state=signalled")).json())["items"]
        assert {item["id"]: item["quality"] for item in said if item["agent"]} == {
            str(gone.recording_id): "lost",
            str(going.recording_id): "",
        }
        hand.now += AFTER_START
        await alive.look(Recorder((going,)), Ears())
        await reconcile(archive, now=hand.now, dry_run=False)
    assert await _qualities(archive) == {going.recording_id: ""}


async def _version(web: Web, hand: Hand) -> str:
    """What an open page would be told."""
    async with web.archive.database.read() as session:
        supervisor = User("supervisor", "supervisor", "")
        return (await look_at(session, PIPELINE, Asked(supervisor, None, hand.now))).version


async def _in_progress(web: Web, *calls: CallFacts) -> tuple[bool, ...]:
    """Whether the page lists each among the calls that go on."""
    page = await (await web.get("/status", "supervisor")).text()
    return tuple(f'id="call-{call.recording_id}"' in page for call in calls)


async def _signal(archive: Archive, *calls: UUID, at: datetime = NOW) -> None:
    async with archive.database.write() as session:
        session.add_all(Call(id=each, state=SIGNALLED, sip_call_id=str(each), started_at=at) for each in calls)


async def _qualities(archive: Archive) -> dict[UUID, str]:
    async with archive.database.read() as session:
        return {row.recording_id: row.quality for row in await session.scalars(select(LiveCall))}


async def test_lost_packets_are_told_while_the_call_lasts(tmp_path: Path) -> None:
    """Every fourth packet never comes: the next report, and so the status page, says a quarter."""
    first = free_ports(4)
    capture = Capture("127.0.0.1", PortRange(first, first + 3), interval=0.02)
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
