"""The verifier where things go as they should: disposals, sealing meanwhile, the command."""

import asyncio
import hashlib
import sys
from datetime import timedelta
from pathlib import Path

from archive.connect import connect_store
from archive.house import Archive
from archive.seal import seal_recording
from archive.store import ObjectStore
from archive.verify import verify_recording
from core.clock import utc_now
from core.database import Database
from core.ids import new_id
from core.note import SigningKey
from retention.comparing import CHECKS
from retention.disposal import approve, confirm, propose
from retention.execution import execute
from retention.holds import ask_release, confirm_release, place
from retention.membership import settle_holds
from retention.scope import Scope
from service.verification import verify
from tests.integration.kept import NOON, SETTINGS, open_house
from tests.ports import free_port
from tests.samples import RETAIN_UNTIL, new_recording, write_audio
from tests.tampering import change_byte

KEY = SigningKey.generate("huiyin.example/ledger")
# Seconds that work under way may take on a machine that has much else to do; a look that agrees ends the wait.
SETTLE = 60


async def _faults(archive: Archive, settle: float = 0) -> list[str]:
    found = await verify(archive, [KEY.verifier], on_progress=lambda _: None, settle=settle)
    return [str(fault) for fault in found]


async def test_what_was_disposed_of_is_not_missed_and_what_is_left_of_it_is_named(
    database: Database, tmp_path: Path
) -> None:
    house = await open_house(database, tmp_path)
    recording = await house.seal()
    await house.seal()
    house.clock.now = now = NOON + timedelta(days=800)
    async with database.write() as session:
        row = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=now)
        await approve(session, row.id, by="bo", now=now)
        await confirm(session, row.id, by="cai", now=now)
    await execute(house.archive, SETTINGS, row.id, now=now)
    assert await _faults(house.archive) == []
    key, content = f"recordings/2026/11/22/{recording.id}/audio.flac", b"kept aside"
    put = await house.archive.store.put(
        key, content, sha256=hashlib.sha256(content).hexdigest(), lock_until=now + timedelta(days=1)
    )
    assert await _faults(house.archive) == [
        f"{key}: left over after disposal: expected nothing, found {put.version_id}"
    ]
    await house.archive.store.close()


async def test_sealing_meanwhile_is_no_fault(database: Database, any_store: ObjectStore, tmp_path: Path) -> None:
    archive = Archive(database, any_store, utc_now)
    audio = write_audio(tmp_path / "call.flac")
    for _ in range(5):
        await seal_recording(archive, new_recording(), audio, retain_until=RETAIN_UNTIL)

    async def work() -> None:
        for _ in range(20):
            await seal_recording(archive, new_recording(), audio, retain_until=RETAIN_UNTIL)

    working = asyncio.create_task(work())
    while not working.done():
        assert await _faults(archive, settle=SETTLE) == []
    await working


async def test_holding_and_letting_go_meanwhile_is_no_fault(
    database: Database, any_store: ObjectStore, tmp_path: Path
) -> None:
    archive = Archive(database, any_store, utc_now)
    audio = write_audio(tmp_path / "call.flac")
    rows = [await seal_recording(archive, new_recording(), audio, retain_until=RETAIN_UNTIL) for _ in range(6)]
    scope = Scope(recordings=tuple(row.id for row in rows))

    async def work() -> None:
        for turn in range(3):
            case = await place(archive, SETTINGS, name=f"第{turn}案", reason="投诉", scope=scope, by="anna")
            await settle_holds(archive, SETTINGS)
            await ask_release(archive, SETTINGS, case.id, by="anna", reason="结案")
            await confirm_release(archive, SETTINGS, case.id, by="bo")
            await settle_holds(archive, SETTINGS)

    working = asyncio.create_task(work())
    while not working.done():
        assert await _faults(archive, settle=SETTLE) == []
        assert await verify_recording(archive, rows[0].id, checks=CHECKS, settle=SETTLE) == []
    await working


async def test_the_command_ends_with_an_error_where_there_is_a_fault(tmp_path: Path) -> None:
    environment = {"HUIYIN_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HUIYIN_LOG_FORMAT": "text"}

    async def run(*arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service", *arguments, env=environment, stdout=-1, stderr=-2
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    assert (await run("migrate"))[0] == 0
    store = connect_store(f"file://{tmp_path / 'store'}")
    await store.prepare()
    archive = Archive(Database(f"sqlite+aiosqlite:///{tmp_path / 'huiyin.db'}"), store, utc_now)
    recording = await seal_recording(
        archive, new_recording(), write_audio(tmp_path / "a.flac"), retain_until=RETAIN_UNTIL
    )
    await archive.database.close()
    await store.close()
    for chosen in (["--all"], ["--recording", str(recording.id)], ["--sample", "5"]):
        code, said = await run("verify", *chosen)
        assert (code, "异常 faults: 0" in said, "与封存时一致" in said) == (0, True, True), said
    before, after = change_byte(next((tmp_path / "store").rglob("audio.flac/@*/data")))
    code, said = await run("verify")
    assert code == 1
    assert f"audio.flac：内容被改动 altered；应为 expected {before}，实为 found {after}" in said
    assert "请保持现状" in said
    assert (await run("verify", "--recording", str(new_id())))[0] == 1
    assert (await run("verify", "--all", "--sample", "3"))[0] == 2
    environment["HUIYIN_STORE_URL"] = f"s3://key:secret@127.0.0.1:{free_port()}/evidence?secure=false"
    code, said = await run("verify", "--sample", "1")
    assert (code, "校验没有完成 verification was not finished" in said) == (3, True), said
