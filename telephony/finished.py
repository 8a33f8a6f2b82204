"""Recordings that a gateway finished itself: a sound file → the stereo FLAC that is sealed.

Mono is heard in both channels, as a stream in which nobody tells the parties apart is everywhere else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from telephony.rtp.codecs.codec import Samples
from telephony.rtp.codecs.libav import FileDecoder
from telephony.rtp.flac import write_flac

# What a file of each container begins with; the container is never guessed from its name.
WAV, MP3, OGG, FLAC = "wav", "mp3", "ogg", "flac"
LOOK_SAMPLES = 1 << 20


@dataclass(frozen=True)
class Finished:
    """What was decoded; ``channels`` of the file, 1 or 2; ``rate`` of the FLAC in samples a second."""

    container: str
    codec: str
    channels: int
    rate: int
    duration_ms: int


def container_of(head: bytes) -> str:
    """Which container a file's first 12 octets announce; ``ValueError`` for any other."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return WAV
    if head[:4] == b"OggS":
        return OGG
    if head[:4] == b"fLaC":
        return FLAC
    # Layer III of MPEG 1, 2 or 2.5 (ISO/IEC 11172-3, section 2.4.1.3).
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return MP3
    raise ValueError("the file is neither WAV nor MP3, OGG or FLAC")


def decode_finished(
    source: Path, target: Path, *, longest: timedelta, meanwhile: Callable[[], None] = lambda: None
) -> Finished:
    """Decode to a stereo FLAC at ``target``.  ``ValueError`` with the reason for what cannot be decoded, is empty or is
    longer than ``longest``, which is noticed while decoding: nothing is written behind that point.

    ``meanwhile`` is called every half a minute of sound or so; what it raises ends the work."""
    with source.open("rb") as file:
        container = container_of(file.read(12))
        file.seek(0)
        with FileDecoder(file, container) as decoder:
            most = int(longest.total_seconds() * decoder.rate)
            length = write_flac(target, _stereo(decoder, most, meanwhile), decoder.rate)
            if not length:
                target.unlink()
                raise ValueError("the file holds no sound")
            return Finished(container, decoder.codec, decoder.channels, decoder.rate, length * 1000 // decoder.rate)


def _stereo(decoder: FileDecoder, most: int, meanwhile: Callable[[], None]) -> Iterator[Samples]:
    length = 0
    for stretch in decoder.stretches():
        if length // LOOK_SAMPLES != (length + len(stretch)) // LOOK_SAMPLES:
            meanwhile()
        length += len(stretch)
        if length > most:
            raise ValueError("the sound is longer than is allowed")
        yield stretch if decoder.channels == 2 else np.repeat(stretch, 2, axis=1)
