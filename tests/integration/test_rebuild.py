"""The database emptied and rebuilt from the store alone: every table, row by row, against what it was."""

import asyncio
import csv
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from archive import layout
from archive.catalogue import SIGNALLED, Call, Recording
from archive.heads import sign_head
from archive.house import Archive
from archive.seal import NewTurn, seal_object, seal_recording, seal_transcript
from archive.search import search
from archive.search_index import indexed
from archive.search_wanted import Wanted
from archive.store import ObjectStore
from core import ledger
from core.clock import utc_now
from core.database import Base, Database
from core.dictionaries import PAUSES, UNITS, NewWord, add_word, end_word, words
from core.ids import new_id
from core.jobs import JobRow
from core.ledger import Entry
from core.note import SigningKey
from core.operating import Change, change_setting
from reporting.daily import issue_daily
from retention.disposal import approve, confirm, propose
from retention.execution import execute
from retention.holds import ask_release, confirm_release, place, withdraw_release
from retention.membership import settle_holds
from retention.nightly import run_nightly
from retention.policies import set_years
from retention.scope import Scope
from service.kinds import FIND_ORDER, TRANSCRIBE
from service.rebuild import NOT_REBUILT, rebuild
from service.rebuild_state import State
from service.verification import verify
from tests.integration.kept import SETTINGS, open_house
from tests.locks import short_lock
from tests.samples import new_recording, new_turns, write_audio
from tests.wiped import wipe
from workorders.exports import import_export
from workorders.findings import SpokenTurn, decide_finding, read_findings, store_findings
from workorders.linking import link_by_person, link_recording
from workorders.orders import SOLVED

KEY = SigningKey.generate("huiyin.example/ledger")
ZONE = ZoneInfo("Asia/Shanghai")
# Surrogate identifiers, and when a check was last made or a case applied (no facts).
NOT_COMPARED: Mapping[str, frozenset[str]] = {
    "turns": frozenset({"id"}),
    "findings": frozenset({"id"}),
    "objects": frozenset({"verified_at", "lock_checked_at"}),
    "link_questions": frozenset({"asked_at"}),
    "hold_cases": frozenset({"applied_at"}),
    "work_orders": frozenset(),
}
Rows = dict[str, list[dict[str, Any]]]


# How long a busy machine may take between what happens and its row in the ledger.
SLACK = timedelta(minutes=2)


@dataclass
class World:
    """An archive, and how its time passes."""

    archive: Archive
    until: Callable[[datetime], Awaitable[None]]
    slack: timedelta = timedelta()


async def _really(moment: datetime) -> None:
    await asyncio.sleep(max(0.0, (moment - utc_now()).total_seconds()))


@pytest.fixture
async def local_world(sqlite_database: Database, tmp_path: Path) -> World:
    opened = await open_house(sqlite_database, tmp_path)

    async def at_once(moment: datetime) -> None:
        opened.clock.now = max(opened.clock.now, moment)

    return World(opened.archive, at_once)


@pytest.fixture
async def server_world(postgres_database: Database, s3_store: ObjectStore) -> World:
    return World(Archive(postgres_database, s3_store, utc_now), _really, SLACK)


@pytest.fixture(params=["local_world", "server_world"])
def world(request: pytest.FixtureRequest) -> World:
    """SQLite and the local store; PostgreSQL and a real S3 server, whose time is real too."""
    found: World = request.getfixturevalue(request.param)
    return found


async def snapshot(database: Database) -> Rows:
    """Every table that a rebuild brings back, without the columns that it need not."""
    found: Rows = {}
    async with database.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in NOT_REBUILT:
                hidden = NOT_COMPARED.get(table.name, frozenset())
                rows = [dict(row._mapping) for row in await session.execute(select(table))]
                kept = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
                found[table.name] = sorted(kept, key=_place)
    return found


def _place(row: dict[str, Any]) -> str:
    """Rows in an order that no moment decides."""
    return str([value for value in row.values() if not isinstance(value, datetime)])


async def again(archive: Archive) -> State:
    return await rebuild(archive, SETTINGS, [KEY.verifier], by="operator", tell=lambda _line: None)


