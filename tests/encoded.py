"""Encoded samples of tests/codec_samples as payloads, and how near decoded sound is to what was encoded.

``python -m tools.codec_samples`` made them, with other encoders than the decoders under test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLES = Path(__file__).parent / "codec_samples"
Sound = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """``behind_ms``: how much later the sound lies than in the original; the rest is measured after alignment."""

    behind_ms: float
    correlation: float
    gain: float
    snr_db: float


def original(rate: int, native_rate: int) -> Sound:
    """What was encoded, at ``rate``; telephone codecs were given no more than 4 kHz."""
    samples, _ = soundfile.read(SAMPLES / f"original_{min(rate, native_rate) // 1000}k.flac", dtype="int16")
    sound: Sound = samples.astype(np.float64)
    return sound if rate <= native_rate else _doubled(sound)


def _doubled(sound: Sound) -> Sound:
    """Twice the rate, by a spectrum that ends where it did."""
    spectrum = np.fft.rfft(sound)
    return 2 * np.fft.irfft(spectrum, 2 * len(sound))


def payloads(name: str, octets: int) -> list[bytes]:
    """A file of frames, cut into packets of ``octets``."""
    content = (SAMPLES / name).read_bytes()
    return [content[at : at + octets] for at in range(0, len(content), octets)]


def frames(name: str) -> list[bytes]:
    """A file of frames that each have their length before them."""
    content, found, at = (SAMPLES / name).read_bytes(), [], 0
    while at < len(content):
        found.append(content[at + 1 : at + 1 + content[at]])
        at += 1 + content[at]
    return found


def ogg_packets(name: str) -> list[bytes]:
    """The packets of an Ogg file (RFC 3533 §6), without the two that are headers."""
    content, packets, packet, at = (SAMPLES / name).read_bytes(), [], b"", 0
    while at < len(content):
        segments = content[at + 27 : at + 27 + content[at + 26]]
        at += 27 + len(segments)
        for size in segments:
            packet += content[at : at + size]
            at += size
            if size < 255:
                packets.append(packet)
                packet = b""
    return packets[2:]


def compare(decoded: Sequence[NDArray[np.int16]], original: Sound, rate: int) -> Likeness:
    """Aligned by the best correlation; the decoded sound lies up to 100 ms later, or 20 ms earlier."""
    played = np.concatenate(decoded).astype(np.float64)
    behind = _alignment(played, original, rate)
    start = max(0, -behind)
    length = min(len(original) - start, len(played) - start - behind)
    heard, said = played[start + behind :][:length], original[start:][:length]
    # What was sent as it was differs by nothing at all.
    power, noise = float(said @ said), max(1.0, float((heard - said) @ (heard - said)))
    alike = heard @ said / np.sqrt((heard @ heard) * power)
    return Likeness(
        behind / rate * 1000, float(alike), float(heard @ said / power), float(10 * np.log10(power / noise))
    )


def _alignment(played: Sound, original: Sound, rate: int) -> int:
    room = 1 << (len(played) + len(original)).bit_length()
    products = np.fft.irfft(np.fft.rfft(played, room) * np.conj(np.fft.rfft(original, room)), room)
    early, late = rate // 50, rate // 10
    near = np.concatenate((products[-early:], products[:late]))
    return int(np.argmax(near)) - early
