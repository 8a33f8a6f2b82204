"""What a person decides about a file in quarantine: try it again, or remove it; both are in the ledger."""

import asyncio
import shutil
from pathlib import Path

from pydantic import ValidationError

from api.intake import quarantine
from api.intake.facts import FinishedCall
from api.intake.quarantine import Quarantined
from api.intake.room import incoming
from api.intake.taking import Taken, Unusable, take_in
from archive.house import Archive
from core.errors import Refused
from core.ledger import Entry, append
from core.settings import Settings

READMITTED, DISCARDED = "readmitted", "discarded"


async def try_again(
    archive: Archive, settings: Settings, name: str, *, by: str, call: FinishedCall | None = None
) -> Taken:
    """Take a file in after all, with the facts that came with it or with better ones; it stays in quarantine when that
    fails as before (``Unusable``, ``Conflict``), and with facts that nobody can read (``Refused``)."""
    found, file = await asyncio.to_thread(quarantine.find, settings, name)
    told = call or _facts(found)
    with incoming(settings) as directory:
        copied = Path(directory) / "file"
        await asyncio.to_thread(shutil.copyfile, file, copied)
        try:
            taken = await take_in(archive, settings, told, copied, by=by)
        except Unusable:
            if told.call_id != found.call_id:
                # It is kept again under the other call, with the newer reason.
                await asyncio.to_thread(quarantine.forget, settings, found)
            raise
    await _record(archive, Entry(READMITTED, by, str(taken.recording.id), {"file": found.sha256}))
    await asyncio.to_thread(quarantine.forget, settings, found)
    return taken


async def remove(archive: Archive, settings: Settings, name: str, *, by: str, reason: str) -> Quarantined:
    """Remove a file for good; who did so and why stays in the ledger."""
    found, _ = await asyncio.to_thread(quarantine.find, settings, name)
    facts = {"sha256": found.sha256, "size": found.size, "refused": found.reason, "reason": reason}
    await _record(archive, Entry(DISCARDED, by, found.name, facts))
    await asyncio.to_thread(quarantine.forget, settings, found)
    return found


def _facts(found: Quarantined) -> FinishedCall:
    try:
        return FinishedCall.model_validate(found.facts)
    except ValidationError:
        raise Refused(
            "文件没有可用的通话信息，请补上 / no usable facts came with this file: give them",
            file=found.name,
            remedy="huiyin quarantine retry NAME --facts FACTS.json",
        ) from None


async def _record(archive: Archive, entry: Entry) -> None:
    async with archive.database.write() as session:
        await append(session, entry, archive.clock())
