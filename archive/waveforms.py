"""The kept outline of a recording's sound, made again where it is missing."""

import asyncio
import tempfile
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, Recording
from archive.house import Archive
from archive.peaks import Peaks, Waveform, compute_peaks
from archive.retrieve import fetch_audio


async def peaks_of(archive: Archive, recording_id: UUID) -> Peaks:
    """The outline of a recording, made from its verified sound where it is not kept.

    ``NotFound``, ``Damaged`` or ``Unavailable`` as for reading the sound."""
    async with archive.database.read() as session:
        row = await session.get(Waveform, recording_id)
    if row is not None:
        return Peaks.of(row)
    with tempfile.TemporaryDirectory(prefix="huiyin-") as directory:
        copy = Path(directory) / "audio"
        await fetch_audio(archive, recording_id, copy, purpose="waveform")
        found = await asyncio.to_thread(compute_peaks, copy)
    async with archive.database.write() as session:
        await _keep(session, recording_id, found)
    return found


async def _keep(session: AsyncSession, recording_id: UUID, peaks: Peaks) -> None:
    """Add the outline; one that another request made meanwhile stays, and one that is disposed of gets none."""
    recording = await session.get(Recording, recording_id, with_for_update=True)
    kept = recording is not None and recording.life == KEPT
    if kept and await session.get(Waveform, recording_id) is None:
        session.add(peaks.row(recording_id))
