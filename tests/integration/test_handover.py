"""Handing over, on both databases and both stores: what is in the scope, what is on record first, what comes after."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZIP_STORED, ZipFile

import pytest
from openpyxl import load_workbook
from sqlalchemy import select, update

from archive.catalogue import Recording, StoredObject
from archive.house import Archive
from archive.seal import seal_object, seal_recording
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from core.errors import Conflict, Damaged, NotFound, Refused
from core.ledger import Entry, LedgerRow, check
from core.note import SigningKey
from retention.disposal import Disposal
from retention.handover.asking import ask, find
from retention.handover.export import run_export
from retention.handover.finishing import Finished
from retention.handover.purge import propose_purge
from retention.handover.receipts import NewReceipt, record_receipt
from retention.handover.scope import Scope
from retention.handover.tables import Export
from retention.handover.working import unfinished, working_directory
from retention.holds import place
from retention.membership import settle_holds
from retention.scope import Scope as HoldScope
from tests.bags import SETTINGS, UNTIL, add_papers, hand_over, verify
from tests.integration.kept import House, MovableClock
from tests.web import ORDER, OTHER_ORDER, Seeded, new_recording, order, seed, tones

KEY = SigningKey.generate("test.example/ledger")


@pytest.fixture(params=[("sqlite_database", "store"), ("postgres_database", "s3_store")], ids=["embedded", "servers"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """SQLite with the local store, PostgreSQL with S3."""
    database, store = (request.getfixturevalue(name) for name in request.param)
    return Archive(database, store, utc_now)


@pytest.fixture
async def seeded(archive: Archive, tmp_path: Path) -> Seeded:
    return await seed(archive, tmp_path)


async def exported(archive: Archive) -> list[LedgerRow]:
    async with archive.database.read() as session:
        rows = await session.scalars(select(LedgerRow).where(LedgerRow.kind == "exported").order_by(LedgerRow.seq))
        return list(rows)


def handed_over(bag: Path) -> set[UUID]:
    return {UUID(path.parent.name) for path in bag.rglob("audio.flac")}


async def test_everything_as_a_directory(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    done = await hand_over(archive, KEY, tmp_path / "bag", Scope("all"))
    assert handed_over(done.path) == {seeded.full, seeded.pending, seeded.failed}
    assert verify(done.path, KEY.verifier)[0] == 0
    assert not working_directory(done.path).exists()
    sheet = load_workbook(done.path / "data/work-orders.xlsx").active
    assert sheet is not None
    assert [row[0] for row in sheet.iter_rows(values_only=True)] == ["工单编号", ORDER, OTHER_ORDER]
    rows = await exported(archive)
    assert [row.subject for row in rows[:-1]] == [str(seeded.full), str(seeded.pending), str(seeded.failed)]
    assert json.loads(rows[-1].leaf)["facts"]["recordings"] == 3
    async with archive.database.read() as session:
        await check(session)


async def test_everything_as_one_file(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    done = await hand_over(archive, KEY, tmp_path / "handover.zip", Scope("all"))
    assert verify(done.path, KEY.verifier)[0] == 0
    with ZipFile(done.path) as file:
        audio = [info for info in file.infolist() if info.filename.endswith(".flac")]
    assert len(audio) == 3
    assert {info.compress_type for info in audio} == {ZIP_STORED}
    content = bytearray(done.path.read_bytes())
    content[len(content) // 2] ^= 1
    done.path.write_bytes(content)
    assert verify(done.path, KEY.verifier)[0] == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["order", ORDER], {"full"}),
        (["period", "2026-11-20", "2026-11-20"], {"full", "pending", "failed"}),
    ],
)
async def test_a_part(archive: Archive, seeded: Seeded, tmp_path: Path, words: list[str], expected: set[str]) -> None:
    done = await hand_over(archive, KEY, tmp_path / "bag", Scope.parse(words))
    assert handed_over(done.path) == {getattr(seeded, name) for name in expected}
    assert verify(done.path, KEY.verifier)[0] == 0
    assert not (done.path / "data/ledger/leaves").exists()


def papers_in(bag: Path) -> set[str]:
    kinds = ("imports", "reports", "certificates")
    return {kind + path.suffix for kind in kinds for path in (bag / "data" / kind).rglob("*.*")}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["all"], {"imports.csv", "reports.json", "reports.docx", "reports.html"}),
        (["period", "2026-11-20", "2026-11-20"], {"imports.csv", "reports.json", "reports.docx", "reports.html"}),
        (["period", "2026-11-21", "2026-11-22"], set()),
        # A file with many citizens' orders does not go with one of them.
        (["order", ORDER], set()),
    ],
)
async def test_the_papers_of_a_scope(
    archive: Archive, seeded: Seeded, tmp_path: Path, words: list[str], expected: set[str]
) -> None:
    await add_papers(archive, tmp_path)
    later = new_recording(datetime(2026, 11, 21, 2, tzinfo=UTC))
    await seal_recording(archive, later, tones(tmp_path / "later.flac", 1), retain_until=utc_now() + UNTIL)
    done = await hand_over(archive, KEY, tmp_path / "bag", Scope.parse(words))
    assert papers_in(done.path) == expected
    status, said = verify(done.path, KEY.verifier)
    assert (status, f"papers: {len(expected)}" in said) == (0, True), said


async def test_days_are_those_of_the_zone(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    began = datetime(2026, 11, 20, 17, tzinfo=UTC)  # 01:00 of the next day in Shanghai
    late = new_recording(began)
    await seal_recording(archive, late, tones(tmp_path / "late.flac", 1), retain_until=began + UNTIL)
    done = await hand_over(archive, KEY, tmp_path / "bag", Scope.parse(["period", "2026-11-21", "2026-11-22"]))
    assert handed_over(done.path) == {late.id}
    assert (done.path / "data/days/2026-11-21.html").exists()


async def test_a_case(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    scope = HoldScope(recordings=(seeded.pending,))
    case = await place(archive, SETTINGS, name="信访件", reason="复查", scope=scope, by="anna")
    await settle_holds(archive, SETTINGS)
    for place_number, name in enumerate(("信访件", str(case.id))):
        done = await hand_over(archive, KEY, tmp_path / f"bag{place_number}", Scope("case", name=name))
        assert handed_over(done.path) == {seeded.pending}
        assert verify(done.path, KEY.verifier)[0] == 0
    async with archive.database.read() as session:
        leaves = await session.scalars(select(LedgerRow.leaf).where(LedgerRow.kind == "exported"))
    assert not any("信访件" in leaf for leaf in leaves), "the words of a case stay out of the ledger"
    await place(archive, SETTINGS, name="信访件", reason="另一件", scope=scope, by="anna")
    with pytest.raises(Conflict, match="several cases"):
        await hand_over(archive, KEY, tmp_path / "bag", Scope("case", name="信访件"))


async def test_a_scope_without_recordings(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    for words in (["period", "2020-01-01", "2020-01-02"], ["order", "none"], ["case", "none"]):
        with pytest.raises(NotFound):
            await hand_over(archive, KEY, tmp_path / "bag", Scope.parse(words))
    assert not await exported(archive)


@pytest.mark.parametrize("words", [[], ["some"], ["period", "2026-11-20"], ["order", " "], ["period", "2", "3"]])
def test_a_scope_that_cannot_be_read(words: list[str]) -> None:
    with pytest.raises(ValueError):
        Scope.parse(words)


async def test_no_export_without_a_purpose(archive: Archive, seeded: Seeded) -> None:
    async with archive.database.write() as session:
        with pytest.raises(Refused, match="purpose"):
            await ask(session, archive, SETTINGS, Scope("all"), purpose=" ", by="auditor")


class Ill:
    """A store whose objects of one name cannot be read, until they can: everything else goes to the real one."""

    def __init__(self, store: ObjectStore) -> None:
        self.store, self.ill, self.reads = store, "", list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def local_path(self, key: str, version_id: str) -> None:
        return None

    async def read(self, key: str, version_id: str, **span: Any) -> AsyncIterator[bytes]:
        self.reads.append(key)
        async for chunk in self.store.read(key, version_id, **span):
            yield b"x" + chunk[1:] if self.ill and self.ill in key else chunk


async def test_an_export_that_stops_is_on_record_and_goes_on(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    ill = Ill(archive.store)
    house = Archive(archive.database, ill, utc_now)
    ill.ill = f"{seeded.failed}/audio.flac"
    target = tmp_path / "bag"
    with pytest.raises(Damaged, match="altered"):
        await hand_over(house, KEY, target, Scope("all"))
    assert len(await exported(archive)) == 4
    assert not target.exists()
    assert not list(working_directory(target).rglob(f"{seeded.failed}/audio.flac"))
    begun = unfinished(target)
    assert begun
    with pytest.raises(Conflict, match="another export"):
        await hand_over(house, KEY, target, Scope("all"))
    # A file that was damaged in the unfinished bag is not trusted because it was once written.
    hurt = next(working_directory(target).rglob(f"{seeded.pending}/audio.flac"))
    hurt.write_bytes(hurt.read_bytes()[:-1] + b"?")
    (hurt.parent / "metadata.json.partial").write_bytes(b"half")
    ill.ill, ill.reads = "", []
    done = await resume(house, begun, target)
    audio = [key for key in ill.reads if key.endswith(".flac")]
    assert sorted(key.split("/")[-2] for key in audio) == sorted([str(seeded.pending), str(seeded.failed)])
    assert done.counts.reused > 4
    assert verify(target, KEY.verifier)[0] == 0
    async with archive.database.read() as session:
        mine = [row for row in await exported(archive) if row.subject == str(begun)]
        assert len(mine) == 1, "the ledger rows are not repeated"
        assert (await find(session, begun)).state == "done"


async def resume(archive: Archive, export_id: UUID, target: Path) -> Finished:
    return await run_export(archive, SETTINGS, export_id, target, key=KEY, retain_until=utc_now() + UNTIL)


async def test_nothing_is_written_over(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    done = await hand_over(archive, KEY, tmp_path / "bag", Scope("all"))
    with pytest.raises(Conflict, match="something at the target"):
        await hand_over(archive, KEY, done.path, Scope("all"))


async def test_what_comes_after_the_head_is_not_in_the_bag_and_does_not_break_it(
    archive: Archive, seeded: Seeded, tmp_path: Path
) -> None:
    ill = Ill(archive.store)
    house = Archive(archive.database, ill, utc_now)
    ill.ill = f"{seeded.failed}/audio.flac"
    with pytest.raises(Damaged):
        await hand_over(house, KEY, tmp_path / "bag", Scope("all"))
    ill.ill = ""
    await add_object(archive, seeded.failed)
    begun = unfinished(tmp_path / "bag")
    assert begun
    done = await resume(house, begun, tmp_path / "bag")
    assert verify(done.path, KEY.verifier)[0] == 0
    assert not list(done.path.rglob("later.txt"))


async def add_object(archive: Archive, recording_id: UUID) -> None:
    async with archive.database.read() as session:
        recording = await session.get_one(Recording, recording_id)
    await seal_object(
        archive,
        key=f"recordings/{recording.started_at:%Y/%m/%d}/{recording_id}/remains/later.txt",
        kind="remains",
        content=b"later",
        retain_until=recording.retain_until,
        entry=Entry("kept", "system", str(recording_id), {}),
        recording_id=recording_id,
    )


async def test_a_formula_in_an_order_stays_text(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    async with archive.database.write() as session:
        session.add(order("GD-FORMULA", title="=1+1\x07", content="=HYPERLINK(1)"))
    done = await hand_over(archive, KEY, tmp_path / "bag", Scope("all"))
    sheet = load_workbook(done.path / "data/work-orders.xlsx").active
    assert sheet is not None
    cells = {cell.value: cell.data_type for row in sheet.iter_rows() for cell in row}
    assert cells["=1+1"] == "s"
    said = json.loads((done.path / "data/work-orders/GD-FORMULA/order.json").read_text())
    assert said["title"] == "=1+1\x07"


# Receipts, and what may be proposed after them


async def test_a_receipt_is_sealed_with_the_signed_paper(archive: Archive, seeded: Seeded, tmp_path: Path) -> None:
    done = await hand_over(archive, KEY, tmp_path / "bag", Scope("all"))
    paper = tmp_path / "receipt.pdf"
    paper.write_bytes(b"%PDF-1.7 signed")
    new = NewReceipt(done.tag_manifest, "甲方 档案室", utc_now(), paper)
    receipt = await record_receipt(archive, new, by="auditor", retain_until=utc_now() + UNTIL)
    async with archive.database.read() as session:
        sealed = await session.get_one(StoredObject, receipt.signed)
        row = await session.scalar(select(LedgerRow).where(LedgerRow.kind == "received"))
    assert sealed.key.endswith("/signed.pdf")
    assert b"".join([part async for part in archive.store.read(sealed.key, sealed.version_id)]) == paper.read_bytes()
    assert row is not None
    assert row.subject == str(receipt.export_id)
    assert json.loads(row.leaf)["facts"]["tag_manifest_sha256"] == done.tag_manifest
    assert "甲方" not in row.leaf


async def test_a_receipt_for_a_bag_that_was_never_made(archive: Archive, tmp_path: Path) -> None:
    for digest in ("", "0" * 64):
        with pytest.raises(NotFound, match="tag manifest"):
            await record_receipt(
                archive, NewReceipt(digest, "甲方", utc_now()), by="auditor", retain_until=utc_now() + UNTIL
            )


@pytest.fixture
def house(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> House:
    """One whose clock can be moved, for dates to be reached."""
    clock = MovableClock()
    return House(Archive(sqlite_database, store, clock), clock, tmp_path)


async def hand_over_house(house: House) -> Export:
    done = await hand_over(house.archive, KEY, house.directory / "bag", Scope("all"))
    async with house.archive.database.read() as session:
        found = await session.scalar(select(Export).where(Export.tag_manifest == done.tag_manifest))
    assert found
    return found


async def sign_for(house: House, export: Export, *, signed: bool = True) -> None:
    paper = house.directory / "receipt.txt"
    paper.write_text("已收到。签字：测试接收人")
    new = NewReceipt(export.tag_manifest, "甲方", house.clock.now, paper if signed else None)
    await record_receipt(house.archive, new, by="anna", retain_until=house.clock.now + timedelta(days=2000))


async def disposals(house: House) -> list[Disposal]:
    async with house.archive.database.read() as session:
        return list(await session.scalars(select(Disposal)))


async def test_nothing_is_purged_without_a_signed_receipt(house: House) -> None:
    recording = await house.seal()
    export = await hand_over_house(house)
    house.clock.now = recording.retain_until + timedelta(days=1)
    for unsigned in (False, True):
        if unsigned:
            await sign_for(house, export, signed=False)
        with pytest.raises(Refused, match="signed receipt"):
            await propose_purge(house.archive, SETTINGS, export.id, by="anna", now=house.clock.now)
    assert not await disposals(house)


async def test_nothing_is_purged_before_its_date(house: House) -> None:
    recording = await house.seal()
    export = await hand_over_house(house)
    await sign_for(house, export)
    # A pretended time does not help.
    result = await propose_purge(
        house.archive, SETTINGS, export.id, by="anna", now=recording.retain_until + timedelta(days=1)
    )
    assert (result.proposed, result.refused) == (0, 1)
    assert "kept for longer" in result.reasons[0]
    assert not await disposals(house)
    house.clock.now = recording.retain_until - timedelta(seconds=1)
    result = await propose_purge(house.archive, SETTINGS, export.id, by="anna", now=house.clock.now)
    assert (result.proposed, result.refused) == (0, 1)


async def test_a_purge_only_proposes(house: House) -> None:
    recording = await house.seal()
    export = await hand_over_house(house)
    await sign_for(house, export)
    house.clock.now = recording.retain_until + timedelta(days=1)
    result = await propose_purge(house.archive, SETTINGS, export.id, by="anna", now=house.clock.now)
    assert (result.proposed, result.refused, result.already) == (1, 0, 0)
    [row] = await disposals(house)
    assert (row.state, row.proposed_by, row.recording_id) == ("proposed", "anna", recording.id)
    again = await propose_purge(house.archive, SETTINGS, export.id, by="anna", now=house.clock.now)
    assert (again.proposed, again.already) == (0, 1)


async def test_a_hold_or_a_change_after_the_handover_forbids_the_purge(house: House) -> None:
    held, changed = await house.seal(), await house.seal()
    export = await hand_over_house(house)
    await sign_for(house, export)
    house.clock.now += timedelta(days=1)
    await add_object(house.archive, changed.id)
    async with house.archive.database.write() as session:
        await session.execute(update(Recording).where(Recording.id == held.id).values(held=True))
    house.clock.now += timedelta(days=1200)
    result = await propose_purge(house.archive, SETTINGS, export.id, by="anna", now=house.clock.now)
    assert (result.proposed, result.refused) == (0, 2)
    assert any("hold" in reason for reason in result.reasons)
    assert any("changed since" in reason for reason in result.reasons)
