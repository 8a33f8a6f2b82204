"""Edits of a clip: copies, exact in length, with the sound where it belongs."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from archive.clips import Clip
from tests.samples import write_audio


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """Two seconds: a tone on the left, silence on the right."""
    return Clip.read(write_audio(tmp_path / "call.flac", seconds=2.0))


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_a_clip_survives_its_file(clip: Clip, tmp_path: Path, form: str) -> None:
    samples, rate = soundfile.read(io.BytesIO(clip.to_bytes(form)), dtype="int16")
    original, _ = soundfile.read(tmp_path / "call.flac", dtype="int16")
    assert rate == 8000
    assert np.array_equal(samples, original)


def test_a_span_is_cut_to_the_millisecond(clip: Clip, tmp_path: Path) -> None:
    assert clip.cut(250, 1000).duration_ms == 750
    span = Clip.read(tmp_path / "call.flac", start_ms=250, end_ms=1000)
    assert span.to_bytes() == clip.cut(250, 1000).to_bytes()
    assert clip.cut(1500, 99_000).duration_ms == 500
    assert clip.duration_ms == 2000  # the original is as it was


@pytest.mark.parametrize("span", [(-1, 10), (10, 10), (2000, 3000), (20, 10)])
def test_a_span_that_is_not_there_is_refused(clip: Clip, tmp_path: Path, span: tuple[int, int]) -> None:
    with pytest.raises(ValueError):
        clip.cut(*span)
    with pytest.raises(ValueError):
        Clip.read(tmp_path / "call.flac", start_ms=span[0], end_ms=span[1])


def test_mixing_down_keeps_both_parties(clip: Clip) -> None:
    mono = clip.mixed_down()
    samples, _ = soundfile.read(io.BytesIO(mono.to_bytes()), dtype="int16", always_2d=True)
    assert samples.shape == (16000, 1)
    assert 4000 < int(np.abs(samples).max()) < 6000  # the mean of tone and silence


def test_normalising_reaches_the_headroom(clip: Clip) -> None:
    assert clip.normalised(headroom_db=1.0).sound.max_dBFS == pytest.approx(-1.0, abs=0.1)
    faint = Clip(clip.sound - 70)
    assert faint.normalised() is faint


def test_silence_is_told_for_each_channel(tmp_path: Path) -> None:
    tone = (8000 * np.sin(np.arange(8000) / 3)).astype(np.int16)
    rest = np.zeros(24000, np.int16)
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([np.concatenate([tone, rest]), np.concatenate([rest, tone])], axis=1), 8000)
    for channel in Clip.read(path).silence():
        assert channel.share == pytest.approx(0.75, abs=0.01)
        assert channel.longest_ms == pytest.approx(3000, abs=20)


def test_other_forms_are_refused(clip: Clip) -> None:
    with pytest.raises(ValueError, match="WAV or FLAC"):
        clip.to_bytes("MP3")
