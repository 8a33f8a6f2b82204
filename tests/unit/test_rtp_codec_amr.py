"""AMR in both packings of RFC 4867, against OpenCORE's and VisualOn's encoders."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from telephony.rtp.codecs.amr import AMR, AMR_WB, Amr
from tests.encoded import compare, original, payloads

NO_REQUEST = 15
Pack = Callable[[Amr, Sequence[bytes]], bytes]


def aligned(codec: Amr, frames: Sequence[bytes]) -> bytes:
    """§4.4: storage frames have the same first octet as the table of contents, but for its ``F`` bit."""
    contents = bytes(frame[0] | (0x80 if at < len(frames) - 1 else 0) for at, frame in enumerate(frames))
    return bytes([NO_REQUEST << 4]) + contents + b"".join(frame[1:] for frame in frames)


def dense(codec: Amr, frames: Sequence[bytes]) -> bytes:
    """§4.3, written as a string of bits."""
    bits = f"{NO_REQUEST:04b}"
    for at, frame in enumerate(frames):
        bits += f"{int(at < len(frames) - 1)}{frame[0] >> 2 & 31:05b}"
    for frame in frames:
        bits += "".join(f"{octet:08b}" for octet in frame[1:])[: codec.sizes[frame[0] >> 3 & 15]]
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def stored(codec: Amr) -> list[bytes]:
    return payloads("amr", 32) if codec is AMR else payloads("amr-wb", 61)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("together", [1, 2, 3])
@pytest.mark.parametrize("pack", [aligned, dense])
@pytest.mark.parametrize("codec", [AMR, AMR_WB], ids=lambda codec: codec.encoding)
def test_sound_is_what_another_implementation_encoded(codec: Amr, pack: Pack, together: int, rate: int) -> None:
    frames = stored(codec)
    packets = [pack(codec, frames[at : at + together]) for at in range(0, len(frames), together)]
    decoder = codec.decoder(rate)
    made = [*decoder.decode(packets[:5]), *decoder.decode(packets[5:])]
    assert [len(samples) for samples in made] == [decoder.samples(packet) for packet in packets]
    assert sum(map(len, made)) == len(frames) * rate // 50
    assert decoder.undecodable == 0
    like = compare(made, original(rate, codec.native_rate), rate)
    assert like.correlation > (0.92 if codec is AMR or rate == 16000 else 0.84)
    assert abs(like.behind_ms - decoder.delay / rate * 1000) < 1


@pytest.mark.parametrize("pack", [aligned, dense])
def test_noise_nothing_and_damage_are_silence_in_their_place(pack: Pack) -> None:
    speech = stored(AMR)[60]
    noise, nothing, damaged = bytes([8 << 3 | 4]) + bytes(5), bytes([15 << 3 | 4]), bytes([speech[0] & ~4]) + speech[1:]
    decoder = AMR.decoder(8000)
    made = decoder.decode([pack(AMR, [frame]) for frame in (noise, nothing, damaged, speech)])
    assert [len(samples) for samples in made] == [160] * 4
    assert not np.concatenate(made[:3]).any()
    assert made[3].any()
    assert decoder.undecodable == 0


@pytest.mark.parametrize("payload", [b"", b"\xf0", b"\xf0\x3c" + bytes(30), b"\xf0\x3c" + bytes(32), b"\xff" * 40])
def test_what_fits_neither_packing_is_nothing(payload: bytes) -> None:
    assert AMR.decoder(8000).samples(payload) == 0
    assert [len(samples) for samples in AMR.decoder(8000).decode([payload])] == [0]


@pytest.mark.parametrize("frame_type", range(8))
def test_the_packings_are_told_apart(frame_type: int) -> None:
    """Whatever was said: of a thousand frames of each rate hardly one can be read in the other packing."""
    numbers, wrong = np.random.default_rng(frame_type), 0
    size = AMR.sizes[frame_type]
    for _ in range(1000):
        bits = int.from_bytes(numbers.bytes(40), "big") >> 320 - size << -size % 8
        frame = bytes([frame_type << 3 | 4]) + bits.to_bytes(-(-size // 8), "big")
        for pack in (aligned, dense):
            found = AMR.frames(pack(AMR, [frame]))
            wrong += [read.data for read in found] != [frame]
    assert wrong <= 3
