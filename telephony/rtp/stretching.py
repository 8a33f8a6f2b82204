"""Laying packets side by side when the sender's clock and ours differ.

Packets begin at whole samples of our clock.  Where the next one begins a sample later or earlier than this one is long,
this one is interpolated to fit (a windowed sinc of 16 taps); every other packet stays as it was, sample for sample.  At
200 ppm that is one packet of 20 ms in 31.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.codecs import Samples
from telephony.rtp.headers import Integers

HALF = 8
_KAISER_BETA = 8.0


def lay(buffer: Samples, positions: Integers, samples: Samples, following: int) -> None:
    """Copy packets (one a row, in order) to their places in ``buffer``; ``following`` is where the next one begins."""
    length = samples.shape[1]
    apart = np.diff(positions, append=following) - length
    plain = apart == 0
    if plain[:-1].all():
        # The usual case: one run, sample for sample.
        plain[-1] = abs(apart[-1]) > slack(length)
        if plain[-1] or apart[-1] == 0:
            buffer[positions[0] : positions[0] + samples.size] = samples.reshape(-1)
            return
    near = ~plain & (np.abs(apart) <= slack(length))
    fitted = _fit(samples, np.flatnonzero(near), apart)
    begin = 0
    for end in (*np.flatnonzero(~plain).tolist(), len(positions) - 1):
        whole = end if near[end] else end + 1
        if whole > begin:
            at = positions[begin]
            buffer[at : at + (whole - begin) * length] = samples[begin:whole].reshape(-1)
        if near[end] and end >= begin:
            piece = fitted[end]
            buffer[positions[end] : positions[end] + len(piece)] = piece
        begin = end + 1


def slack(length: int) -> int:
    """How many samples a packet may be longer or shorter than its place: more is a gap, or speech over speech."""
    return max(1, length // 100)


def _fit(samples: Samples, rows: Integers, apart: Integers) -> dict[int, Samples]:
    """Those packets that are to be longer or shorter by ``apart`` samples."""
    length = samples.shape[1]
    sound = np.pad(samples.reshape(-1), HALF, mode="edge").astype(np.float32)
    fitted: dict[int, Samples] = {}
    for more in np.unique(apart[rows]).tolist():
        alike = rows[apart[rows] == more]
        at, weights = _weights(length, length + more)
        made = np.einsum("pjt,jt->pj", sound[alike[:, None, None] * length + at], weights)
        rounded = np.clip(np.rint(made), -32768, 32767).astype(np.int16)
        fitted.update(zip(alike.tolist(), rounded, strict=True))
    return fitted


@cache
def _weights(length: int, target: int) -> tuple[Integers, NDArray[np.float32]]:
    """For each of ``target`` samples the 16 it comes from, as indices into the padded sound, and their weights."""
    place = np.arange(target) * length / target
    whole = np.floor(place).astype(np.int64)
    taps = np.arange(-HALF + 1, HALF + 1)
    distance = place[:, None] - (whole[:, None] + taps)
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / HALF) ** 2))) / np.i0(_KAISER_BETA)
    weights = np.sinc(distance) * window
    weights /= weights.sum(axis=1, keepdims=True)
    return whole[:, None] + taps + HALF, weights.astype(np.float32)
