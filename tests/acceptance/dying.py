"""A process that is killed (SIGKILL) after each of its steps in turn, and another that finishes: run by a test.

``python -m tests.acceptance.dying WORK DIRECTORY`` prepares a house once, copies it for every step, lets a child do the
work and die after that step, lets another child do it again, and prints what was left, a JSON line for each step.  The
children are forked before anything else runs, so that hundreds cost no start of Python.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording, StoredObject, TurnRow
from archive.house import Archive
from archive.local import Coming, LocalStore
from archive.store import Version
from core.database import Database
from core.jobs import JobRow
from core.ledger import LedgerRow, check
from retention.batches import approve_batch, confirm_batch, list_batch
from retention.disposal import Disposal
from retention.execution import execute_confirmed
from retention.holds import HoldCase, ask_release, confirm_release, place
from retention.membership import settle_holds
from retention.scope import Scope
from service import worker
from service.pipeline import Context
from tests.acceptance.dying_rebuild import build_again, lose_database, rebuilt
from tests.integration.kept import NOON, SETTINGS, House, MovableClock
from tests.tables import create_all
from transcription.engine import Transcriber
from workorders.linking import link_by_person

LATER = NOON + timedelta(days=800)
Work = Callable[[Archive], Awaitable[None]]


class Fate:
    """Dies after step ``last``; 0 lives."""

    def __init__(self, last: int, note: Path) -> None:
        self.last, self.note, self.count = last, note, 0
        self._one = threading.Lock()

    def step(self, name: str) -> None:
        with self._one:
            self.count += 1
            if self.count == self.last:
                self.note.write_text(name)
                os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(LocalStore):
    """Each change is a step."""

    def __init__(self, root: Path, clock: MovableClock, fate: Fate) -> None:
        super().__init__(root, clock=clock)
        self._fate = fate

    async def hold(self, key: str, version_id: str, on: bool) -> Version:
        version = await super().hold(key, version_id, on)
        self._fate.step(f"hold {on} {key.rpartition('/')[2]}")
        return version

    def _appear(self, coming: Coming) -> None:
        """Of several that are put at once, each."""
        super()._appear(coming)
        self._fate.step(f"put {coming.version.key.rpartition('/')[2]}")

    def _bury(self, place: Path, key: str, now: datetime, mark: datetime) -> None:
        """Every deletion, also of several at once: its bytes are still in the trash then."""
        super()._bury(place, key, now, mark)
        self._fate.step(f"delete {key.rpartition('/')[2]}")


class MortalDatabase(Database):
    """Each transaction is two steps: before its commit and after."""

    def __init__(self, url: str, fate: Fate) -> None:
        super().__init__(url)
        self._fate = fate

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        async with super().write() as session:
            yield session
            await session.flush()
            self._fate.step("before commit")
        self._fate.step("after commit")


async def _with(directory: Path, at: datetime, fate: Fate, work: Work) -> None:
    clock = MovableClock(at)
    store = MortalStore(directory / "kept", clock, fate)
    database = MortalDatabase(f"sqlite+aiosqlite:///{directory}/huiyin.db", fate)
    try:
        await work(Archive(database, store, clock))
    finally:
        await store.close()
        await database.close()


async def prepare(archive: Archive) -> None:
    """Two recordings, of which one has text and a link."""
    await archive.store.prepare()
    async with archive.database.engine.connect() as connection:
        await connection.run_sync(create_all)
        await connection.commit()
    assert isinstance(archive.clock, MovableClock)
    house = House(archive, archive.clock, Path(sys.argv[2]))
    await house.order("G-1")
    recording = await house.seal()
    await link_by_person(archive, recording.id, "G-1", by="li")
    await house.seal(text=False)


async def prepare_disposal(archive: Archive) -> None:
    """A confirmed batch."""
    batch = await list_batch(archive, SETTINGS, now=archive.clock())
    assert batch
    async with archive.database.write() as session:
        await approve_batch(session, batch.id, by="anna", now=archive.clock())
        await confirm_batch(session, batch.id, by="bo", now=archive.clock())


async def prepare_hold(archive: Archive) -> None:
    """A case that nothing has joined yet."""
    scope = Scope(persons=("13800000000",))
    await place(archive, SETTINGS, name="甲", reason="乙", scope=scope, by="anna")


async def prepare_release(archive: Archive) -> None:
    """A case whose release was asked for."""
    await prepare_hold(archive)
    await work_jobs(archive)
    async with archive.database.read() as session:
        case = (await session.scalars(select(HoldCase))).one()
    await ask_release(archive, SETTINGS, case.id, by="anna", reason="丙")


async def dispose(archive: Archive) -> None:
    done = await execute_confirmed(archive, SETTINGS, now=archive.clock())
    assert not done.refused, done.refused


async def work_jobs(archive: Archive) -> None:
    """A worker that comes once the lease of a dead one is over."""

    def none() -> Transcriber:
        raise AssertionError("no speech engine is needed")

    assert isinstance(archive.clock, MovableClock)
    async with archive.database.read() as session:
        lease = await session.scalar(select(func.max(JobRow.lease_until)))
    archive.clock.now = max(archive.clock.now, (lease or LATER) + timedelta(seconds=1))
    await worker.run(Context(archive, SETTINGS, none), lambda: False, until_idle=True)


async def release(archive: Archive) -> None:
    async with archive.database.read() as session:
        case = (await session.scalars(select(HoldCase))).one()
    if case.state == "asked":
        await confirm_release(archive, SETTINGS, case.id, by="bo")
    await work_jobs(archive)


async def prepare_rebuild(archive: Archive) -> None:
    """Tombstones, a text, links, holds that stand and that are over, a signed head: and then the database is lost."""
    await prepare_disposal(archive)
    await dispose(archive)
    assert isinstance(archive.clock, MovableClock)
    house = House(archive, archive.clock, Path(sys.argv[2]))
    linked, other = await house.seal(), await house.seal(text=False)
    await link_by_person(archive, linked.id, "G-1", by="li")
    await prepare_hold(archive)
    both = Scope(recordings=(other.id, linked.id))
    over = await place(archive, SETTINGS, name="已结", reason="丁", scope=both, by="anna")
    await settle_holds(archive, SETTINGS)
    await ask_release(archive, SETTINGS, over.id, by="anna", reason="丙")
    await confirm_release(archive, SETTINGS, over.id, by="bo")
    await settle_holds(archive, SETTINGS)
    await lose_database(archive)


WORKS: dict[str, tuple[Work, Work]] = {
    "rebuild": (prepare_rebuild, build_again),
    "dispose": (prepare_disposal, dispose),
    "hold": (prepare_hold, work_jobs),
    "release": (prepare_release, release),
}


async def _state(archive: Archive) -> dict[str, Any]:
    if sys.argv[1] == "rebuild":
        return await rebuilt(archive)
    assert isinstance(archive.store, LocalStore)
    async with archive.database.read() as session:
        objects = (await session.scalars(select(StoredObject).where(StoredObject.recording_id.is_not(None)))).all()
        versions = [
            await archive.store.head(one.key, one.version_id)
            async for one in archive.store.list_versions("recordings/")
        ]
        versions += [
            await archive.store.head(one.key, one.version_id)
            async for one in archive.store.list_versions("work-orders/")
        ]
        certificates = [one.key async for one in archive.store.list_versions("certificates/")]
        await check(session)
        return {
            "lives": sorted(await session.scalars(select(Recording.life))),
            "held": sorted(await session.scalars(select(Recording.held))),
            "disposals": sorted(await session.scalars(select(Disposal.state))),
            "objects": sorted(row.kind for row in objects),
            "turns": len((await session.scalars(select(TurnRow.id))).all()),
            "versions": len(versions),
            "held_versions": sum(version.held for version in versions),
            "certificates": len(certificates),
            "jobs": sorted(await session.scalars(select(JobRow.state))),
            # Bytes that a killed deletion left.
            "trash": len(list((archive.store.root / "trash").iterdir())),
            "ledger": sorted(
                await session.scalars(
                    select(LedgerRow.kind).where(LedgerRow.kind.in_(("held", "released", "disposed", "hold released")))
                )
            ),
        }


def _in_child(run: Callable[[], None]) -> int:
    """The wait status of a forked child that did it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitpid(child, 0)[1]