async def seal(archive: Archive, directory: Path, *, call: dict[str, Any] | None = None, **more: Any) -> UUID:
    """A recording of today."""
    known = more.pop("citizen_number", "13800000101")
    until = more.pop("until", None) or _until(archive)
    began = more.pop("started_at", archive.clock() - timedelta(hours=1))
    recording = replace(new_recording(started_at=began, citizen_number=known), **more)
    recording = replace(recording, facts={**recording.facts, **(call or {})})
    audio = write_audio(directory / f"{recording.id}.flac", seconds=0.1, hertz=300 + recording.id.int % 500)
    sealed = await seal_recording(archive, recording, audio, retain_until=until)
    return sealed.id


def _until(archive: Archive) -> Any:
    return (archive.clock() + timedelta(days=731)).replace(microsecond=0)


async def transcribe(
    archive: Archive, recording: UUID, version: int = 0, *dialogue: tuple[str, str], until: datetime | None = None
) -> None:
    turns = new_turns(*dialogue)
    who = ("system", "first text") if version == 0 else ("agent1", "更正")
    await seal_transcript(
        archive,
        recording,
        {"engine": "test"},
        turns,
        author=who[0],
        reason=who[1],
        retain_until=until or _until(archive),
        expected_version=version,
    )
    if version == 0:
        await read(archive, recording, turns)


async def read(archive: Archive, recording: UUID, turns: list[NewTurn]) -> None:
    spoken = [SpokenTurn(n, turn.party, turn.start_ms, turn.end_ms, turn.text) for n, turn in enumerate(turns)]
    async with archive.database.write() as session:
        await store_findings(session, recording, read_findings(spoken), text_version=1, now=archive.clock())


async def bring_orders(archive: Archive, directory: Path, *numbers: str) -> None:
    path = directory / f"{new_id()}.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["工单编号", "标题", "来电人", "来电人电话", "创建时间", "办结时间", "问题分类", "承办单位", "备注"]
        )
        for number in numbers:
            writer.writerow(
                [number, "路灯不亮", "王试一", "13800000101", "2026-11-01", "2026-11-05", "城管→路灯", "城管局", "甲"]
            )
    await import_export(archive, path, by="tester", timezone=ZONE, retain_until=_until(archive))


async def furnish(archive: Archive, directory: Path) -> dict[str, UUID]:
    """Recordings in every state that both stores and clocks can show."""
    async with archive.database.write() as session:
        today = archive.clock().astimezone(ZONE).date()
        await set_years(
            session, SETTINGS, 3, effective_from=today + timedelta(days=900), by="zhao", now=archive.clock()
        )
        for value in ("50", "5"):
            change = Change("callback_days", value, today, "cai", "合同约定")
            await change_setting(session, SETTINGS, change, now=archive.clock())
        unit = NewWord("示例区城管委", "", ("城管局",), 0, today)
        await add_word(session, UNITS, unit, by="cai", now=archive.clock(), today=today)
        first = (await words(session, PAUSES))[0]
        await end_word(session, PAUSES, first.id, today, by="cai", now=archive.clock(), today=today)
    await bring_orders(archive, directory, "G-1", "G-2")
    corrected = await seal(archive, directory, work_order="G-1")
    await transcribe(archive, corrected)
    await transcribe(archive, corrected, 1, ("agent", "请问解决了吗？"), ("citizen", "没有，路灯还是坏的。"))
    async with archive.database.write() as session:
        row = await session.execute(
            select(Base.metadata.tables["findings"].c.id).where(
                Base.metadata.tables["findings"].c.recording_id == corrected,
                Base.metadata.tables["findings"].c.question == SOLVED,
            )
        )
        await decide_finding(session, row.scalar_one(), "no", by="li", now=archive.clock())
    await link_recording(archive, corrected, window_days=30)
    two = await seal(archive, directory, citizen_number="13800000999")
    await transcribe(archive, two, 0, ("agent", "您好，请问噪音问题解决了吗？"), ("citizen", "解决了。"))
    await link_by_person(archive, two, "G-1", by="li")
    await link_by_person(archive, two, "G-2", by="li")
    pending = await seal(archive, directory, citizen_number="13800000555")
    await link_recording(archive, pending, window_days=30)
    pauses = {"call": {"pauses": [{"reason": "敏感信息", "by": "agent1"}]}}
    interrupted = await seal(
        archive, directory, call=pauses, interrupted=True, flags=("media timeout", "stream 1: lost")
    )
    (directory / "rest.rtp").write_bytes(b"damaged packets")
    interrupted_at = (await recording(archive, interrupted)).started_at
    await seal_object(
        archive,
        key=layout.remains_key(interrupted, interrupted_at, "rest.rtp"),
        kind=layout.REMAINS,
        content=directory / "rest.rtp",
        retain_until=_until(archive),
        entry=Entry("kept", "system", str(interrupted), {"file": "rest.rtp"}),
        recording_id=interrupted,
    )
    held = await seal(archive, directory, citizen_number="13800000777")
    await transcribe(archive, held)
    await hold_and_release(archive, held, two, pending)
    await link_recording(archive, held, window_days=30)
    return {"corrected": corrected, "two": two, "pending": pending, "interrupted": interrupted, "held": held}


