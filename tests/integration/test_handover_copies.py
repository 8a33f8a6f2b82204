"""Copies that exports make: they expire, a real disposal takes ours with it, and its certificate names the others."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from archive.catalogue import DISPOSED, DISPOSING, KEPT, Recording, StoredObject
from core.clock import utc_now
from core.errors import Refused
from core.ledger import LedgerRow, check
from core.note import SigningKey
from core.settings import Settings
from retention.disposal import approve, confirm, propose
from retention.execution import Executed, execute_confirmed
from retention.handover.asking import ask, find
from retention.handover.copies import bag_file, remove_expired
from retention.handover.export import run_export
from retention.handover.finishing import Finished
from retention.handover.receipts import NewReceipt, record_receipt
from retention.handover.scope import Scope
from retention.handover.tables import Export
from retention.handover.working import alone, working_directory
from retention.nightly import run_nightly
from retention.recalling import recall_copies
from tests.bags import verify
from tests.integration.kept import SETTINGS as PLAIN
from tests.integration.kept import House

KEY = SigningKey.generate("test.example/ledger")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(PLAIN, data_dir=tmp_path / "data")


async def ask_for(house: House, settings: Settings, scope: Scope, *, here: bool = True) -> UUID:
    async with house.archive.database.write() as session:
        made = await ask(session, house.archive, settings, scope, purpose="合同期满移交", by="auditor", here=here)
        return made.id


async def write(house: House, settings: Settings, export: UUID, target: Path | None = None) -> Finished:
    place = target or bag_file(settings, export)
    until = utc_now() + timedelta(days=2000)
    return await run_export(house.archive, settings, export, place, key=KEY, retain_until=until)


async def exported(house: House, export: UUID) -> Export:
    async with house.archive.database.read() as session:
        return await find(session, export)


async def dispose(house: House, settings: Settings, recording: Recording) -> Executed:
    """Three people and a night, as soon as it may be."""
    house.clock.now = max(house.clock.now, recording.retain_until + timedelta(days=1))
    async with house.archive.database.write() as session:
        row = await propose(session, settings, recording.id, by="anna", reason="保存期满", now=house.clock.now)
        await approve(session, row.id, by="bo", now=house.clock.now)
        await confirm(session, row.id, by="cai", now=house.clock.now)
    return await execute_confirmed(house.archive, settings, now=house.clock.now)


async def certificate(house: House, recording: Recording) -> dict[str, Any]:
    async with house.archive.database.read() as session:
        query = select(StoredObject).where(
            StoredObject.recording_id == recording.id, StoredObject.kind == "certificate"
        )
        [stored] = (await session.scalars(query)).all()
    content = b"".join([part async for part in house.archive.store.read(stored.key, stored.version_id)])
    said: dict[str, Any] = json.loads(content)
    return said


async def ledger(house: House, kind: str) -> list[dict[str, Any]]:
    async with house.archive.database.read() as session:
        await check(session)
        leaves = await session.scalars(select(LedgerRow.leaf).where(LedgerRow.kind == kind).order_by(LedgerRow.seq))
        return [json.loads(leaf) for leaf in leaves]


def copies_of(recording: Recording, *places: Path) -> list[Path]:
    """Files anywhere below that hold the sound of a recording, inside ZIP files too (sound is stored, not deflated)."""
    sound = b"fLaC" + recording.id.bytes * 64
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return [path for path in files if sound in path.read_bytes()]


async def test_a_bag_expires_and_the_ledger_says_so(house: House, settings: Settings) -> None:
    await house.seal()
    export = await ask_for(house, settings, Scope("all"))
    done = await write(house, settings, export)
    row = await exported(house, export)
    assert row.expires_at == row.finished_at + timedelta(days=settings.export_days)  # type: ignore[operator]
    house.clock.now += timedelta(days=settings.export_days, seconds=-1)
    early = await run_nightly(house.archive, settings, now=house.clock.now)
    assert (early.exports_removed, done.path.exists()) == ((), True)
    house.clock.now += timedelta(days=1)
    night = await run_nightly(house.archive, settings, now=house.clock.now)
    assert night.exports_removed == (str(export),)
    assert not list(settings.exports.iterdir())
    [removed] = await ledger(house, "export removed")
    assert (removed["subject"], removed["facts"]["why"]) == (str(export), "expired")
    assert (await exported(house, export)).removed_why == "expired"
    again = await run_nightly(house.archive, settings, now=house.clock.now)
    assert again.exports_removed == ()
    assert len(await ledger(house, "export removed")) == 1


async def test_a_night_that_cannot_see_the_directory_says_so(house: House, settings: Settings) -> None:
    await house.seal()
    export = await ask_for(house, settings, Scope("all"))
    await write(house, settings, export)
    house.clock.now += timedelta(days=settings.export_days + 1)
    settings.exports.rename(settings.exports.with_name("not mounted"))
    swept = await remove_expired(house.archive, settings, now=house.clock.now)
    assert (swept.removed, list(swept.faults)) == ([], [str(settings.exports)])
    assert (await exported(house, export)).removed_at is None
    settings.exports.with_name("not mounted").rename(settings.exports)
    assert (await remove_expired(house.archive, settings, now=house.clock.now)).removed == [export]


async def test_a_rehearsed_night_removes_nothing(house: House, settings: Settings) -> None:
    await house.seal()
    done = await write(house, settings, await ask_for(house, settings, Scope("all")))
    await run_nightly(house.archive, settings, now=house.clock.now + timedelta(days=400))
    assert done.path.exists()


async def test_an_export_that_never_finished_expires_with_its_half_written_copies(
    house: House, settings: Settings
) -> None:
    await house.seal()
    export = await ask_for(house, settings, Scope("all"))
    work = working_directory(bag_file(settings, export))
    (work / "bag").mkdir(parents=True)
    (work / "bag" / "audio.flac").write_bytes(b"half")
    house.clock.now += timedelta(days=settings.export_days + 1)
    await run_nightly(house.archive, settings, now=house.clock.now)
    assert not work.exists()
    with pytest.raises(Refused, match="removed"):
        await write(house, settings, export)
    assert not list(settings.exports.iterdir())


async def test_a_removal_that_was_interrupted_is_finished_and_strangers_are_named(
    house: House, settings: Settings
) -> None:
    await house.seal()
    export = await ask_for(house, settings, Scope("all"))
    done = await write(house, settings, export)
    async with house.archive.database.write() as session:
        gone = update(Export).values(removed_at=house.clock.now, removed_why="expired")
        await session.execute(gone)
    stranger = settings.exports / f"{UUID(int=7)}.zip"
    stranger.write_bytes(b"PK")
    night = await run_nightly(house.archive, settings, now=house.clock.now)
    assert not done.path.exists()
    assert stranger.exists()
    assert [(fault.kind, fault.subject) for fault in night.faults] == [("copy", stranger.name)]


async def test_a_disposed_recording_is_gone_from_every_copy_of_ours(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    gone, kept = await house.seal(), await house.seal(started_at=house.clock.now - timedelta(minutes=5))
    settings = replace(settings, export_days=366)
    house.clock.now += timedelta(days=700)
    ours = await ask_for(house, settings, Scope("all"))
    bag = await write(house, settings, ours)
    theirs = await ask_for(house, settings, Scope("all"), here=False)
    given = await write(house, settings, theirs, tmp_path / "given" / "bag")
    paper = tmp_path / "paper.txt"
    paper.write_text("已收到。签字：测试接收人")
    new = NewReceipt(given.tag_manifest, "甲方", house.clock.now, paper)
    receipt = await record_receipt(house.archive, new, by="anna", retain_until=house.clock.now + timedelta(days=2000))
    assert len(copies_of(gone, settings.exports, tmp_path / "kept", tmp_path / "given")) == 3
    result = await dispose(house, settings, gone)
    assert result == Executed((gone.id,), ())
    assert not bag.path.exists()
    assert not copies_of(gone, settings.data_dir, tmp_path / "kept")
    assert len(copies_of(gone, tmp_path / "given")) == 1, "what is in other hands is theirs"
    [first, second] = (await certificate(house, gone))["copies"]
    assert (first["export"], first["kept_by_us"], first["removed"]) == (str(ours), True, "disposal")
    assert first["tag_manifest_sha256"] == bag.tag_manifest
    assert (second["export"], second["kept_by_us"], second["removed"]) == (str(theirs), False, None)
    assert second["receipts"] == [f"{receipt.id} signed"]
    assert "甲方" not in json.dumps(first | second, ensure_ascii=False)
    [removed] = await ledger(house, "export removed")
    assert (removed["subject"], removed["facts"]["why"]) == (str(ours), "disposal")
    # What may still be handed over is asked for anew.
    again = await ask_for(house, settings, Scope("all"))
    assert verify((await write(house, settings, again)).path, KEY.verifier)[0] == 0
    assert (await house.recording(kept.id)).life == KEPT


async def test_without_our_directory_nothing_is_certified(house: House, settings: Settings) -> None:
    recording = await house.seal()
    settings = replace(settings, export_days=366)
    house.clock.now += timedelta(days=700)
    bag = await write(house, settings, await ask_for(house, settings, Scope("all")))
    settings.exports.rename(settings.exports.with_name("not mounted"))
    result = await dispose(house, settings, recording)
    assert not result.disposed
    [(_, error)] = result.refused
    assert "directory of exports" in str(error)
    assert (await house.recording(recording.id)).life == DISPOSING
    settings.exports.with_name("not mounted").rename(settings.exports)
    assert (await execute_confirmed(house.archive, settings, now=house.clock.now)).disposed == (recording.id,)
    assert not bag.path.exists()
    assert (await house.recording(recording.id)).life == DISPOSED


async def test_a_disposal_interrupted_after_the_strike_finds_the_files_again(house: House, settings: Settings) -> None:
    recording = await house.seal()
    settings = replace(settings, export_days=366)
    house.clock.now += timedelta(days=700)
    export = await ask_for(house, settings, Scope("all"))
    bag = await write(house, settings, export)
    settings.exports.rename(settings.exports.with_name("not mounted"))
    await dispose(house, settings, recording)
    settings.exports.with_name("not mounted").rename(settings.exports)
    row = await exported(house, export)
    assert (row.removed_why, bag.path.exists()) == ("disposal", True)
    # A receipt that comes in between changes nothing in what was written down.
    new = NewReceipt(bag.tag_manifest, "甲方", house.clock.now)
    await record_receipt(house.archive, new, by="anna", retain_until=house.clock.now + timedelta(days=2000))
    await execute_confirmed(house.archive, settings, now=house.clock.now)
    [copy] = (await certificate(house, recording))["copies"]
    assert (copy["removed"], copy["receipts"]) == ("disposal", [])
    assert not bag.path.exists()
    assert len(await ledger(house, "export removed")) == 1
    assert not await recall_copies(house.archive, [], house.clock.now)


async def test_an_export_that_is_being_written_stops_and_leaves_nothing(house: House, settings: Settings) -> None:
    """The disposal waits for the writer; the writer stops by itself."""
    recording = await house.seal()
    settings = replace(settings, export_days=366)
    house.clock.now += timedelta(days=700)
    export = await ask_for(house, settings, Scope("all"))
    work = working_directory(bag_file(settings, export))
    work.mkdir(parents=True)
    with alone(work):
        result = await dispose(house, settings, recording)
        assert "still writes" in str(result.refused[0][1])
    with pytest.raises(Refused, match="removed"):
        await write(house, settings, export)
    assert not list(settings.exports.iterdir())
    assert (await execute_confirmed(house.archive, settings, now=house.clock.now)).disposed == (recording.id,)


async def test_an_unfinished_export_of_the_command_line_is_never_finished(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    recording = await house.seal()
    house.clock.now += timedelta(days=700)
    export = await ask_for(house, settings, Scope("all"), here=False)
    await dispose(house, settings, recording)
    with pytest.raises(Refused, match="removed"):
        await write(house, settings, export, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()
    assert not working_directory(tmp_path / "bag").exists()
    [copy] = (await certificate(house, recording))["copies"]
    assert (copy["finished"], copy["kept_by_us"]) == (False, False)


async def test_a_recording_whose_deletion_has_begun_is_not_copied(house: House, settings: Settings) -> None:
    recording = await house.seal()
    export = await ask_for(house, settings, Scope("all"))
    async with house.archive.database.write() as session:
        await session.execute(update(Recording).where(Recording.id == recording.id).values(life=DISPOSING))
    with pytest.raises(Refused, match="disposed of"):
        await write(house, settings, export)
    assert not list(settings.exports.iterdir())


async def test_a_deletion_that_begins_while_the_bag_is_written(house: House, settings: Settings) -> None:
    """Between the last copy and the finish: the bag that is already in its place goes again."""
    recording = await house.seal()
    export = await ask_for(house, settings, Scope("all"))
    begun = asyncio.Event()

    async def begin() -> None:
        async with house.archive.database.write() as session:
            await session.execute(update(Recording).where(Recording.id == recording.id).values(life=DISPOSING))
        begun.set()

    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(Refused, match="disposed of"):
        await run_export(
            house.archive,
            settings,
            export,
            bag_file(settings, export),
            key=KEY,
            retain_until=utc_now() + timedelta(days=2000),
            on_progress=lambda _: tasks.append(asyncio.create_task(begin())),
        )
    await begun.wait()
    assert not list(settings.exports.iterdir())
    assert (await exported(house, export)).state == "writing"


async def test_a_certificate_of_disposal_goes_with_its_day_and_its_order(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    gone, kept = await house.seal(work_order="G-1"), await house.seal(work_order="G-1")
    day = str(gone.started_at.astimezone(settings.timezone).date())
    assert (await dispose(house, settings, gone)).disposed == (gone.id,)
    today = await house.seal()
    now = str(today.started_at.astimezone(settings.timezone).date())
    wanted = f"{gone.id}.json"
    for number, words in enumerate((["period", day, day], ["order", "G-1"], ["all"], ["period", now, now])):
        export = await ask_for(house, settings, Scope.parse(words), here=False)
        done = await write(house, settings, export, tmp_path / f"bag{number}")
        found = [path.name for path in (done.path / "data/certificates").rglob("*.json")]
        assert found == ([] if words[-1] == now else [wanted]), words
        handed = {path.parent.name for path in done.path.rglob("audio.flac")}
        assert (str(kept.id) in handed, str(gone.id) in handed) == (words[-1] != now, False)
        assert verify(done.path, KEY.verifier)[0] == 0
