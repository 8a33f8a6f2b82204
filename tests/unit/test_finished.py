"""Finished sound files: each format that libsndfile can write, read by another library, and files that are hostile."""

import struct
import tracemalloc
import wave
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from telephony.finished import container_of, decode_finished

HOUR = timedelta(hours=1)
FORMATS = (
    ("WAV", "PCM_16", 8000),
    ("WAV", "PCM_24", 48000),
    ("WAV", "ALAW", 8000),
    ("WAV", "ULAW", 8000),
    ("WAV", "IMA_ADPCM", 8000),
    ("WAV", "MS_ADPCM", 8000),
    ("WAV", "FLOAT", 44100),
    ("RF64", "PCM_16", 16000),
    ("FLAC", "PCM_16", 96000),
    ("OGG", "VORBIS", 16000),
    ("OGG", "OPUS", 16000),
    ("MP3", "MPEG_LAYER_III", 8000),
    ("MP3", "MPEG_LAYER_III", 44100),
)


def _sound(rate: int, channels: int, seconds: float = 2.0) -> NDArray[np.float64]:
    time = np.arange(int(rate * seconds)) / rate
    return np.stack([0.3 * np.sin(2 * np.pi * pitch * time) for pitch in (440, 1000)[:channels]], axis=1)


def _pitch(channel: NDArray[np.float64], rate: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(channel)))) * rate / len(channel)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("container", "subtype", "rate"), FORMATS)
def test_every_format_keeps_its_sound(tmp_path: Path, container: str, subtype: str, rate: int, channels: int) -> None:
    source, target = tmp_path / "call", tmp_path / "audio.flac"
    soundfile.write(source, _sound(rate, channels), rate, subtype=subtype, format=container)
    found = decode_finished(source, target, longest=HOUR)
    assert found.channels == channels
    assert abs(found.duration_ms - 2000) < 150, "encoders may add a frame"
    sound, heard_rate = soundfile.read(target, always_2d=True)
    assert heard_rate == found.rate <= 48000
    assert sound.shape[1] == 2
    assert abs(_pitch(sound[:, 0], found.rate) - 440) < 2
    assert abs(_pitch(sound[:, 1], found.rate) - (1000 if channels == 2 else 440)) < 2
    assert abs(np.sqrt(np.mean(sound[:, 0] ** 2)) - 0.212) < 0.02, "the level is kept"


def test_sixteen_bits_are_kept_to_the_bit(tmp_path: Path) -> None:
    original = np.random.default_rng(1).integers(-32768, 32767, (24000, 2), np.int16)
    soundfile.write(tmp_path / "call", original, 8000, subtype="PCM_16", format="WAV")
    decode_finished(tmp_path / "call", tmp_path / "audio.flac", longest=HOUR)
    assert np.array_equal(soundfile.read(tmp_path / "audio.flac", dtype="int16")[0], original)


def test_what_is_longer_than_allowed_is_refused_while_decoding(tmp_path: Path) -> None:
    """A FLAC file of four hours of silence takes a few kilobytes an hour."""
    source, target = tmp_path / "bomb", tmp_path / "audio.flac"
    with soundfile.SoundFile(source, "w", 48000, 2, "PCM_16", format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros((48000 * 10, 2), np.int16))
    assert source.stat().st_size < 600 * 48000 * 4 / 100
    tracemalloc.start()
    with pytest.raises(ValueError, match="longer than is allowed"):
        decode_finished(source, target, longest=timedelta(seconds=5))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8_000_000, "a piece at a time"
    assert list(tmp_path.iterdir()) == [source], "nothing half-written stays"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"PK\x03\x04" + bytes(64),
        b"<?xml version='1.0'?><MPD/>",
        b"RIFF\x24\x00\x00\x00AVI LIST",
    ],
)
def test_other_files_are_not_even_opened(content: bytes) -> None:
    with pytest.raises(ValueError, match="neither WAV nor MP3"):
        container_of(content[:12])


