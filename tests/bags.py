"""A handover bag of a seeded house, and what somebody who wants to deceive does to one."""

import asyncio
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.note import SigningKey
from core.settings import Settings, load
from reporting.daily import issue_daily
from retention.disposal import approve, confirm, propose
from retention.execution import execute
from retention.handover.asking import ask
from retention.handover.bag import ALGORITHMS, write_tag_manifests
from retention.handover.export import run_export
from retention.handover.finishing import Finished
from retention.handover.scope import Scope
from tests.integration.kept import House, MovableClock
from tests.tables import create_all
from tests.web import CITIZEN, ORDER, STARTED, Seeded, seed
from workorders.exports import import_export

SETTINGS: Settings = load({"HUIYIN_ORGANISATION": "测试回访项目组"})
UNTIL = timedelta(days=800)


@dataclass(frozen=True)
class Made:
    """A finished bag and who signed it."""

    bag: Path
    key: SigningKey
    seeded: Seeded

    def copy(self, target: Path) -> Path:
        shutil.copytree(self.bag, target)
        return target


def make_bag(directory: Path) -> Made:
    """Seed a house on SQLite and the local store, and hand all of it over."""
    return asyncio.run(_make(directory))


async def _make(directory: Path) -> Made:
    database = Database(f"sqlite+aiosqlite:///{directory / 'huiyin.db'}")
    async with database.engine.connect() as connection:
        await connection.run_sync(create_all)
        await connection.commit()
    clock = MovableClock(utc_now() - UNTIL)
    store = connect_store(f"file://{directory / 'store'}", clock=clock)
    await store.prepare()
    archive = Archive(database, store, clock)
    gone = await House(archive, clock, directory).seal()
    clock.now = utc_now()
    seeded, key = await seed(archive, directory), SigningKey.generate("test.example/ledger")
    await add_papers(archive, directory, gone.id)
    await hand_over(archive, key, directory / "first", Scope("order", name="GD20261118-0001"))
    finished = await hand_over(archive, key, directory / "bag", Scope("all"))
    await store.close()
    await database.close()
    return Made(finished.path, key, seeded)


async def add_papers(archive: Archive, directory: Path, gone: UUID | None = None) -> None:
    """An imported file, an issued report and, of a recording whose time has come, a certificate of disposal."""
    source = directory / "导出.csv"
    header = "工单编号,标题,来电人,来电人电话,创建时间,办结时间"
    said = f"{ORDER},路灯不亮,王样本,{CITIZEN},2026-11-18 09:00:00,2026-11-19 17:00:00"
    source.write_text(f"{header}\n{said}\n", encoding="utf-8-sig")
    until = utc_now() + UNTIL
    await import_export(archive, source, by="li", timezone=SETTINGS.timezone, retain_until=until)
    await issue_daily(archive, SETTINGS, STARTED.date(), by="li", retain_until=until)
    if gone is not None:
        now = archive.clock()
        async with archive.database.write() as session:
            row = await propose(session, SETTINGS, gone, by="anna", reason="保存期满", now=now)
            await approve(session, row.id, by="bo", now=now)
            await confirm(session, row.id, by="cai", now=now)
        await execute(archive, SETTINGS, row.id, now=now)


async def hand_over(archive: Archive, key: SigningKey, target: Path, scope: Scope) -> Finished:
    """An export from asking to the finished bag."""
    async with archive.database.write() as session:
        export = await ask(session, archive, SETTINGS, scope, purpose="合同期满移交", by="auditor")
    return await run_export(archive, SETTINGS, export.id, target, key=key, retain_until=utc_now() + UNTIL)


def verify(bag: Path, key: object = None) -> tuple[int, str]:
    """The verifier that lies in our sources, as its own process."""
    program = Path(__file__).parent.parent / "retention" / "handover" / "verify_handover.py"
    command = [sys.executable, "-I", str(program), *(["--key", str(key)] if key else []), str(bag)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def seal_again(bag: Path, key: SigningKey) -> None:
    """Make manifests, totals, signature and tag manifests fit whatever the payload is now."""
    files = sorted(path for path in (bag / "data").rglob("*") if path.is_file())
    for algorithm in ALGORITHMS:
        lines = (
            f"{hashlib.new(algorithm, path.read_bytes()).hexdigest()}  {path.relative_to(bag)}\n" for path in files
        )
        (bag / f"manifest-{algorithm}.txt").write_text("".join(lines))
    info = (bag / "bag-info.txt").read_text().splitlines()
    oxum = f"Payload-Oxum: {sum(path.stat().st_size for path in files)}.{len(files)}"
    (bag / "bag-info.txt").write_text("\n".join([line for line in info if "Oxum" not in line] + [oxum]) + "\n")
    note = (bag / "handover.note").read_text()
    head = note.splitlines()[:3]
    signed = sorted(
        path.name for path in bag.iterdir() if path.is_file() and not path.name.startswith(("tagmanifest", "handover"))
    )
    lines = (f"sha256 {hashlib.sha256((bag / name).read_bytes()).hexdigest()} {name}" for name in signed)
    (bag / "handover.note").write_text(key.sign("\n".join([*head, *lines]) + "\n"))
    write_tag_manifests(bag)
