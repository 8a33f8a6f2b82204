"""The outline of a recording's sound."""

from pathlib import Path
from uuid import uuid4

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from archive.peaks import PER_SECOND, Peaks, compute_peaks


def _write(path: Path, samples: "np.ndarray[tuple[int, ...], np.dtype[np.int16]]", rate: int = 8000) -> Path:
    soundfile.write(path, samples, rate, subtype="PCM_16", format="FLAC")
    return path


def _lane(octets: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.int8]]":
    return np.frombuffer(octets, np.int8).reshape(-1, 2)


def test_each_lane_has_its_own_outline(tmp_path: Path) -> None:
    sound = np.zeros((16000, 2), np.int16)
    sound[4000:4400, 0] = 12800  # a twentieth of a second, agent only
    sound[8000:8400, 1] = -12800
    peaks = compute_peaks(_write(tmp_path / "two.flac", sound))
    agent, citizen = (_lane(lane) for lane in peaks.lanes)
    assert len(agent) == len(citizen) == 2 * PER_SECOND
    assert agent[10].tolist() == [50, 50]
    assert citizen[20].tolist() == [-50, -50]
    assert np.count_nonzero(agent) == 2
    assert np.count_nonzero(citizen) == 2


def test_a_last_bin_that_is_not_full_counts(tmp_path: Path) -> None:
    sound = np.zeros((401, 1), np.int16)
    sound[400] = 32767
    peaks = compute_peaks(_write(tmp_path / "odd.flac", sound))
    assert _lane(peaks.lanes[0]).tolist() == [[0, 0], [127, 127]]


def test_long_sound_is_read_in_pieces_without_a_seam(tmp_path: Path) -> None:
    """Twenty-five seconds are three blocks: each second has another loudness."""
    loudness = np.repeat(np.arange(25, dtype=np.int16) * 1024, 8000)
    peaks = compute_peaks(_write(tmp_path / "long.flac", loudness[:, None]))
    assert _lane(peaks.lanes[0])[:, 1].tolist() == [second * 4 for second in range(25) for _ in range(PER_SECOND)]


def test_what_is_no_sound_has_no_outline(tmp_path: Path) -> None:
    (tmp_path / "no.flac").write_bytes(b"not a sound")
    assert compute_peaks(tmp_path / "no.flac") == Peaks(())


def test_an_empty_recording_has_no_lanes(tmp_path: Path) -> None:
    assert compute_peaks(_write(tmp_path / "none.flac", np.zeros((0, 2), np.int16))) == Peaks(())


@given(lanes=st.integers(0, 2), length=st.integers(1, 40))
def test_the_row_says_the_same(lanes: int, length: int) -> None:
    peaks = Peaks(tuple(bytes([number]) * length for number in range(lanes)))
    assert Peaks.of(peaks.row(uuid4())) == peaks
