"""What a night verifies: the objects whose bytes were read longest ago, and the ledger against its signed heads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select

from archive.catalogue import StoredObject
from archive.comparing import compare_other_requests
from archive.fault_notes import note_faults
from archive.faults import Fault
from archive.heads import HEAD
from archive.house import Archive
from archive.sample import oldest_reading, tonight, verify_sample
from archive.survey import Progress
from archive.trust import verify_ledger
from core.note import VerifierKey
from core.proofs import tree_size
from retention.comparing import CHECKS, compare_cases


@dataclass(frozen=True)
class Sampled:
    """How many objects were read, and when the one that waits longest was; ledger rows and signed heads checked."""

    objects: int = 0
    octets: int = 0
    oldest: datetime | None = None
    ledger_rows: int = 0
    heads: int = 0


async def read_sample(archive: Archive, *, now: datetime) -> tuple[Sampled, list[Fault]]:
    """Read the night's part of everything, and compare every case of holds and what was asked of calls that have no
    recording."""
    async with archive.database.read() as session:
        count = await tonight(session, now)
    progress = Progress()
    found = [fault async for fault in verify_sample(archive, count, progress, checks=CHECKS)]
    found += [fault async for fault in compare_cases(archive)]
    found += [fault async for fault in compare_other_requests(archive)]
    await note_faults(archive, found)
    async with archive.database.read() as session:
        oldest = await oldest_reading(session)
    return Sampled(progress.objects, progress.octets, oldest), found


async def read_ledger(archive: Archive, keys: Sequence[VerifierKey], sampled: Sampled) -> tuple[Sampled, list[Fault]]:
    """Check the ledger's rows and heads, if there are keys to check them with, and count them."""
    if not keys:
        return sampled, []
    found = [fault async for fault in verify_ledger(archive, keys)]
    async with archive.database.read() as session:
        heads = await session.scalar(select(func.count()).where(StoredObject.kind == HEAD))
        rows = await tree_size(session)
    return replace(sampled, ledger_rows=rows, heads=heads or 0), found
