"""What an attacker with the database, the store's files or the signing key can do, and what the verifier says of it.

Everything is really changed: rows, files, whole copies of yesterday.  Each test names the fault that must be found.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from archive.catalogue import Recording, StoredObject, TurnRow
from archive.connect import connect_store
from archive.heads import sign_head
from archive.house import Archive
from archive.seal import seal_object, seal_recording, seal_transcript
from core.clock import utc_now
from core.database import Database
from core.errors import Damaged
from core.ledger import Entry, LedgerHead, LedgerNode, LedgerRow, append
from core.merkle import Frontier, leaf_hash
from core.note import SigningKey, VerifierKey
from service.verification import verify
from tests.samples import RETAIN_UNTIL, STARTED_AT, new_recording, new_turns, write_audio
from tests.web import order
from workorders.linking import link_by_person

KEY = SigningKey.generate("huiyin.example/ledger")
ORDER = "GD20261120-0001"
DAY = timedelta(days=1)


@dataclass
class House:
    """Two recordings with text, one of them linked, a report, and a signed head over all of it."""

    archive: Archive
    directory: Path
    database_file: Path
    first: UUID
    second: UUID

    async def faults(self, *keys: VerifierKey) -> list[str]:
        return await verify(self.archive, keys or (KEY.verifier,), on_progress=lambda _: None, settle=0)

    async def seal(self) -> UUID:
        return await _seal(self.archive, self.directory)

    async def sign(self, key: SigningKey = KEY) -> None:
        await sign_head(self.archive, key, retain_until=RETAIN_UNTIL)

    def place(self, recording: UUID, name: str) -> Path:
        return next((self.directory / "store").rglob(f"{recording}/{name}/@*"))

    def key(self, recording: UUID, name: str) -> str:
        return f"recordings/{STARTED_AT:%Y/%m/%d}/{recording}/{name}"


async def _seal(archive: Archive, directory: Path) -> UUID:
    recording = new_recording()
    audio = write_audio(directory / "call.flac", hertz=200 + recording.id.int % 1500)
    await seal_recording(archive, recording, audio, retain_until=RETAIN_UNTIL)
    await seal_transcript(
        archive, recording.id, {}, new_turns(), author="s", reason="", retain_until=RETAIN_UNTIL, expected_version=0
    )
    return recording.id


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    archive = Archive(sqlite_database, store, utc_now)
    first, second = await _seal(archive, tmp_path), await _seal(archive, tmp_path)
    async with archive.database.write() as session:
        session.add(order(ORDER))
    await link_by_person(archive, first, ORDER, by="agent")
    entry = Entry("reported", "system", "report-1", {})
    report = b"<p>report</p>"
    await seal_object(
        archive, key="reports/1.html", kind="report", content=report, retain_until=RETAIN_UNTIL, entry=entry
    )
    await sign_head(archive, KEY, retain_until=RETAIN_UNTIL)
    yield House(archive, tmp_path, tmp_path / "huiyin.db", first, second)
    await archive.store.close()


def change_byte(path: Path) -> tuple[str, str]:
    """Flip one bit in the middle; the hashes before and after."""
    content = bytearray(path.read_bytes())
    before = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    return before, hashlib.sha256(content).hexdigest()


def change_lock(path: Path, **facts: object) -> None:
    lock = path / "lock.json"
    lock.chmod(0o644)
    lock.write_text(json.dumps({**json.loads(lock.read_text()), **facts}))


async def test_what_nobody_touched_has_no_fault(house: House) -> None:
    assert await house.faults() == []


@pytest.mark.parametrize("name", ["audio.flac", "metadata.json", "transcript.v1.json"])
async def test_one_changed_bit_of_a_recording_is_named(house: House, name: str) -> None:
    before, after = change_byte(house.place(house.first, name) / "data")
    assert await house.faults() == [f"{house.key(house.first, name)}: altered: expected {before}, found {after}"]


@pytest.mark.parametrize("prefix", ["work-orders", "reports"])
async def test_one_changed_bit_of_a_link_or_report_is_named(house: House, prefix: str) -> None:
    place = next((house.directory / "store" / "objects" / prefix).rglob("@*"))
    before, after = change_byte(place / "data")
    (fault,) = await house.faults()
    assert fault.startswith(f"{prefix}/")
    assert fault.endswith(f": altered: expected {before}, found {after}")


async def test_audio_cut_short_is_named_and_hides_nothing_else(house: House) -> None:
    data = house.place(house.first, "audio.flac") / "data"
    data.chmod(0o644)
    data.write_bytes(data.read_bytes()[:-1])
    change_byte(house.place(house.second, "metadata.json") / "data")
    assert sorted(fault.partition(": expected")[0] for fault in await house.faults()) == sorted(
        [f"{house.key(house.first, 'audio.flac')}: altered", f"{house.key(house.second, 'metadata.json')}: altered"]
    )


async def test_a_forged_recording_with_its_catalogue_contradicts_the_ledger(house: House) -> None:
    """Bytes, lock file and catalogue agree with one another again."""
    place = house.place(house.first, "audio.flac")
    before, after = change_byte(place / "data")
    change_lock(place, sha256=after)
    async with house.archive.database.write() as session:
        await session.execute(update(StoredObject).where(StoredObject.sha256 == before).values(sha256=after))
    key = house.key(house.first, "audio.flac")
    assert await house.faults() == [
        f"{key}: catalogue and ledger disagree: expected {before}, found {after}",
        f"{key}: altered: expected {before}, found {after}",
    ]


async def test_a_text_that_only_the_catalogue_shows_is_named(house: House) -> None:
    async with house.archive.database.write() as session:
        await session.execute(
            update(TurnRow).where(TurnRow.recording_id == house.first, TurnRow.ordinal == 1).values(text="没有解决。")
        )
    assert await house.faults() == [
        f"{house.key(house.first, 'transcript.v1.json')}: the catalogue's text is another: "
        "expected 3 turns as sealed, found turn 1 differs"
    ]


async def test_facts_that_only_the_catalogue_shows_are_named_without_their_values(house: House) -> None:
    async with house.archive.database.write() as session:
        row = await session.get_one(Recording, house.first)
        row.citizen_number, row.started_at = "13800000777", row.started_at + DAY
    (fault,) = await house.faults()
    assert fault == (
        f"{house.key(house.first, 'metadata.json')}: the catalogue says something else: "
        "expected the sealed values, found others in started_at, citizen_number"
    )


async def test_files_swapped_between_recordings_are_named(house: House) -> None:
    one, other = house.place(house.first, "audio.flac") / "data", house.place(house.second, "audio.flac") / "data"
    one.rename(one.with_name("aside"))
    other.rename(one)
    one.with_name("aside").rename(other)
    assert sorted(fault.partition(": expected")[0] for fault in await house.faults()) == sorted(
        f"{house.key(each, 'audio.flac')}: altered" for each in (house.first, house.second)
    )


async def test_versions_swapped_between_recordings_are_named(house: House) -> None:
    one, other = house.place(house.first, "audio.flac"), house.place(house.second, "audio.flac")
    one.rename(other.parent / one.name)
    other.rename(one.parent / other.name)
    found = sorted(fault.partition(": expected")[0] for fault in await house.faults())
    assert found == sorted(
        f"{house.key(each, 'audio.flac')}: {kind}"
        for each in (house.first, house.second)
        for kind in ("missing", "extra version")
    )


async def test_rows_swapped_between_recordings_are_named(house: House) -> None:
    async with house.archive.database.write() as session:
        rows = {
            row.recording_id: row
            for row in await session.scalars(select(StoredObject).where(StoredObject.kind == "audio"))
        }
        rows[house.first].recording_id, rows[house.second].recording_id = house.second, house.first
    assert sorted(await house.faults()) == sorted(
        f"{house.key(owner, 'audio.flac')}: belongs to another recording: expected {owner}, found {said}"
        for owner, said in ((house.first, house.second), (house.second, house.first))
    )


async def test_an_object_that_nobody_sealed_is_named(house: House) -> None:
    content = b"planted"
    version = await house.archive.store.put(
        "reports/2.html", content, sha256=hashlib.sha256(content).hexdigest(), lock_until=utc_now() + DAY
    )
    assert await house.faults() == [f"reports/2.html: extra version: expected nothing, found {version.version_id}"]


async def test_a_lock_that_was_shortened_or_removed_is_named(house: House) -> None:
    short = datetime(2027, 1, 1, tzinfo=UTC)
    change_lock(house.place(house.first, "audio.flac"), lock_until=short.isoformat())
    change_lock(house.place(house.second, "audio.flac"), lock_until=None)
    due = RETAIN_UNTIL.isoformat()
    assert sorted(await house.faults()) == sorted(
        [
            f"{house.key(house.first, 'audio.flac')}: lock too short: expected {due}, found {short.isoformat()}",
            f"{house.key(house.second, 'audio.flac')}: unlocked: expected {due}, found no lock",
        ]
    )


async def test_a_date_brought_forward_everywhere_but_in_the_ledger_is_named(house: House) -> None:
    short = datetime(2027, 1, 1, tzinfo=UTC)
    change_lock(house.place(house.first, "audio.flac"), lock_until=short.isoformat())
    async with house.archive.database.write() as session:
        await session.execute(update(Recording).where(Recording.id == house.first).values(retain_until=short))
        await session.execute(
            update(StoredObject).where(StoredObject.recording_id == house.first).values(lock_until=short)
        )
    found = await house.faults()
    due = RETAIN_UNTIL.isoformat()
    key = house.key(house.first, "audio.flac")
    assert f"{key}: lock too short: expected {due}, found {short.isoformat()}" in found
    assert f"{key}: kept for less than the ledger says: expected {due}, found {short.isoformat()}" in found


async def test_a_hold_lifted_behind_the_catalogue_is_named(house: House) -> None:
    async with house.archive.database.write() as session:
        for row in await session.scalars(select(StoredObject).where(StoredObject.recording_id == house.first)):
            await house.archive.store.hold(row.key, row.version_id, True)
        await session.execute(update(Recording).where(Recording.id == house.first).values(held=True))
    assert await house.faults() == []
    change_lock(house.place(house.first, "audio.flac"), held=False)
    assert await house.faults() == [
        f"{house.key(house.first, 'audio.flac')}: not held: expected a legal hold, found none"
    ]


async def test_a_recording_removed_from_catalogue_and_store_is_named(house: House) -> None:
    async with house.archive.database.write() as session:
        await session.execute(delete(TurnRow).where(TurnRow.recording_id == house.second))
        await session.execute(delete(StoredObject).where(StoredObject.recording_id == house.second))
        await session.execute(delete(Recording).where(Recording.id == house.second))
    shutil.rmtree(house.place(house.second, "audio.flac").parent.parent)
    found = await house.faults()
    assert [fault.partition(": expected")[0] for fault in found] == [
        f"{house.key(house.second, name)}: missing" for name in ("audio.flac", "metadata.json", "transcript.v1.json")
    ]
    assert all(fault.endswith("found nothing, neither in the store nor in the catalogue") for fault in found)


async def test_a_recording_marked_as_disposed_of_is_named(house: House) -> None:
    """A disposal that the ledger knows nothing of."""
    async with house.archive.database.write() as session:
        await session.execute(update(Recording).where(Recording.id == house.second).values(life="disposed"))
        await session.execute(delete(StoredObject).where(StoredObject.recording_id == house.second))
    assert {fault.partition(": expected")[0] for fault in await house.faults()} == {
        f"{house.key(house.second, name)}: not in the catalogue"
        for name in ("audio.flac", "metadata.json", "transcript.v1.json")
    }


async def _rewrite(archive: Archive, leaves: list[str]) -> None:
    """What somebody with the whole database can do: other leaves, and everything behind them computed anew."""
    async with archive.database.write() as session:
        for model in (LedgerRow, LedgerNode):
            await session.execute(delete(model))
        tree = Frontier()
        for seq, leaf in enumerate(leaves):
            said = {**json.loads(leaf), "seq": seq}
            leaf = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            tree = tree.append(leaf_hash(leaf.encode()))
            at = datetime.fromisoformat(said["at"])
            columns = {name: said[name] for name in ("seq", "kind", "actor", "subject")}
            session.add(LedgerRow(**columns, at=at, leaf=leaf, root=tree.root))
        await session.execute(update(LedgerHead).values(size=tree.size, frontier=bytes(tree)))


async def _leaves(archive: Archive) -> list[str]:
    async with archive.database.read() as session:
        return list(await session.scalars(select(LedgerRow.leaf).order_by(LedgerRow.seq)))


async def test_an_altered_ledger_row_is_named(house: House) -> None:
    async with house.archive.database.write() as session:
        row = await session.get_one(LedgerRow, 2)
        row.leaf = row.leaf.replace('"system"', '"nobody"')
    found = await house.faults()
    assert found[0].startswith("ledger row 2: a ledger row was altered: expected")
    assert any(fault.startswith("ledger row 2: another leaf than was sealed: expected") for fault in found)


async def test_a_ledger_rewritten_as_a_whole_is_named_by_head_and_row(house: House) -> None:
    leaves = await _leaves(house.archive)
    await _rewrite(house.archive, [leaf.replace('"agent"', '"nobody"') for leaf in leaves])
    changed = next(seq for seq, leaf in enumerate(leaves) if '"agent"' in leaf)
    found = [fault.partition(": expected")[0] for fault in await house.faults()]
    assert found[-1] == f"ledger row {changed}: another leaf than was sealed"
    assert found[0].startswith("ledger/heads/")
    assert found[0].endswith(": the ledger was rewritten")


async def test_a_reordered_ledger_is_named(house: House) -> None:
    leaves = await _leaves(house.archive)
    await _rewrite(house.archive, [leaves[1], leaves[0], *leaves[2:]])
    found = [fault.partition(": expected")[0] for fault in await house.faults()]
    assert any(fault.endswith(": the ledger was rewritten") for fault in found)
    assert "ledger row 0: another leaf than was sealed" in found


async def test_a_truncated_ledger_is_named(house: House) -> None:
    leaves = await _leaves(house.archive)
    await _rewrite(house.archive, leaves[:3])
    found = await house.faults()
    assert any(": the ledger is shorter than its signed head: expected" in fault for fault in found)
    assert any(fault.startswith("ledger row 3: missing: expected a leaf") for fault in found)
    assert any(
        fault.endswith("transcript.v1.json: not in the ledger: expected an entry, found none") for fault in found
    )


async def test_an_altered_head_is_named(house: House) -> None:
    place = next((house.directory / "store" / "objects" / "ledger" / "heads").rglob("@*"))
    text = (place / "data").read_text()
    (place / "data").chmod(0o644)
    root = text.splitlines()[2]
    (place / "data").write_text(text.replace(root, ("B" if root[0] == "A" else "A") + root[1:]))
    found = await house.faults()
    assert any(": the signature does not fit the text: expected" in fault for fault in found)
    assert any(fault.startswith("ledger/heads/") and ": altered: expected" in fault for fault in found)


async def test_a_replaced_signing_key_is_named(house: House) -> None:
    """The attacker's own key under the same name, with which he signs on; the auditor has pinned the right one."""
    other = SigningKey.generate(KEY.name)
    async with house.archive.database.write() as session:
        await append(session, Entry("read", "agent", str(house.first), {}), utc_now())
    await house.sign(other)
    found = await house.faults()
    name, right = (f"{key.name}+{key.verifier.number.hex()}" for key in (other, KEY))
    assert any(fault.endswith(f": signed by an unknown key: expected {right}, found {name}") for fault in found)
    assert any(fault.endswith(f": a key that is not trusted here: expected {right}, found {name}") for fault in found)
    assert await house.faults(KEY.verifier, other.verifier) == []


