"""Linking recordings to orders on real databases and a real store, and the callbacks counted from the links."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from archive.house import Archive
from archive.seal import NewRecording, seal_recording
from archive.store import ObjectStore
from core import ledger
from core.clock import utc_now
from core.database import Database
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.jobs import Job
from core.ledger import LedgerRow
from core.operating import Change, change_setting
from core.settings import Settings
from service.kinds import FIND_ORDER, RELINK
from service.pipeline import STEPS, Context
from service.sample_orders import write_orders
from transcription.engine import Transcriber
from workorders.findings import NewFinding, decide_finding, read_findings, store_findings
from workorders.importing import import_orders
from workorders.linking import link_by_person, link_key, link_recording, relink_pending
from workorders.orders import ANSWERS, CONNECTED, SOLVED, Finding, Link, LinkQuestion, WorkOrder
from workorders.queries import (
    callbacks_on,
    findings_of,
    open_questions,
    orders_of_recording,
    recordings_of_order,
)

ZONE = ZoneInfo("Asia/Shanghai")
CALLED_AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
WINDOW = 30
SAMPLE_CALLS = Path(__file__).parents[2] / "service" / "sample_calls"


@pytest.fixture
def archive(database: Database, store: ObjectStore) -> Archive:
    """An archive on each database and the local store."""
    return Archive(database, store, utc_now)


async def seal_call(
    archive: Archive, tmp_path: Path, *, work_order: str = "", citizen: str = "", at: datetime = CALLED_AT
) -> UUID:
    audio = tmp_path / "audio.flac"
    audio.write_bytes(b"fLaC synthetic")
    identifier = new_id()
    recording = NewRecording(
        *(identifier, f"{identifier}@test", at, at + timedelta(minutes=2), 120_000, "8001", "", citizen, ""),
        *(work_order, False, (), {}),
    )
    await seal_recording(archive, recording, audio, retain_until=utc_now() + timedelta(days=731))
    return identifier


async def add_order(
    archive: Archive,
    number: str,
    *,
    telephone: str = "",
    created: datetime | None = None,
    closed: datetime | None = None,
) -> None:
    async with archive.database.write() as session:
        session.add(
            WorkOrder(
                number=number,
                caller_phone=telephone,
                created_at=created,
                closed_at=closed,
                raw={},
                row_sha256="",
                imported_at=CALLED_AT,
                updated_at=CALLED_AT,
            )
        )


async def count(archive: Archive, table: type) -> int:
    async with archive.database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def links_objects(archive: Archive) -> list[str]:
    return [version.key async for version in archive.store.list_versions("work-orders/")]


async def test_the_signalled_number_links(archive: Archive, tmp_path: Path) -> None:
    await add_order(archive, "20261101000101")
    call = await seal_call(archive, tmp_path, work_order=" 20261101000101 ")
    outcome = await link_recording(archive, call, window_days=WINDOW)
    assert (outcome.state, outcome.work_orders, outcome.how, outcome.new) == (
        "linked",
        ("20261101000101",),
        "signalled",
        True,
    )
    async with archive.database.read() as session:
        (stored,) = await session.scalars(select(StoredObject).where(StoredObject.kind == "link"))
        recording = await session.get(Recording, call)
        row = await session.scalar(select(LedgerRow).where(LedgerRow.kind == "linked"))
        await ledger.check(session)
        assert [each.number for each in await orders_of_recording(session, call)] == ["20261101000101"]
        assert [each.recording.id for each in await recordings_of_order(session, "20261101000101")] == [call]
    assert recording is not None
    assert row is not None
    assert (stored.key, stored.recording_id) == (f"work-orders/20261101000101/links/{call}.json", call)
    assert stored.lock_until == recording.retain_until
    content = json.loads(b"".join([part async for part in archive.store.read(stored.key, stored.version_id)]))
    assert content == {
        "format": "huiyin-link/1",
        "recording_id": str(call),
        "work_order": "20261101000101",
        "how": "signalled",
        "by": "system",
    }
    assert json.loads(row.leaf)["facts"]["work_order"] == "20261101000101"


async def test_linking_again_makes_no_second_object(archive: Archive, tmp_path: Path) -> None:
    await add_order(archive, "1")
    call = await seal_call(archive, tmp_path, work_order="1")
    await link_recording(archive, call, window_days=WINDOW)
    again = await link_recording(archive, call, window_days=WINDOW)
    by_hand = await link_by_person(archive, call, "1", by="li")
    assert (again.state, again.new, by_hand.how) == ("linked", False, "signalled")
    assert await links_objects(archive) == [link_key("1", call)]
    assert await count(archive, Link) == 1


async def test_linking_at_once_from_two_workers(archive: Archive, tmp_path: Path) -> None:
    await add_order(archive, "1")
    call = await seal_call(archive, tmp_path, work_order="1")
    await asyncio.gather(*(link_recording(archive, call, window_days=WINDOW) for _ in range(2)))
    assert await count(archive, Link) == 1
    async with archive.database.read() as session:
        linked = await session.scalar(select(func.count()).select_from(LedgerRow).where(LedgerRow.kind == "linked"))
    assert linked == 1


async def test_a_crash_between_object_and_row_is_mended(archive: Archive, tmp_path: Path) -> None:
    """The object was stored, the transaction never came: linking again takes the object that lies there."""
    await add_order(archive, "1")
    call = await seal_call(archive, tmp_path, work_order="1")
    await link_recording(archive, call, window_days=WINDOW)
    async with archive.database.write() as session:
        for row in [*await session.scalars(select(Link)), *await session.scalars(select(StoredObject))]:
            if isinstance(row, Link) or row.kind == "link":
                await session.delete(row)
    outcome = await link_recording(archive, call, window_days=WINDOW)
    assert (outcome.state, await count(archive, Link), len(await links_objects(archive))) == ("linked", 1, 1)


@pytest.mark.parametrize("citizen", ["13800000105", "+8613800000105", "013800000105"])
async def test_one_order_of_the_telephone_in_the_window_links(archive: Archive, tmp_path: Path, citizen: str) -> None:
    day = timedelta(days=1)
    await add_order(archive, "in", telephone="13800000105", created=CALLED_AT - 40 * day, closed=CALLED_AT - 29 * day)
    await add_order(archive, "old", telephone="13800000105", created=CALLED_AT - 50 * day, closed=CALLED_AT - 31 * day)
    await add_order(archive, "after", telephone="13800000105", created=CALLED_AT + day)
    await add_order(archive, "other", telephone="13800000106", created=CALLED_AT - day)
    call = await seal_call(archive, tmp_path, citizen=citizen)
    outcome = await link_recording(archive, call, window_days=WINDOW)
    assert (outcome.state, outcome.work_orders, outcome.how) == ("linked", ("in",), "telephone")


async def test_several_orders_leave_a_question_that_a_person_answers(archive: Archive, tmp_path: Path) -> None:
    day = timedelta(days=1)
    for number in ("a", "b"):
        await add_order(archive, number, telephone="13800000105", created=CALLED_AT - day)
    call = await seal_call(archive, tmp_path, citizen="13800000105")
    outcome = await link_recording(archive, call, window_days=WINDOW)
    assert (outcome.state, outcome.reason, outcome.candidates, outcome.new) == ("asked", "several", ("a", "b"), True)
    assert not (await link_recording(archive, call, window_days=WINDOW)).new
    async with archive.database.read() as session:
        (waiting,) = await open_questions(session)
    assert [each.number for each in waiting.candidates] == ["a", "b"]
    link = await link_by_person(archive, call, " b ", by="li")
    assert (link.work_order, link.how, link.by) == ("b", "person", "li")
    async with archive.database.read() as session:
        assert await open_questions(session) == []
        question = await session.get(LinkQuestion, call)
        row = await session.scalar(select(LedgerRow).where(LedgerRow.kind == "linked"))
    assert question is not None
    assert row is not None
    assert (question.answered_by, row.actor) == ("li", "li")


@pytest.mark.parametrize("citizen", ["", "anonymous", "13800000199"])
async def test_no_order_leaves_a_question(archive: Archive, tmp_path: Path, citizen: str) -> None:
    await add_order(archive, "nobody", telephone="", created=CALLED_AT - timedelta(days=1))
    call = await seal_call(archive, tmp_path, citizen=citizen)
    outcome = await link_recording(archive, call, window_days=WINDOW)
    assert (outcome.state, outcome.reason, outcome.candidates) == ("asked", "none", ())


async def test_an_unknown_number_waits_for_its_order(archive: Archive, tmp_path: Path) -> None:
    """The telephone only suggests: the number that came with the call is what counts once it is imported."""
    await add_order(archive, "near", telephone="13800000105", created=CALLED_AT - timedelta(days=1))
    call = await seal_call(archive, tmp_path, work_order="late", citizen="13800000105")
    outcome = await link_recording(archive, call, window_days=WINDOW)
    assert (outcome.reason, outcome.candidates) == ("unknown number", ("near",))
    assert [each.state for each in await relink_pending(archive, _window)] == ["asked"]
    await add_order(archive, "late")
    assert [(each.state, each.work_orders) for each in await relink_pending(archive, _window)] == [
        ("linked", ("late",))
    ]
    assert await relink_pending(archive, _window) == []


def _window(_called_at: datetime) -> int:
    return WINDOW


async def test_a_call_is_linked_by_the_window_of_its_day_however_late_its_order_comes(
    archive: Archive, tmp_path: Path
) -> None:
    """The window was widened between two calls, and both orders are imported after that."""
    settings, day = Settings(link_window_days=7), timedelta(days=1)
    async with archive.database.write() as session:
        wider = Change("link_window_days", "30", (CALLED_AT + day).astimezone(ZONE).date(), "cai", "合同变更")
        await change_setting(session, settings, wider, now=CALLED_AT)
    before = await seal_call(archive, tmp_path, citizen="13800000105")
    after = await seal_call(archive, tmp_path, citizen="13800000106", at=CALLED_AT + day)
    await _work(archive, settings, FIND_ORDER, before, after)
    for telephone, called_at in (("13800000105", CALLED_AT), ("13800000106", CALLED_AT + day)):
        await add_order(archive, telephone[-3:], telephone=telephone, created=called_at - 20 * day)
    later = replace(archive, clock=lambda: CALLED_AT + 2 * day)
    await _work(later, settings, RELINK)
    async with archive.database.read() as session:
        assert [waiting.recording.id for waiting in await open_questions(session)] == [before]
        assert [row.work_order for row in await session.scalars(select(Link))] == ["106"]
    # What was known in time is linked by the same rule.
    known = await seal_call(archive, tmp_path, citizen="13800000105")
    await _work(later, settings, FIND_ORDER, known)
    async with archive.database.read() as session:
        assert {waiting.recording.id for waiting in await open_questions(session)} == {before, known}


def _no_engine() -> Transcriber:
    raise AssertionError("no engine is needed for links")


async def _work(archive: Archive, settings: Settings, kind: str, *recordings: UUID) -> None:
    context = Context(archive, settings, _no_engine)
    for payload in [{"recording_id": str(each)} for each in recordings] or [{}]:
        await STEPS[kind](context, Job(new_id(), kind, "", payload, 1, 1))


@pytest.mark.parametrize("number", ["../../etc", "京〔2026〕1号", "a/b", "..", "x" * 64])
async def test_any_number_makes_a_safe_key(archive: Archive, tmp_path: Path, number: str) -> None:
    await add_order(archive, number)
    call = await seal_call(archive, tmp_path, work_order=number)
    assert (await link_recording(archive, call, window_days=WINDOW)).state == "linked"
    (key,) = await links_objects(archive)
    assert key.count("/") == 3
    assert ".." not in key


async def test_what_does_not_exist_cannot_be_linked(archive: Archive, tmp_path: Path) -> None:
    call = await seal_call(archive, tmp_path)
    with pytest.raises(NotFound):
        await link_by_person(archive, call, "nowhere", by="li")
    with pytest.raises(NotFound):
        await link_recording(archive, new_id(), window_days=WINDOW)
    assert await links_objects(archive) == []


async def test_a_disposed_recording_is_left_alone(archive: Archive, tmp_path: Path) -> None:
    await add_order(archive, "1")
    call = await seal_call(archive, tmp_path, work_order="1")
    async with archive.database.write() as session:
        recording = await session.get(Recording, call)
        assert recording is not None
        recording.life = "disposed"
    assert (await link_recording(archive, call, window_days=WINDOW)).state == "disposed"
    with pytest.raises(Conflict):
        await link_by_person(archive, call, "1", by="li")


async def test_sample_calls_find_their_sample_orders(archive: Archive, tmp_path: Path) -> None:
    """Four calls bring their number; the fifth is found by its telephone alone, whatever the day."""
    day = date(2027, 3, 1)
    called_at = datetime(2027, 3, 1, 2, tzinfo=UTC)
    write_orders(tmp_path / "orders.xlsx", day)
    await import_orders(archive.database, tmp_path / "orders.xlsx", by="tester", now=called_at, timezone=ZONE)
    for truth in sorted(SAMPLE_CALLS.glob("*/truth.json")):
        facts = json.loads(truth.read_text(encoding="utf-8"))
        number = facts["work_order"] if facts["signalled"] else ""
        call = await seal_call(archive, tmp_path, work_order=number, citizen=facts["citizen_telephone"], at=called_at)
        outcome = await link_recording(archive, call, window_days=WINDOW)
        assert outcome.work_orders == (facts["work_order"],), truth
        assert outcome.how == ("signalled" if facts["signalled"] else "telephone")
    async with archive.database.read() as session:
        callbacks = await callbacks_on(session, day, ZONE)
    assert callbacks.done == [f"2026110100010{place}" for place in range(1, 6)]
    assert set(callbacks.done) <= set(callbacks.due)


async def test_findings_of_people_outlast_the_rules(archive: Archive, tmp_path: Path) -> None:
    call = await seal_call(archive, tmp_path)
    async with archive.database.write() as session:
        await store_findings(session, call, read_findings([]), text_version=1, now=CALLED_AT)
        before = {finding.question: finding for finding in await findings_of(session, call)}
        assert list(before) == list(ANSWERS)
        accepted = await decide_finding(session, before[CONNECTED].id, "no", by="li", now=CALLED_AT)
        changed = await decide_finding(session, before[SOLVED].id, "partly", by="li", now=CALLED_AT)
        assert (accepted.standing, changed.standing) == ("accepted", "changed")
        with pytest.raises(Refused):
            await decide_finding(session, before[SOLVED].id, "satisfied", by="li", now=CALLED_AT)
        with pytest.raises(NotFound):
            await decide_finding(session, new_id(), "yes", by="li", now=CALLED_AT)
    newer = [NewFinding(question, "yes", 3, 3000, "…", "rule") for question in ("connected", "contacted", "solved")]
    async with archive.database.write() as session:
        await store_findings(session, call, newer, text_version=2, now=CALLED_AT)
    async with archive.database.read() as session:
        found = {finding.question: finding for finding in await findings_of(session, call)}
        decided = await session.scalars(select(LedgerRow).where(LedgerRow.kind == "decided").order_by(LedgerRow.seq))
        facts = [json.loads(row.leaf)["facts"] for row in decided]
    assert [(found[each].answer, found[each].text_version) for each in ("connected", "contacted", "solved")] == [
        ("no", 1),
        ("yes", 2),
        ("partly", 1),
    ]
    assert [(each["question"], each["before"], each["answer"]) for each in facts] == [
        ("connected", "no", "no"),
        ("solved", "unclear", "partly"),
    ]
    assert await count(archive, Finding) == len(ANSWERS)


async def test_callbacks_of_a_day(archive: Archive, tmp_path: Path) -> None:
    """Local days: 00:00 in Shanghai is 16:00 UTC of the day before."""
    midnight = datetime(2026, 11, 21, 16, tzinfo=UTC)
    hour = timedelta(hours=1)

    async def called(number: str, at: datetime, connected: str) -> None:
        call = await seal_call(archive, tmp_path, work_order=number, at=at)
        await link_recording(archive, call, window_days=WINDOW)
        async with archive.database.write() as session:
            await store_findings(session, call, [NewFinding(CONNECTED, connected)], text_version=1, now=at)

    for number in ("reached before", "missed before", "reached today", "missed today"):
        await add_order(archive, number, closed=midnight - 24 * hour)
    await add_order(archive, "closed late today", closed=midnight + 23 * hour)
    await add_order(archive, "closed tomorrow", closed=midnight + 24 * hour)
    await add_order(archive, "open")
    await called("reached before", midnight - hour, "yes")
    await called("missed before", midnight - hour, "no")
    await called("reached today", midnight, "no")
    await called("reached today", midnight + hour, "yes")
    await called("missed today", midnight + 23 * hour, "no")
    await called("open", midnight + 24 * hour, "yes")
    async with archive.database.read() as session:
        day = await callbacks_on(session, date(2026, 11, 22), ZONE)
        after = await callbacks_on(session, date(2026, 11, 23), ZONE)
    assert day.due == ["closed late today", "missed before", "missed today", "reached today"]
    assert (day.done, day.connected) == (["missed today", "reached today"], ["reached today"])
    assert after.due == ["closed late today", "closed tomorrow", "missed before", "missed today"]
    assert (after.done, after.connected) == (["open"], ["open"])
