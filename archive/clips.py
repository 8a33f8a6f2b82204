"""The edits that people ask of a clip (the only pydub importer).  Every edit is a copy; sealed audio is never touched.

Sound is read and written by libsndfile, so that no ffmpeg program has to be installed.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

with warnings.catch_warnings():
    # pydub says that it has no ffmpeg (it needs none here), and Python 3.11 and 3.12 that audioop will go.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.effects import normalize
    from pydub.silence import detect_silence

HEADROOM_DB = 1.0
SILENCE_DBFS = -45
# A clip without any louder sample is not made louder: it would be noise.
NOTHING_DBFS = -60
SHORTEST_SILENCE_MS = 300


@dataclass(frozen=True)
class Silence:
    """How quiet one channel is: the share of its time (0 to 1) and its longest silence, in milliseconds."""

    share: float
    longest_ms: int


@dataclass(frozen=True)
class Clip:
    """Sound in memory, 16 bits.  Each method returns another clip."""

    sound: AudioSegment

    @classmethod
    def read(cls, path: Path, *, start_ms: int = 0, end_ms: int | None = None) -> "Clip":
        """The span of a file from ``start_ms`` to ``end_ms``; ``ValueError`` when the file holds none of it."""
        with soundfile.SoundFile(path) as file:
            first = start_ms * file.samplerate // 1000
            last = file.frames if end_ms is None else min(end_ms * file.samplerate // 1000, file.frames)
            if not 0 <= first < last:
                raise ValueError("the recording has no such span")
            file.seek(first)
            samples = file.read(last - first, dtype="int16", always_2d=True)
            rate = file.samplerate
        return cls(AudioSegment(samples.tobytes(), sample_width=2, frame_rate=rate, channels=samples.shape[1]))

    @property
    def duration_ms(self) -> int:
        """Length in milliseconds."""
        return len(self.sound)

    def cut(self, start_ms: int, end_ms: int) -> "Clip":
        """The part from ``start_ms`` to ``end_ms``; ``ValueError`` for an empty one."""
        if not 0 <= start_ms < min(end_ms, self.duration_ms):
            raise ValueError("the clip has no such span")
        return Clip(self.sound[start_ms:end_ms])

    def mixed_down(self) -> "Clip":
        """Both parties on one channel."""
        return Clip(self.sound.set_channels(1))

    def normalised(self, headroom_db: float = HEADROOM_DB) -> "Clip":
        """As loud as it can be with ``headroom_db`` left below full scale; silence stays silence."""
        return Clip(normalize(self.sound, headroom=headroom_db)) if self.sound.max_dBFS > NOTHING_DBFS else self

    def silence(self) -> tuple[Silence, ...]:
        """Statistics of each channel (agent, then citizen)."""
        return tuple(_silence(channel) for channel in self.sound.split_to_mono())

    def to_bytes(self, form: str = "WAV") -> bytes:
        """The file as WAV or FLAC, 16 bits."""
        if form not in ("WAV", "FLAC"):
            raise ValueError("expected WAV or FLAC")
        target = io.BytesIO()
        samples = np.frombuffer(self.sound.raw_data, dtype=np.int16).reshape(-1, self.sound.channels)
        soundfile.write(target, samples, self.sound.frame_rate, format=form, subtype="PCM_16")
        return target.getvalue()


def _silence(channel: AudioSegment) -> Silence:
    spans = detect_silence(channel, min_silence_len=SHORTEST_SILENCE_MS, silence_thresh=SILENCE_DBFS, seek_step=10)
    lengths = [end - start for start, end in spans]
    return Silence(sum(lengths) / len(channel) if len(channel) else 0.0, max(lengths, default=0))