async def test_a_database_of_yesterday_is_named(house: House) -> None:
    """A real copy of its file, put back after another day's work."""
    await house.archive.database.close()
    copy = house.directory / "yesterday.db"
    with closing(sqlite3.connect(house.database_file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    today = await house.seal()
    await house.sign()
    await house.archive.database.close()
    for suffix in ("-wal", "-shm"):
        house.database_file.with_name(house.database_file.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(copy, house.database_file)
    found = await house.faults()
    for name in ("audio.flac", "metadata.json", "transcript.v1.json"):
        assert any(fault.startswith(f"{house.key(today, name)}: extra version: expected nothing") for fault in found)
    assert any(": the ledger is shorter than its signed head: expected" in fault for fault in found)
    await house.seal()
    with pytest.raises(Damaged, match="does not continue what was signed before"):
        await house.sign()


async def test_a_store_of_yesterday_is_named(house: House) -> None:
    store, copy = house.directory / "store", house.directory / "yesterday"
    shutil.copytree(store, copy)
    today = await house.seal()
    await house.sign()
    shutil.rmtree(store)
    copy.rename(store)
    found = [fault.partition(": expected")[0] for fault in await house.faults()]
    for name in ("audio.flac", "metadata.json", "transcript.v1.json"):
        assert f"{house.key(today, name)}: missing" in found
    assert sum(fault.startswith("ledger/heads/") and fault.endswith(": missing") for fault in found) >= 1
