"""Every codec with state, against sound that another implementation encoded."""

from dataclasses import dataclass

import numpy as np
import pytest

from telephony.rtp.codecs import Codec, Samples, find
from tests.encoded import Likeness, compare, frames, ogg_packets, original, payloads


@dataclass(frozen=True)
class Sample:
    """Packets and what must come of them.  ``level``: how loud they are against the original."""

    rtpmap: str
    name: str
    octets: int
    correlation: float
    snr_db: float
    level: float = 1.0
    # Encoders that look ahead less than libopus does lie earlier.
    within_ms: float = 1.0

    def packets(self) -> list[bytes]:
        return payloads(self.name, self.octets) if self.octets else ogg_packets(self.name)


SAMPLES = [
    Sample("G722/8000", "g722", 160, 0.995, 22),
    Sample("G726-16/8000", "g726-16", 40, 0.985, 15),
    Sample("G726-24/8000", "g726-24", 60, 0.99, 20),
    Sample("G726-32/8000", "g726-32", 80, 0.995, 22),
    # libavcodec's decoder parts from ITU-T G.726 at this rate: understandable, and three decibels quieter.
    Sample("G726-40/8000", "g726-40", 100, 0.96, 9),
    Sample("AAL2-G726-24/8000", "aal2-g726-24", 60, 0.99, 20),
    Sample("AAL2-G726-32/8000", "aal2-g726-32", 80, 0.995, 22),
    # The sweep is more than full rate GSM can follow.
    Sample("GSM/8000", "gsm", 33, 0.8, 4),
    Sample("G729/8000", "g729", 20, 0.9, 7),
    Sample("opus/48000/2", "opus-20ms.opus", 0, 0.83, 5),
    Sample("opus/48000/2", "opus-10ms-dtx.opus", 0, 0.83, 5),
    Sample("opus/48000/2", "opus-60ms-stereo.opus", 0, 0.98, 15, level=0.75),
    Sample("opus/48000/2", "opus-celt.opus", 0, 0.97, 13, within_ms=4.5),
]


def known(rtpmap: str) -> Codec:
    codec = find(rtpmap)
    assert codec
    return codec


def decoded(codec: Codec, rate: int, packets: list[bytes]) -> list[Samples]:
    """Decoded in batches of different sizes; each packet as long as it was said to be."""
    decoder, given, made = codec.decoder(rate), packets, []
    for size in (1, 2, 50, len(packets)):
        batch, given = given[:size], given[size:]
        made += decoder.decode(batch)
    assert [len(samples) for samples in made] == [decoder.samples(packet) for packet in packets]
    assert {samples.dtype for samples in made} == {np.dtype(np.int16)}
    assert decoder.undecodable == 0
    return made


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_sound_is_what_another_implementation_encoded(sample: Sample, rate: int) -> None:
    codec = known(sample.rtpmap)
    made = decoded(codec, rate, sample.packets())
    like = compare(made, original(rate, codec.native_rate) * sample.level, rate)
    assert like.correlation > sample.correlation
    assert like.snr_db > sample.snr_db
    # The decoder says how far behind it is; what is left is within a millisecond.
    assert abs(like.behind_ms - codec.decoder(rate).delay / rate * 1000) < sample.within_ms
    assert like.behind_ms < 10


def test_the_two_packings_of_g726_are_told_apart() -> None:
    """Octets filled from the wrong end are noise: a test that took either would prove nothing."""
    wrong = decoded(known("AAL2-G726-32/8000"), 8000, payloads("g726-32", 80))
    assert compare(wrong, original(8000, 8000), 8000).correlation < 0.6


@pytest.mark.parametrize("milliseconds", [10, 20, 30, 40, 50, 60])
@pytest.mark.parametrize(
    ("rtpmap", "name", "octets_10_ms"),
    [
        ("G722/8000", "g722", 80),
        ("G729/8000", "g729", 10),
        ("G726-24/8000", "g726-24", 30),
        ("G726-32/8000", "g726-32", 40),
    ],
)
def test_packet_times_change_nothing(rtpmap: str, name: str, octets_10_ms: int, milliseconds: int) -> None:
    packets = payloads(name, octets_10_ms * milliseconds // 10)
    decoder = known(rtpmap).decoder(8000)
    assert decoder.samples(packets[0]) == 8 * milliseconds
    whole = np.concatenate(known(rtpmap).decoder(8000).decode(payloads(name, len(b"".join(packets)))))
    assert np.array_equal(np.concatenate(decoder.decode(packets)), whole)


def _with_silence_suppression() -> Likeness:
    decoder, missing = known("G729/8000").decoder(8000), False
    timeline: list[Samples] = []
    for frame in frames("g729b"):
        if missing and frame:
            decoder.gap()
        missing = not frame
        timeline += decoder.decode([frame]) if frame else [np.zeros(80, np.int16)]
    assert decoder.undecodable == 0
    return compare(timeline, original(8000, 8000), 8000)


def test_comfort_noise_frames_of_g729_are_silence_in_their_place() -> None:
    described = [frame for frame in frames("g729b") if len(frame) == 2]
    decoder = known("G729/8000").decoder(8000)
    assert len(described) > 3
    assert [samples.tolist() for samples in decoder.decode(described)] == [[0] * 80] * len(described)
    # After two frames of speech in one packet (RFC 3551 §4.5.6).
    assert len(decoder.decode([payloads("g729", 20)[20] + described[0]])[0]) == 240
    like = _with_silence_suppression()
    assert like.correlation > 0.9
    assert abs(like.behind_ms - 5) < 1


def test_discontinuous_opus_keeps_its_places() -> None:
    """Packets that the encoder would not have sent are missing; what is said later lies where it did."""
    packets, decoder = ogg_packets("opus-10ms-dtx.opus"), known("opus/48000/2").decoder(16000)
    timeline: list[Samples] = []
    empty = [packet for packet in packets if len(packet) < 3]
    assert len(empty) > 5
    assert not np.concatenate(known("opus").decoder(8000).decode(packets[60:61] + empty)[1:])[40:].any()
    for packet in packets:
        if len(packet) < 3:
            decoder.gap()
        timeline += decoder.decode([packet]) if len(packet) >= 3 else [np.zeros(160, np.int16)]
    like = compare(timeline, original(16000, 48000), 16000)
    assert like.correlation > 0.83
    assert abs(like.behind_ms - decoder.delay / 16) < 1


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_after_a_gap_the_sound_comes_back_without_a_click(sample: Sample) -> None:
    """Ten packets out of the speech are missing.  Nothing gets louder than the sound was, and soon it is the same."""
    codec, packets = known(sample.rtpmap), sample.packets()
    whole = decoded(codec, 8000, packets)
    cut = len(packets) * 6 // 10
    decoder = codec.decoder(8000)
    before = decoder.decode(packets[:cut])
    decoder.gap()
    after = decoder.decode(packets[cut + 10 :])
    # A Resampler begins anew: 4 ms are its own.
    assert np.array_equal(np.concatenate(before), np.concatenate(whole[:cut]))
    heard = np.concatenate(after).astype(float)
    expected = np.concatenate(whole[cut + 10 :]).astype(float)
    assert np.abs(heard).max() < 1.3 * np.abs(np.concatenate(whole)).max()
    settled = slice(8000 // 10, None)
    assert np.corrcoef(heard[settled], expected[settled])[0, 1] > 0.9