@pytest.mark.parametrize(
    "head", [b"RIFF\x24\x00\x00\x00WAVE", b"OggS\x00\x02", b"fLaC\x00\x00\x00\x22", b"ID3\x04\x00"]
)
def test_a_beginning_alone_is_refused(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "call").write_bytes(head + bytes(4000))
    with pytest.raises(ValueError):
        decode_finished(tmp_path / "call", tmp_path / "audio.flac", longest=HOUR)
    assert not (tmp_path / "audio.flac").exists()


def test_an_empty_sound_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "call"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
    with pytest.raises(ValueError):
        decode_finished(tmp_path / "call", tmp_path / "audio.flac", longest=HOUR)


@pytest.mark.parametrize(
    ("channels", "rate", "reason"),
    [(6, 8000, "neither mono nor stereo"), (1, 100, "sample rate"), (2, 4_000_000_000, ".")],
)
def test_headers_that_no_call_has(tmp_path: Path, channels: int, rate: int, reason: str) -> None:
    octets = bytes(channels * 2 * 800)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(octets)) + octets
    (tmp_path / "call").write_bytes(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)
    with pytest.raises(ValueError, match=reason):
        decode_finished(tmp_path / "call", tmp_path / "audio.flac", longest=HOUR)


@pytest.mark.parametrize("container", ["FLAC", "OGG", "MP3", "WAV"])
def test_damaged_files_are_refused_or_read_and_never_more(tmp_path: Path, container: str) -> None:
    source = tmp_path / "call"
    soundfile.write(source, _sound(16000, 2), 16000, format=container)
    content, chance = source.read_bytes(), np.random.default_rng(7)
    for _ in range(40):
        damaged = bytearray(content)
        for place in chance.integers(0, len(content), 12):
            damaged[place] = chance.integers(0, 256)
        source.write_bytes(damaged[: chance.integers(12, len(content))])
        try:
            found = decode_finished(source, tmp_path / "audio.flac", longest=timedelta(seconds=30))
        except ValueError:
            continue
        assert 0 <= found.duration_ms <= 30_000


def test_days_of_silence_in_a_small_ogg_are_refused(tmp_path: Path) -> None:
    """Vorbis says silence in some octets a second; the file claims what it likes about its length."""
    source = tmp_path / "bomb"
    with soundfile.SoundFile(source, "w", 8000, 1, "VORBIS", format="OGG") as file:
        for _ in range(10):
            file.write(np.zeros(8000 * 60, np.int16))
    assert source.stat().st_size < 600 * 16000 / 100
    with pytest.raises(ValueError, match="longer than is allowed"):
        decode_finished(source, tmp_path / "audio.flac", longest=timedelta(minutes=1))
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(("channels", "rate"), [(8, 8000), (1, 655350), (2, 1)])
def test_flac_headers_that_no_call_has(tmp_path: Path, channels: int, rate: int) -> None:
    """STREAMINFO (RFC 9639, section 8.2) with 68 billion samples."""
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | (1 << 36) - 1
    head = b"fLaC" + b"\x80\x00\x00\x22" + struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8) + bytes(16)
    (tmp_path / "call").write_bytes(head + bytes(4000))
    with pytest.raises(ValueError):
        decode_finished(tmp_path / "call", tmp_path / "audio.flac", longest=HOUR)
    assert not (tmp_path / "audio.flac").exists()


def test_a_tag_that_claims_to_be_huge_takes_no_memory(tmp_path: Path) -> None:
    """ID3v2 (section 3.1) with 256 MB announced, before a sound that is there."""
    soundfile.write(tmp_path / "sound", _sound(8000, 1), 8000, format="MP3")
    (tmp_path / "call").write_bytes(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + (tmp_path / "sound").read_bytes())
    tracemalloc.start()
    try:
        decode_finished(tmp_path / "call", tmp_path / "audio.flac", longest=HOUR)
    except ValueError:
        pass
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 8_000_000


def test_what_is_asked_meanwhile_ends_the_work(tmp_path: Path) -> None:
    source = tmp_path / "call"
    soundfile.write(source, _sound(8000, 2, 300), 8000, format="WAV")
    asked = []

    def full() -> None:
        asked.append(1)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        decode_finished(source, tmp_path / "audio.flac", longest=HOUR, meanwhile=full)
    assert asked == [1]
    assert list(tmp_path.iterdir()) == [source]
