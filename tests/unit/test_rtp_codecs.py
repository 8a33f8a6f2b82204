"""G.711 against values of the standard and against itself."""

import subprocess
import sys

import numpy as np
import pytest

from telephony.rtp.codecs import PCMA, PCMU, Samples, by_payload_type, find
from telephony.rtp.codecs.g711 import G711

ALL_OCTETS = np.arange(256, dtype=np.uint8)
ALL_SAMPLES = np.arange(65536, dtype=np.uint16).view(np.int16)


@pytest.mark.parametrize(
    ("codec", "octet", "sample"),
    [
        # Ends and middles of the tables in ITU-T G.711, scaled to 16 bits.
        (PCMU, 0x80, 32124),
        (PCMU, 0x00, -32124),
        (PCMU, 0xFF, 0),
        (PCMU, 0xFE, 8),
        (PCMA, 0xAA, 32256),
        (PCMA, 0x2A, -32256),
        (PCMA, 0xD5, 8),
        (PCMA, 0x55, -8),
    ],
)
def test_decodes_the_values_of_the_standard(codec: G711, octet: int, sample: int) -> None:
    assert codec.decode(np.array([octet], np.uint8)).tolist() == [sample]


@pytest.mark.parametrize("codec", [PCMA, PCMU])
def test_every_octet_comes_back(codec: G711) -> None:
    again = codec.encode(codec.decode(ALL_OCTETS))
    # µ-law has two zeros; the encoder knows one.
    expected = np.where(ALL_OCTETS == 0x7F, 0xFF, ALL_OCTETS) if codec is PCMU else ALL_OCTETS
    assert np.array_equal(again, expected)


@pytest.mark.parametrize("codec", [PCMA, PCMU])
def test_every_sample_becomes_a_near_one(codec: G711) -> None:
    decoded = codec.decode(codec.encode(ALL_SAMPLES)).astype(np.int32)
    original = ALL_SAMPLES.astype(np.int32)
    # Half a step: a sixteenth of an octave, and 16 at the smallest; the loudest are clipped.
    assert (np.abs(decoded - original) <= np.maximum(np.abs(original) // 16, 16) + 1).all()


@pytest.mark.parametrize("codec", [PCMA, PCMU])
def test_rows_stay_rows(codec: G711) -> None:
    rows = ALL_OCTETS.reshape(2, 128)
    samples: Samples = codec.decode(rows)
    assert samples.shape == (2, 128)
    assert samples.dtype == np.int16


def test_finds_codecs_as_sdp_writes_them() -> None:
    assert find("pcma/8000") is find("PCMA/8000/1") is find("PCMA") is PCMA
    assert find("PCMU/16000") is None
    assert find("PCMA/8000/2") is None
    assert find("OPUS/48000") is find("opus/48000/2") is find("opus")
    assert find("G722") is find("g722/8000")
    assert find("G729a/8000") is find("G729AB") is find("G729")
    assert find("G729D/8000") is find("G729E/8000") is None
    assert find("G722/16000") is None
    assert find("") is find("EVS/16000") is find("a/b/c/d") is None


def test_wideband_codecs_say_so() -> None:
    rates = {codec.rtpmap: codec.native_rate for codec in map(find, ("PCMA", "G722", "opus", "G729")) if codec}
    assert rates == {"PCMA/8000": 8000, "G722/8000": 16000, "opus/48000/2": 48000, "G729/8000": 8000}


def test_agreed_payload_types_go_before_static_ones() -> None:
    static = {0: PCMU, 3: find("GSM"), 4: find("G723"), 8: PCMA, 9: find("G722"), 18: find("G729")}
    assert by_payload_type({}) == static
    assert by_payload_type({"96": "PCMA/8000", "101": "telephone-event/8000"}) == static | {96: PCMA}
    assert by_payload_type({"8": "opus/48000"}) == static | {8: find("opus")}
    assert 8 not in by_payload_type({"8": "EVS/16000"})
    assert all(codec.payload_type == number for number, codec in by_payload_type({}).items())


def test_who_receives_packets_loads_no_decoders() -> None:
    """Libraries that read what strangers send stay out of the process that must not die."""
    program = "import sys, telephony.recorder, telephony.rtp.capture; print('av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("codec", [PCMA, PCMU])
def test_a_decoder_gives_what_the_rows_give(codec: G711, rate: int) -> None:
    sound = (8000 * np.sin(np.arange(1600) * 2 * np.pi * 500 / 8000)).astype(np.int16)
    packets, decoder = codec.payloads(sound, 20), codec.decoder(rate)
    made = np.concatenate([*decoder.decode(packets[:3]), *decoder.decode(packets[3:])])
    assert [decoder.samples(packet) for packet in packets] == [rate // 50] * 10
    expected = codec.decode(codec.encode(sound))
    behind = made[decoder.delay :: rate // 8000].astype(int)
    settled = slice(40, 1500)
    assert np.abs(behind[settled] - expected[settled]).max() <= (0 if rate == 8000 else 300)