def main() -> None:
    """See above."""
    name, top = sys.argv[1], Path(sys.argv[2])
    before, work = WORKS[name]
    immortal = Fate(0, top / "note")
    base = top / "base"
    base.mkdir()
    assert _in_child(lambda: asyncio.run(_with(base, NOON, immortal, prepare))) == 0
    assert _in_child(lambda: asyncio.run(_with(base, LATER, immortal, before))) == 0
    step, killed = 0, True
    while killed:
        step += 1
        here, note = top / f"{step}", top / f"note-{step}"
        shutil.copytree(base, here)
        fate = Fate(step, note)
        status = _in_child(lambda: asyncio.run(_with(here, LATER, fate, work)))  # noqa: B023
        killed = os.WIFSIGNALED(status)
        assert killed or status == 0, status
        found = top / f"state-{step}"

        async def look(archive: Archive) -> None:
            found.write_text(json.dumps(await _state(archive)))  # noqa: B023

        for _ in range(2):
            assert _in_child(lambda: asyncio.run(_with(here, LATER, immortal, work))) == 0  # noqa: B023
        assert _in_child(lambda: asyncio.run(_with(here, LATER, immortal, look))) == 0  # noqa: B023
        died = note.read_text() if killed else ""
        print(json.dumps({"step": step, "died": died, **json.loads(found.read_text())}), flush=True)
        shutil.rmtree(here)


if __name__ == "__main__":
    main()
