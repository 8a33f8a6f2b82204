"""G.711 against values of the standard and against itself."""

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
    assert find("opus/48000/2") is None


def test_agreed_payload_types_go_before_static_ones() -> None:
    assert by_payload_type({}) == {0: PCMU, 8: PCMA}
    assert by_payload_type({"96": "PCMA/8000", "101": "telephone-event/8000"}) == {0: PCMU, 8: PCMA, 96: PCMA}
    assert by_payload_type({"8": "opus/48000"}) == {0: PCMU}
