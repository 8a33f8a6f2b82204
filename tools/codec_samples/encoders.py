"""Encoders of Debian's libraries, called directly: spandsp, bcg729, OpenCORE and VisualOn."""

import ctypes
from collections.abc import Callable

import numpy as np

from tools.codec_samples.sound import Sound

# enum values of spandsp's headers
LEAST_BIT_FIRST, MOST_BIT_FIRST = 2, 1
_GSM_VOIP = 2
_AMR_122, _AMR_WB_2385 = 7, 8
_Pointer = ctypes.c_void_p


def g722(sound: Sound) -> bytes:
    """16 kHz, 64 kbit/s (spandsp)."""
    spandsp = ctypes.CDLL("libspandsp.so.2")
    return _spandsp(spandsp.g722_encode, _state(spandsp.g722_encode_init, None, 64000, 0), sound)


def g726(sound: Sound, bits: int, packing: int) -> bytes:
    """8 kHz, ``bits`` a sample (spandsp)."""
    spandsp = ctypes.CDLL("libspandsp.so.2")
    return _spandsp(spandsp.g726_encode, _state(spandsp.g726_init, None, 8000 * bits, 0, packing), sound)


def gsm(sound: Sound) -> bytes:
    """8 kHz, full rate, frames of 33 octets (spandsp)."""
    spandsp = ctypes.CDLL("libspandsp.so.2")
    whole = sound[: len(sound) // 160 * 160]
    return _spandsp(spandsp.gsm0610_encode, _state(spandsp.gsm0610_init, None, _GSM_VOIP), whole)


def _state(make: "ctypes._NamedFuncPointer", *arguments: int | None) -> _Pointer:
    make.restype = _Pointer
    return _Pointer(make(*arguments))


def _spandsp(encode: "ctypes._NamedFuncPointer", state: _Pointer, sound: Sound) -> bytes:
    encoded = ctypes.create_string_buffer(2 * len(sound))
    count = encode(state, encoded, sound.ctypes.data_as(_Pointer), len(sound))
    return encoded.raw[:count]


def g729(sound: Sound, *, silence_suppression: bool) -> list[bytes]:
    """Frames of 10 ms at 8 kHz: 10 octets, and with silence suppression 2 (comfort noise) or none (bcg729)."""
    bcg729 = ctypes.CDLL("libbcg729.so.0")
    state = _state(bcg729.initBcg729EncoderChannel, int(silence_suppression))
    return [_g729_frame(bcg729.bcg729Encoder, state, frame) for frame in _frames(sound, 80)]


def _g729_frame(encode: Callable[..., int], state: _Pointer, frame: Sound) -> bytes:
    encoded, length = ctypes.create_string_buffer(10), ctypes.c_uint8()
    encode(state, frame.ctypes.data_as(_Pointer), encoded, ctypes.byref(length))
    return encoded.raw[: length.value]


def amr(sound: Sound) -> list[bytes]:
    """Storage frames of 20 ms at 8 kHz, 12.2 kbit/s (OpenCORE)."""
    library = ctypes.CDLL("libopencore-amrnb.so.0")
    state = _state(library.Encoder_Interface_init, 0)
    return [_amr_frame(library.Encoder_Interface_Encode, state, _AMR_122, frame) for frame in _frames(sound, 160)]


def amr_wideband(sound: Sound) -> list[bytes]:
    """Storage frames of 20 ms at 16 kHz, 23.85 kbit/s (VisualOn)."""
    library = ctypes.CDLL("libvo-amrwbenc.so.0")
    state = _state(library.E_IF_init)
    return [_amr_frame(library.E_IF_encode, state, _AMR_WB_2385, frame) for frame in _frames(sound, 320)]


def _amr_frame(encode: Callable[..., int], state: _Pointer, mode: int, frame: Sound) -> bytes:
    encoded = ctypes.create_string_buffer(64)
    count = encode(state, mode, frame.ctypes.data_as(_Pointer), encoded, 0)
    return encoded.raw[:count]


def _frames(sound: Sound, samples: int) -> list[Sound]:
    return list(np.ascontiguousarray(sound[: len(sound) // samples * samples]).reshape(-1, samples))
