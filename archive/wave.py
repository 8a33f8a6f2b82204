"""A sealed recording as a WAV file that exists nowhere: any stretch of its octets, decoded when it is asked for.

Browsers seek in WAV by arithmetic.  In FLAC without a table they search for frames, and give the sound up where a long
digital silence (a pause, comfort noise) leaves them nothing to find.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import soundfile

HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
BYTES_PER_SAMPLE = 2


@dataclass(frozen=True)
class WaveView:
    """The file at ``path`` as 16-bit PCM."""

    path: Path
    rate: int
    channels: int
    frames: int

    @classmethod
    def of(cls, path: Path) -> "WaveView":
        """Blocking; ``ValueError`` for what is no sound."""
        try:
            with soundfile.SoundFile(path) as file:
                return cls(path, file.samplerate, file.channels, file.frames)
        except soundfile.LibsndfileError as error:
            raise ValueError("the file is no sound") from error

    @property
    def block(self) -> int:
        """Octets of one frame."""
        return self.channels * BYTES_PER_SAMPLE

    @property
    def size(self) -> int:
        """Octets of the whole."""
        return HEADER.size + self.frames * self.block

    def header(self) -> bytes:
        """RIFF, the format and the beginning of the data."""
        data = self.frames * self.block
        form = (16, 1, self.channels, self.rate, self.rate * self.block, self.block, 8 * BYTES_PER_SAMPLE)
        return HEADER.pack(b"RIFF", data + HEADER.size - 8, b"WAVE", b"fmt ", *form, b"data", data)

    def read(self, start: int, length: int) -> bytes:
        """``length`` octets from ``start`` (fewer at the end); blocking."""
        stop = min(start + length, self.size)
        head = self.header()[start:stop]
        first, last = max(start, HEADER.size) - HEADER.size, stop - HEADER.size
        if last <= first:
            return head
        frame, end = first // self.block, -(-last // self.block)
        with soundfile.SoundFile(self.path) as file:
            file.seek(frame)
            samples: bytes = file.read(end - frame, dtype="int16", always_2d=True).tobytes()
        return head + samples[first - frame * self.block : last - frame * self.block]
