"""Whatever octets a payload has, a decoder gives the samples that it announced, and raises nothing."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.rtp.codecs import CODECS, Codec, find
from tests.encoded import ogg_packets, payloads

NAMES = [codec.rtpmap for codec in CODECS]
# Octets that are a gap.
GAP = None


def known(name: str) -> Codec:
    codec = find(name)
    assert codec
    return codec


def batches(given: list[bytes | None]) -> Iterator[list[bytes]]:
    """The packets between gaps."""
    batch: list[bytes] = []
    for payload in [*given, GAP]:
        if payload is not GAP:
            batch.append(payload)
        else:
            yield batch
            batch = []


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("name", NAMES)
@given(given=st.lists(st.one_of(st.binary(max_size=200), st.just(GAP)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_octets_become_as_many_samples_as_announced(name: str, rate: int, given: list[bytes | None]) -> None:
    decoder = known(name).decoder(rate)
    for batch in batches(given):
        made = decoder.decode(batch)
        assert [len(samples) for samples in made] == [decoder.samples(payload) for payload in batch]
        assert all(samples.dtype == np.int16 for samples in made)
        decoder.gap()
    assert decoder.undecodable <= len(given)


@pytest.mark.parametrize("name", NAMES)
@given(octets=st.binary(max_size=1500))
@settings(max_examples=30, deadline=None)
def test_octets_one_more_or_less_change_little(name: str, octets: bytes) -> None:
    """The length of a payload is within a frame of its octets: garbage cannot make hours of sound."""
    codec, decoder = known(name), known(name).decoder(8000)
    samples = decoder.samples(octets)
    assert 0 <= samples <= max(8 * 240, 4 * len(octets) if codec.clock_rate == 8000 else 0, 8 * len(octets))
    assert decoder.samples(b"") == 0


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_nothing(name: str) -> None:
    decoder = known(name).decoder(16000)
    assert decoder.decode([]) == []
    assert [len(samples) for samples in decoder.decode([b"", b""])] == [0, 0]
    decoder.gap()
    decoder.gap()
    assert decoder.decode([]) == []


@pytest.mark.parametrize(
    ("name", "octets", "milliseconds"),
    [
        ("G729", 0, 0),
        ("G729", 2, 10),
        ("G729", 9, 0),
        ("G729", 10, 10),
        ("G729", 11, 10),
        ("G729", 12, 20),
        ("G729", 62, 70),
        ("GSM", 32, 0),
        ("GSM", 66, 40),
        ("GSM", 70, 40),
        ("G726-24", 60, 20),
        ("G726-24", 62, 20),
        ("G726-40", 104, 20),
        ("G722", 160, 20),
        ("G723", 24, 30),
        ("G723", 25, 30),
        ("G723", 48, 60),
        ("G723", 8 * 24, 240),
        ("G723", 9 * 24, 0),
        ("L16/8000", 321, 20),
    ],
)
def test_lengths_are_told_without_decoding(name: str, octets: int, milliseconds: int) -> None:
    for rate in (8000, 16000):
        assert known(name).decoder(rate).samples(bytes(octets)) == milliseconds * rate // 1000


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        (b"\x08" + bytes(20), 20),  # SILK, narrow band
        (b"\x18" + bytes(20), 60),
        (b"\x60" + bytes(20), 10),  # hybrid
        (b"\x68" + bytes(20), 20),
        (b"\x80" + bytes(20), 2.5),  # CELT
        (b"\xf8" + bytes(20), 20),
        (b"\xf9" + bytes(20), 40),  # two frames
        (b"\xfb\x06" + bytes(20), 120),  # as many as it says
        (b"\xfb\x07" + bytes(20), 0),  # longer than a packet may be
        (b"\xfb\x00", 0),
        (b"\xfb", 0),
    ],
)
def test_opus_says_its_length_in_two_octets(payload: bytes, milliseconds: float) -> None:
    assert known("opus").decoder(8000).samples(payload) == milliseconds * 8


def test_what_cannot_be_decoded_is_silence_and_counted() -> None:
    """Two frames of equal length cannot be three octets: their place stays, the neighbours sound."""
    good = ogg_packets("opus-20ms.opus")[60:62]
    broken = b"\x49abc"
    decoder = known("opus").decoder(8000)
    before, silent, after = decoder.decode([good[0], broken, good[1]])
    assert decoder.undecodable == 1
    assert (len(before), len(silent), len(after)) == (160, 320, 160)
    # The filter's tail is in the first two milliseconds.
    assert not silent[40:].any()
    assert np.abs(after[40:].astype(int)).max() > 100


def test_sources_do_not_disturb_each_other() -> None:
    packets = payloads("g722", 160)
    alone = np.concatenate(known("G722").decoder(8000).decode(packets))
    first, second = known("G722").decoder(8000), known("G722").decoder(8000)
    made = []
    for at, packet in enumerate(packets):
        made += first.decode([packet])
        second.decode([packets[-1 - at]])
    assert np.array_equal(np.concatenate(made), alone)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("name", ["G722", "G729", "opus", "PCMA"])
def test_a_decoder_adds_less_than_two_milliseconds(name: str, rate: int) -> None:
    """Beside what encoder and decoder need themselves: 1.4 ms for G.722, 5 for G.729, 6.5 for Opus."""
    needed = {"G722": 22 / 16, "G729": 5.0, "opus": 6.5, "PCMA": 0.0}
    assert known(name).decoder(rate).delay / rate * 1000 < needed[name] + 2


def test_nothing_above_the_band_folds_into_it() -> None:
    """G.722 sound of 5.5 kHz is above what 8 kHz samples can hold; without a filter it would be a tone at 2.5 kHz."""
    tone = (8000 * np.sin(2 * np.pi * 5500 * np.arange(16000) / 16000)).astype(np.int16)
    codec = known("G722")
    packets = codec.payloads(tone, 20)
    wide = np.concatenate(codec.decoder(16000).decode(packets)).astype(float)
    narrow = np.concatenate(codec.decoder(8000).decode(packets)).astype(float)
    assert np.std(wide[800:]) > 5000
    assert np.std(narrow[800:]) < 200


def test_frames_of_g723_without_speech_are_silence() -> None:
    """A description of noise, nothing sent, and speech, in one packet of 90 ms."""
    speech = known("G723").payloads((8000 * np.sin(np.arange(2400) * 0.5)).astype(np.int16), 30)[5]
    (made,) = known("G723").decoder(8000).decode([b"\x02abc" + b"\x03" + speech])
    assert len(made) == 720
    assert not made[:480].any()
    assert np.abs(made[480:].astype(int)).max() > 500
