"""A copy of a sound that is silent in some spans, sample for sample the original everywhere else."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile

from archive.redaction import Span

BLOCK_SECONDS = 10


def silence(source: Path, target: Path, spans: Sequence[Span]) -> Iterator[float]:
    """Write the copy as FLAC, block by block; yields the share that is written, from 0 to 1.  Blocking between yields.

    Every channel is silent: what one party says is heard on the other's line by echo, and parties repeat each other."""
    with (
        soundfile.SoundFile(source) as file,
        soundfile.SoundFile(
            target, "w", samplerate=file.samplerate, channels=file.channels, subtype=file.subtype, format="FLAC"
        ) as copy,
    ):
        stretches = [_samples(span, file.samplerate) for span in spans]
        # Whole numbers as wide as the widest: no sample is rounded on its way.
        for block in file.blocks(file.samplerate * BLOCK_SECONDS, dtype="int32", always_2d=True):
            at = copy.frames
            for first, last in stretches:
                block[max(first - at, 0) : max(last - at, 0)] = 0
            copy.write(block)
            yield copy.frames / max(file.frames, 1)


def _samples(span: Span, rate: int) -> tuple[int, int]:
    """The first sample of a span and the one behind its last; a part of a sample counts as the whole."""
    return span.start_ms * rate // 1000, -(-span.end_ms * rate // 1000)
