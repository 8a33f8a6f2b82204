"""Signed heads: what a rewritten, cut or older database and a changed store look like to somebody with the key."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from archive.catalogue import StoredObject
from archive.evidence import check_proof, recording_proof
from archive.faults import Fault
from archive.heads import SignedHead, sign_head
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key, ledger_key
from archive.seal import seal_recording
from archive.trust import verify_heads
from core.clock import utc_now
from core.errors import SettingsError
from core.ids import new_id
from core.ledger import Entry, LedgerHead, LedgerNode, LedgerRow, append, check
from core.merkle import Frontier, leaf_hash
from core.note import SigningKey
from core.settings import Settings, load
from tests.web import STARTED, new_recording, serving, tones

KEY = SigningKey.generate("huiyin.example/ledger")


async def _note(archive: Archive, count: int = 1) -> None:
    async with archive.database.write() as session:
        for number in range(count):
            await append(session, Entry("read", "tester", "thing", {"number": number}), archive.clock())


async def _sign(archive: Archive, key: SigningKey = KEY) -> SignedHead:
    return await sign_head(archive, key, retain_until=utc_now() + timedelta(days=1))


async def _faults(archive: Archive, key: SigningKey = KEY) -> list[Fault]:
    return [fault async for fault in verify_heads(archive, [key.verifier])]


async def _seal(archive: Archive, directory: Path) -> UUID:
    recording = new_recording(STARTED)
    until = utc_now() + timedelta(days=1)
    return (await seal_recording(archive, recording, tones(directory / "a.flac", 1), retain_until=until)).id


async def test_heads_are_signed_over_all_rows_and_once(archive: Archive) -> None:
    await _note(archive, 3)
    first = await _sign(archive)
    assert first.checkpoint.size >= 3
    assert (await _sign(archive)).checkpoint == first.checkpoint
    await _note(archive)
    second = await _sign(archive)
    assert second.checkpoint.size > first.checkpoint.size
    assert await _faults(archive) == []
    # The leaves in the store are those of the database, in order and without a gap.
    kept = ""
    async with archive.database.read() as session:
        objects = await session.scalars(
            select(StoredObject).where(StoredObject.kind == "leaves").order_by(StoredObject.key)
        )
        for stored in objects:
            kept += b"".join([chunk async for chunk in archive.store.read(stored.key, stored.version_id)]).decode()
        rows = list(await session.scalars(select(LedgerRow.leaf).order_by(LedgerRow.seq)))
    assert kept.splitlines() == rows[: second.checkpoint.size]


async def _rewrite(archive: Archive, change: dict[int, str]) -> None:
    """What somebody with the whole database can do: change leaves and compute everything behind them anew."""
    async with archive.database.write() as session:
        rows = list(await session.scalars(select(LedgerRow).order_by(LedgerRow.seq)))
        tree = Frontier()
        for row in rows:
            row.leaf = change.get(row.seq, row.leaf)
            row.actor = json.loads(row.leaf)["actor"]
            tree = tree.append(leaf_hash(row.leaf.encode()))
            row.root = tree.root
        await session.execute(update(LedgerHead).values(size=tree.size, frontier=bytes(tree)))


async def test_a_consistent_rewrite_is_found(archive: Archive) -> None:
    await _note(archive, 2)
    signed = await _sign(archive)
    async with archive.database.read() as session:
        leaf = (await session.scalars(select(LedgerRow.leaf).where(LedgerRow.seq == 1))).one()
    await _rewrite(archive, {1: leaf.replace('"tester"', '"nobody"')})
    async with archive.database.read() as session:
        await check(session)
    (fault,) = await _faults(archive)
    assert (fault.subject, fault.kind) == (signed.stored.key, "the ledger was rewritten")


async def test_a_database_of_yesterday_is_found(archive: Archive) -> None:
    await _note(archive, 2)
    await _sign(archive)
    async with archive.database.read() as session:
        yesterday = await session.get(LedgerHead, 1)
        assert yesterday is not None
        size, frontier = yesterday.size, yesterday.frontier
    await _note(archive, 4)
    signed = await _sign(archive)
    async with archive.database.write() as session:
        # As a restored copy would have it: neither the later rows nor the later objects.
        await session.execute(delete(LedgerRow).where(LedgerRow.seq >= size))
        await session.execute(delete(LedgerNode))
        await session.execute(update(LedgerHead).values(size=size, frontier=frontier))
        await session.execute(delete(StoredObject).where(StoredObject.key == signed.stored.key))
    (fault,) = await _faults(archive)
    assert (fault.subject, fault.kind) == (signed.stored.key, "the ledger is shorter than its signed head")


async def test_another_signing_key_is_named(archive: Archive) -> None:
    await _note(archive)
    other = SigningKey.generate(KEY.name)
    await _sign(archive, other)
    (fault,) = await _faults(archive)
    assert fault.kind == "signed by an unknown key"
    assert fault.found == f"{other.name}+{other.verifier.number.hex()}"
    assert fault.expected == f"{KEY.name}+{KEY.verifier.number.hex()}"


async def test_a_missing_head_is_named(archive: Archive) -> None:
    await _note(archive)
    await _sign(archive)
    async with archive.database.write() as session:
        await session.execute(
            update(StoredObject).where(StoredObject.kind == "head").values(key="ledger/heads/000000000000099.txt")
        )
    (fault,) = await _faults(archive)
    assert (fault.subject, fault.found) == ("ledger/heads/000000000000099.txt", "none")


async def test_a_recordings_proof_needs_no_database(archive: Archive, tmp_path: Path) -> None:
    recording = await _seal(archive, tmp_path)
    await _note(archive, 5)
    proof = json.loads(
        json.dumps(await recording_proof(archive, recording, KEY, retain_until=utc_now() + timedelta(1)))
    )
    checkpoint = check_proof(proof, KEY.verifier)
    assert checkpoint.size >= 6
    said = [json.loads(entry["leaf"])["kind"] for entry in proof["entries"]]
    assert said == ["sealed"]
    for name, value in (
        ("leaf", proof["entries"][0]["leaf"].replace("sealed", "leased")),
        ("index", 1),
        ("path", [base64.b64encode(bytes(32)).decode(), *proof["entries"][0]["path"][1:]]),
    ):
        broken = {**proof, "entries": [{**proof["entries"][0], name: value}]}
        with pytest.raises(ValueError, match="not in the signed log"):
            check_proof(broken, KEY.verifier)
    with pytest.raises(ValueError, match="unknown key"):
        check_proof(proof, SigningKey.generate(KEY.name).verifier)


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    settings = load({"HUIYIN_DATA_DIR": str(tmp_path), "HUIYIN_LEDGER_NAME": "hotline.example/ledger"})
    with pytest.raises(SettingsError, match="huiyin migrate"):
        ledger_key(settings)
    key = ensure_ledger_key(settings)
    assert (key.name, ensure_ledger_key(settings), ledger_key(settings)) == ("hotline.example/ledger", key, key)
    assert settings.ledger_key.stat().st_mode & 0o777 == 0o600
    settings.ledger_key.write_text("broken")
    with pytest.raises(SettingsError, match="HUIYIN_LEDGER_KEY_FILE"):
        ledger_key(settings)


async def test_an_auditor_gets_the_proof_over_http(archive: Archive, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    key = ensure_ledger_key(settings)
    async with serving(archive, tmp_path, settings) as web:
        address = f"/api/v1/recordings/{web.seeded.full}/proof"
        assert (await web.client().get(address, headers=await web.bearer("agent"))).status == 403
        headers = await web.bearer("auditor")
        assert (await web.client().get("/api/v1/ledger/head", headers=headers)).status == 404
        proof = await (await web.client().get(address, headers=headers)).json()
        checkpoint = check_proof(proof, key.verifier)
        head = await (await web.client().get("/api/v1/ledger/head", headers=headers)).text()
        assert str(checkpoint) in head
        assert {json.loads(entry["leaf"])["subject"] for entry in proof["entries"]} == {str(web.seeded.full)}
        missing = await web.client().get(f"/api/v1/recordings/{new_id()}/proof", headers=headers)
        assert missing.status == 404
