"""``huiyin verify``: every recording's objects against store and catalogue, then the ledger."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from archive.catalogue import KEPT, Recording
from archive.house import Archive
from archive.verify import verify_recording
from core import ledger
from core.errors import Damaged

PROGRESS_EVERY = 100


async def verify(archive: Archive, recording_id: UUID | None, *, on_progress: Callable[[str], None]) -> list[str]:
    """Every fault as a line that names the object, what was expected and what was found; empty when all is well."""
    async with archive.database.read() as session:
        chosen = select(Recording.id).where(Recording.life == KEPT).order_by(Recording.id)
        if recording_id is not None:
            chosen = chosen.where(Recording.id == recording_id)
        identifiers = list(await session.scalars(chosen))
    if recording_id is not None and not identifiers:
        on_progress(f"没有这份录音 no such recording: {recording_id}")
        return [f"no such recording: {recording_id}"]
    faults: list[str] = []
    for count, identifier in enumerate(identifiers, 1):
        for fault in await verify_recording(archive, identifier):
            faults.append(f"{identifier}: {fault}")
            on_progress(f"异常 fault: {faults[-1]}")
        if count % PROGRESS_EVERY == 0:
            on_progress(f"已校验 verified {count}/{len(identifiers)}")
    faults += await _ledger_faults(archive, on_progress)
    on_progress(f"录音 recordings: {len(identifiers)}; 异常 faults: {len(faults)}")
    return faults


async def _ledger_faults(archive: Archive, on_progress: Callable[[str], None]) -> list[str]:
    try:
        async with archive.database.read() as session:
            tree = await ledger.check(session)
    except Damaged as error:
        on_progress(f"异常 fault: {error}")
        return [str(error)]
    on_progress(f"账本 ledger: {tree.size} 条 rows, 树头 head {tree.root.hex()[:16]}…")
    return []