async def hold_and_release(archive: Archive, held: UUID, let_go: UUID, asked: UUID) -> None:
    """A case that stands, one that was released, one whose release was asked for, and one where that was withdrawn."""
    first = await place(archive, SETTINGS, name="投诉复核", reason="复核", scope=Scope(recordings=(held,)), by="zhao")
    gone = await place(archive, SETTINGS, name="已结", reason="核", scope=Scope(recordings=(held, let_go)), by="zhao")
    waits = await place(archive, SETTINGS, name="待解除", reason="核", scope=Scope(recordings=(asked,)), by="zhao")
    await settle_holds(archive, SETTINGS)
    for case in (first, gone, waits):
        await ask_release(archive, SETTINGS, case.id, by="li", reason="办结")
    async with archive.database.write() as session:
        await withdraw_release(session, first.id, by="li", now=archive.clock())
    await confirm_release(archive, SETTINGS, gone.id, by="wang")
    await settle_holds(archive, SETTINGS)


async def recording(archive: Archive, identifier: UUID) -> Recording:
    async with archive.database.read() as session:
        return await session.get_one(Recording, identifier)


async def sign(archive: Archive) -> int:
    return (await sign_head(archive, KEY, retain_until=_until(archive))).checkpoint.size


def without_last_signing(rows: Rows, size: int) -> Rows:
    """Rows up to the newest signed head: what came later is lost, and objects of the ledger itself get new names."""
    kept = {name: list(each) for name, each in rows.items()}
    kept["ledger"] = [row for row in kept["ledger"] if row["seq"] < size]
    kept["ledger_nodes"] = []
    kept["ledger_head"] = []
    own = [row for row in kept["objects"] if row["key"].startswith("ledger/")]
    kept["objects"] = [row for row in kept["objects"] if not row["key"].startswith("ledger/")]
    names = ("key", "version_id", "size", "sha256", "lock_until", "kind")
    kept["ledger's objects"] = sorted(({name: row[name] for name in names} for row in own), key=str)
    return kept


def assert_same(before: Rows, after: Rows, slack: timedelta = timedelta()) -> None:
    """Row by row; moments may differ by ``slack``, where the ledger's row was written after what it tells of."""
    for name, rows in before.items():
        differing = [
            {each: (was[each], now[each]) for each in was if not _same(was[each], now.get(each), slack)}
            for was, now in zip(rows, after[name], strict=False)
        ]
        assert (len(after[name]), [each for each in differing if each]) == (len(rows), []), name


def _same(was: object, now: object, slack: timedelta) -> bool:
    if isinstance(was, datetime) and isinstance(now, datetime):
        return abs(was - now) <= slack
    return was == now


