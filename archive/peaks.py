"""The outline of a recording's sound, so that a page can draw it without fetching the sound itself.

Twenty times a second the lowest and the highest sample of each lane (agent, then citizen), as signed 8-bit numbers:
``min, max, min, max …``, one lane behind the other.  It is made when a recording is sealed and again whenever it is
missing (after a rebuild, for one): it proves nothing and is no evidence.
"""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
import soundfile
from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base

PER_SECOND = 20
# Ten seconds at a time: a call of an hour is never in memory as a whole.
BINS_AT_ONCE = 200


class Waveform(Base):
    """The outline of one recording; ``per_second`` pairs of numbers for each lane."""

    __tablename__ = "waveforms"

    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    lanes: Mapped[int]
    per_second: Mapped[int]
    peaks: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Peaks:
    """One outline: the octets of each lane."""

    lanes: tuple[bytes, ...]
    per_second: int = PER_SECOND

    def row(self, recording_id: UUID) -> Waveform:
        """As it is kept."""
        return Waveform(
            recording_id=recording_id, lanes=len(self.lanes), per_second=self.per_second, peaks=b"".join(self.lanes)
        )

    @classmethod
    def of(cls, row: Waveform) -> "Peaks":
        """As it was kept."""
        length = len(row.peaks) // max(row.lanes, 1)
        lanes = tuple(row.peaks[start : start + length] for start in range(0, length * row.lanes, length or 1))
        return cls(lanes, row.per_second)


def compute_peaks(path: Path) -> Peaks:
    """The outline of a sound file; without lanes for what is no sound, or holds none.  Blocking."""
    try:
        with soundfile.SoundFile(path) as file:
            size = max(file.samplerate // PER_SECOND, 1)
            blocks = file.blocks(size * BINS_AT_ONCE, dtype="int16", always_2d=True)
            found = [_bins(block, size) for block in blocks]
            lanes = file.channels
    except soundfile.LibsndfileError:
        return Peaks(())
    whole = np.concatenate(found) if found else np.zeros((0, 2, lanes), np.int8)
    return Peaks(tuple(whole[:, :, lane].tobytes() for lane in range(lanes)))


def _bins(block: npt.NDArray[np.int16], size: int) -> npt.NDArray[np.int8]:
    """Minimum and maximum of each ``size`` samples: an array of bins × 2 × lanes."""
    missing = -len(block) % size
    full = np.concatenate([block, np.repeat(block[-1:], missing, axis=0)]) if missing else block
    shaped = full.reshape(-1, size, block.shape[1])
    return np.stack([shaped.min(axis=1) >> 8, shaped.max(axis=1) >> 8], axis=1).astype(np.int8)
