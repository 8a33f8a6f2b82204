"""A sealed recording as WAV, in any pieces."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from archive.wave import HEADER, WaveView

SAMPLES = (np.arange(4000, dtype=np.int16).reshape(-1, 2) * 7) % 3000


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> WaveView:
    path = tmp_path_factory.mktemp("wave") / "two.flac"
    soundfile.write(path, SAMPLES, 8000, subtype="PCM_16", format="FLAC")
    return WaveView.of(path)


def test_the_whole_is_a_wave_file_with_the_same_samples(view: WaveView) -> None:
    content = view.read(0, view.size)
    assert len(content) == view.size == HEADER.size + SAMPLES.size * 2
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == 8000
    assert (samples == SAMPLES).all()


@given(start=st.integers(0, 9000), length=st.integers(0, 9000))
def test_any_piece_is_a_piece_of_the_whole(view: WaveView, start: int, length: int) -> None:
    assert view.read(start, length) == view.read(0, view.size)[start : start + length]


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.flac").write_bytes(b"not a sound")
    with pytest.raises(ValueError, match="no sound"):
        WaveView.of(tmp_path / "no.flac")