async def dispose(archive: Archive, identifier: UUID) -> None:
    now = archive.clock()
    async with archive.database.write() as session:
        row = await propose(session, SETTINGS, identifier, by="anna", reason="保存期满", now=now)
        await approve(session, row.id, by="bo", now=now)
        await confirm(session, row.id, by="cai", now=now)
        disposal = row.id
    await execute(archive, SETTINGS, disposal, now=now)


async def leave_tombstone(world: World, directory: Path) -> None:
    """A recording of long ago, with text of long ago, whose short lock runs out: disposed of."""
    archive = world.archive
    lock = await short_lock(archive.store)
    then, until = archive.clock() - timedelta(days=1200), archive.clock() + lock
    gone = await seal(archive, directory, flags=("odd",), started_at=then, until=until)
    await transcribe(archive, gone, until=until)
    async with archive.database.write() as session:
        (await session.get_one(Recording, gone)).text_final_at = then + timedelta(days=1)
    await world.until((await recording(archive, gone)).retain_until + timedelta(seconds=1))
    await dispose(archive, gone)


async def test_every_table_comes_back_row_by_row(world: World, tmp_path: Path) -> None:
    archive = world.archive
    await leave_tombstone(world, tmp_path)
    never = new_id()
    async with archive.database.write() as session:
        began = archive.clock() - timedelta(days=2)
        session.add(Call(id=never, sip_call_id="x@gateway.test", state=SIGNALLED, started_at=began, work_order="G-9"))
    known = await furnish(archive, tmp_path)
    await run_nightly(archive, SETTINGS, now=archive.clock())
    day = archive.clock().astimezone(ZONE).date()
    await issue_daily(archive, SETTINGS, day, by="zhao", retain_until=_until(archive))
    size = await sign(archive)
    before = await snapshot(archive.database)
    async with archive.database.read() as session:
        hits = [await search(session, Wanted(words)) for words in ("路灯", "噪音 解决", "不在")]
        turns = await indexed(session)
    assert hits[0].calls
    assert hits[1].calls

    await wipe(archive.database)
    state = await again(archive)
    assert state.losses == []
    async with archive.database.read() as session:
        jobs = {(row.kind, row.key) for row in await session.scalars(select(JobRow).where(JobRow.state == "queued"))}
    waiting = {known["pending"], known["interrupted"]}
    texts, orders = {(TRANSCRIBE, str(each)) for each in waiting}, {*waiting, known["held"]}
    assert jobs == texts | {(FIND_ORDER, str(each)) for each in orders}
    # What the next jobs and the next night do of themselves.
    for each in ("pending", "held"):
        await link_recording(archive, known[each], window_days=30)
    after = await snapshot(archive.database)
    missing = {row["id"]: row for row in after["calls"]}[never]
    assert (missing["state"], missing["work_order"]) == ("missing", "G-9")
    assert_same(without_last_signing(before, size), without_last_signing(after, size), world.slack)
    async with archive.database.read() as session:
        assert [await search(session, Wanted(words)) for words in ("路灯", "噪音 解决", "不在")] == hits
        assert await indexed(session) == turns
        await ledger.check(session)
    assert await verify(archive, [KEY.verifier], on_progress=lambda _line: None, settle=0.0) == []
    # The house goes on: the next head covers what the rebuild added.
    assert await sign(archive) > size
    assert await verify(archive, [KEY.verifier], on_progress=lambda _line: None, settle=0.0) == []


async def test_both_stores_bring_recordings_back(
    sqlite_database: Database, any_store: ObjectStore, tmp_path: Path
) -> None:
    archive = Archive(sqlite_database, any_store, utc_now)
    await furnish(archive, tmp_path)
    size = await sign(archive)
    before = await snapshot(sqlite_database)
    await wipe(sqlite_database)
    assert (await again(archive)).losses == []
    after = await snapshot(sqlite_database)
    same = ("recordings", "turns", "work_orders", "ledger", "effective_values", "dictionary_entries")
    kept, found = without_last_signing(before, size), without_last_signing(after, size)
    assert_same({name: kept[name] for name in same}, found)
    assert await verify(archive, [KEY.verifier], on_progress=lambda _line: None, settle=0.0) == []
