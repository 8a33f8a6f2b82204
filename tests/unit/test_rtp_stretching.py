"""Packets that are fitted to a clock that drifts: no clicks, and hardly any noise."""

import numpy as np
import pytest

from telephony.rtp.stretching import lay


def drifted(sound: np.ndarray, ppm: float, length: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """What becomes of ``sound`` when a second of it takes ``ppm`` longer, and the places of its packets."""
    packets = sound.reshape(-1, length)
    positions = np.rint(np.arange(len(packets)) * length * (1 + ppm * 1e-6)).astype(np.int64)
    buffer = np.zeros(positions[-1] + 2 * length, np.int16)
    following = round(len(packets) * length * (1 + ppm * 1e-6))
    lay(buffer, positions, packets, following)
    return buffer[:following], positions


@pytest.mark.parametrize("ppm", [200.0, 50.0, -50.0, -200.0])
@pytest.mark.parametrize("hertz", [300.0, 1000.0, 3000.0])
def test_a_tone_stays_a_tone(hertz: float, ppm: float) -> None:
    seconds = 30
    sound = np.rint(12_000 * np.sin(2 * np.pi * hertz * np.arange(8000 * seconds) / 8000)).astype(np.int16)
    played, positions = drifted(sound, ppm)
    assert abs(len(played) - 8000 * seconds * (1 + ppm * 1e-6)) <= 1
    # Where sample t of the ideal lies in the original: packets keep to whole samples, at most half a one off.
    ideal_shift = np.interp(np.arange(len(played)), positions, np.arange(len(positions)) * 160.0 - positions)
    ideal = 12_000 * np.sin(2 * np.pi * hertz * (np.arange(len(played)) + ideal_shift) / 8000)
    inner = slice(200, -400)
    noise = played[inner] - ideal[inner]
    assert 10 * np.log10(np.mean(ideal[inner] ** 2) / np.mean(noise**2)) > 40
    # A click is a step that the tone itself never makes.
    steepest = np.abs(np.diff(sound.astype(int), 2)).max()
    assert np.abs(np.diff(played[inner].astype(int), 2)).max() <= 1.05 * steepest + 4


def test_most_packets_stay_as_they_were() -> None:
    sound = np.random.default_rng(1).integers(-20_000, 20_000, 160 * 1000).astype(np.int16)
    played, positions = drifted(sound, 200.0)
    same = [
        np.array_equal(played[at : at + 160], sound[row * 160 :][:160]) for row, at in enumerate(positions.tolist())
    ]
    assert sum(same) >= 960


def test_without_drift_every_sample_stays() -> None:
    sound = np.random.default_rng(1).integers(-20_000, 20_000, 160 * 50).astype(np.int16)
    played, _ = drifted(sound, 0.0)
    assert np.array_equal(played, sound)


def test_gaps_are_not_stretched_over() -> None:
    packets = np.full((3, 160), 5000, np.int16)
    buffer = np.zeros(2000, np.int16)
    lay(buffer, np.array([0, 161, 500]), packets, 9999)
    assert (buffer[:321] > 4900).all()
    assert not buffer[321:500].any()
    assert (buffer[500:660] == 5000).all()
    assert not buffer[660:].any()
