"""What the engine hears of a recording: channels, level, resampling, and audio that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.errors import HuiyinError
from transcription.audio import ENGINE_RATE, MOST_GAIN_DB, SILENCE_DB, gain_for, levels_of, prepare, read_sound

RATE = 8000


def tone(seconds: float, amplitude: float, hertz: float = 440.0, rate: int = RATE) -> "np.typing.NDArray[np.float32]":
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, *channels: "np.typing.NDArray[np.float32]", rate: int = RATE) -> Path:
    soundfile.write(path, np.stack(channels, axis=1), rate, subtype="PCM_16")
    return path


def test_two_channels_are_agent_and_citizen(tmp_path: Path) -> None:
    sound = read_sound(write(tmp_path / "a.flac", tone(1.0, 0.5), np.zeros(RATE, np.float32)))
    assert [channel.party for channel in sound.channels] == ["agent", "citizen"]
    assert sound.duration == pytest.approx(1.0)
    assert [len(channel.samples) for channel in sound.channels] == [ENGINE_RATE, ENGINE_RATE]
    assert [channel.silent for channel in sound.channels] == [False, True]


def test_one_channel_is_an_unknown_party(tmp_path: Path) -> None:
    sound = read_sound(write(tmp_path / "a.wav", tone(0.5, 0.5, rate=44100), rate=44100))
    (channel,) = sound.channels
    assert channel.party == "unknown"
    assert len(channel.samples) == pytest.approx(ENGINE_RATE / 2, abs=2)


def test_resampling_keeps_the_tone_and_adds_nothing_above() -> None:
    channel = prepare("agent", tone(1.0, 0.5, hertz=1000.0), RATE)
    spectrum = np.abs(np.fft.rfft(channel.samples * np.hanning(len(channel.samples))))
    assert int(spectrum.argmax()) == pytest.approx(1000, abs=2)
    assert spectrum[4100:].max() < spectrum.max() * 1e-3


def test_an_empty_recording_has_no_sound(tmp_path: Path) -> None:
    sound = read_sound(write(tmp_path / "a.wav", np.zeros(0, np.float32), np.zeros(0, np.float32)))
    assert sound.duration == 0
    assert all(channel.silent and not len(channel.samples) for channel in sound.channels)
    assert sound.channels[0].loudness(0, 1) == SILENCE_DB


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"fLaC" + bytes(40)])
def test_what_is_no_audio_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.flac").write_bytes(content)
    with pytest.raises(HuiyinError, match=r"cannot be read .*broken\.flac"):
        read_sound(tmp_path / "broken.flac")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HuiyinError, match="cannot be read"):
        read_sound(tmp_path / "nothing.flac")


def test_three_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HuiyinError, match=r"number of channels.*found=3"):
        read_sound(write(tmp_path / "a.flac", *[tone(0.1, 0.1)] * 3))


def test_levels_are_those_of_the_original() -> None:
    sound = np.concatenate([tone(0.5, 0.5), np.zeros(RATE // 2, np.float32)])
    channel = prepare("agent", sound, RATE)
    assert channel.loudness(0.0, 0.5) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    assert channel.loudness(0.6, 0.9) == pytest.approx(SILENCE_DB)
    assert channel.loudness(5.0, 6.0) == SILENCE_DB


def test_a_begun_tenth_of_a_second_counts() -> None:
    assert len(levels_of(np.zeros(RATE + 1, np.float32), RATE)) == 11


def test_quiet_speech_is_raised_and_loud_speech_left_alone() -> None:
    assert gain_for([-22.0] * 10, 0.2) == 1.0
    assert gain_for([-10.0] * 10, 0.9) == 1.0
    assert gain_for([-32.0] * 10, 0.05) == pytest.approx(10 ** (10 / 20))
    assert gain_for([-55.0] * 10, 0.003) == pytest.approx(10 ** (MOST_GAIN_DB / 20))


def test_raising_never_clips() -> None:
    quiet = tone(1.0, 0.01)
    quiet[100] = 0.9
    channel = prepare("agent", quiet, ENGINE_RATE)
    assert float(np.abs(channel.samples).max()) <= 1.0


def test_silence_is_not_raised() -> None:
    assert gain_for([SILENCE_DB] * 5, 0.0) == 1.0
    assert gain_for([], 0.0) == 1.0


def test_a_channel_sounds_the_same_wherever_it_begins_and_ends() -> None:
    sound = tone(0.95, 0.02)
    first = prepare("agent", sound, RATE)
    for before, after in ((48, 0), (7, 900)):
        pauses = np.zeros(before, np.float32), np.zeros(after, np.float32)
        later = prepare("agent", np.concatenate([pauses[0], sound, pauses[1]]), RATE)
        assert np.array_equal(later.samples[later.sounding], first.samples[first.sounding])
        assert later.sounding.start - first.sounding.start == before * ENGINE_RATE // RATE
        assert len(later.samples) == (len(sound) + before + after) * ENGINE_RATE // RATE
