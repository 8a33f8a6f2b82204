"""One source while it is played: packets that are placed, waiting for their time, and its decoders."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from telephony.rtp.codecs import Codec, Decoder, Samples
from telephony.rtp.headers import Integers
from telephony.rtp.stretching import lay, slack


@dataclass(frozen=True)
class Sounding:
    """Decoded packets of one length: where each begins, and its samples, one packet a row."""

    positions: Integers
    samples: Samples


@dataclass(frozen=True, order=True)
class _Waiting:
    """A packet for a decoder with state, which must have it in its turn."""

    position: int
    payload_type: int
    payload: bytes


class Lane:
    """``rate`` is in samples a second; positions count samples of the file."""

    def __init__(self, codecs: Mapping[int, Codec], rate: int) -> None:
        self._codecs, self._rate = codecs, rate
        self._decoders: dict[int, Decoder] = {}
        self._sounding: list[Sounding] = []
        self._waiting: list[_Waiting] = []
        # Which decoder had a packet last, and where that ended.
        self._last: tuple[int, int] | None = None
        self.heard = self.late = 0

    @property
    def undecodable(self) -> int:
        """Packets whose place is silence because their codec could not read them."""
        return sum(decoder.undecodable for decoder in self._decoders.values())

    @property
    def empty(self) -> bool:
        return not self._sounding and not self._waiting

    def add_rows(self, positions: Integers, samples: Samples) -> None:
        """Packets of one length that are decoded already."""
        self._sounding.append(Sounding(positions, samples))

    def add_payload(self, position: int, payload_type: int, payload: bytes) -> None:
        """A packet that waits for the ones before it."""
        self._waiting.append(_Waiting(position, payload_type, payload))

    def play(self, start: int, stop: int) -> Samples | None:
        """What begins before ``stop``, from ``start`` on and as long as it takes; ``None``: nothing."""
        self._decode(stop)
        due = [part for part in self._due(stop) if len(part[0].positions)]
        if not due:
            return None
        longest = max(sounding.samples.shape[1] for sounding, _ in due)
        buffer = np.zeros(stop - start + 2 * longest, np.int16)
        for sounding, following in due:
            positions, samples = sounding.positions - start, sounding.samples
            late = positions < 0
            if late.any():
                self.late += int(late.sum())
                positions, samples = positions[~late], samples[~late]
            if len(positions):
                lay(buffer, positions, samples, following - start)
                self.heard += samples.size
        return buffer

    def _due(self, stop: int) -> list[tuple[Sounding, int]]:
        """The packets of each length that begin before ``stop``, and where the next one begins."""
        alike: dict[int, list[Sounding]] = {}
        for sounding in self._sounding:
            alike.setdefault(sounding.samples.shape[1], []).append(sounding)
        due, self._sounding = [], []
        for parts in alike.values():
            whole = _joined(parts)
            count = int(np.searchsorted(whole.positions, stop))
            if count < len(whole.positions):
                self._sounding.append(Sounding(whole.positions[count:], whole.samples[count:]))
            following = int(whole.positions[count]) if count < len(whole.positions) else stop + self._rate
            due.append((Sounding(whole.positions[:count], whole.samples[:count]), following))
        return due

    def _decode(self, stop: int) -> None:
        """Give the decoders what is due, in the order of the timeline."""
        self._waiting.sort()
        # One packet more, so that the last one due knows where the next begins.
        count = next(
            (index + 1 for index, each in enumerate(self._waiting) if each.position >= stop), len(self._waiting)
        )
        turn, self._waiting = self._waiting[:count], self._waiting[count:]
        run: list[_Waiting] = []
        for packet in turn:
            if run and packet.payload_type != run[-1].payload_type:
                self._decode_run(run)
                run = []
            run.append(packet)
        if run:
            self._decode_run(run)

    def _decode_run(self, run: list[_Waiting]) -> None:
        """Consecutive packets of one codec; the decoder is told where some are missing."""
        payload_type = run[0].payload_type
        decoder = self._decoder(payload_type)
        adjoining: list[_Waiting] = []
        for packet in run:
            length = decoder.samples(packet.payload)
            # Samples from where this codec's sound ended; another codec's was in between, or nothing yet.
            apart = packet.position - self._last[1] if self._last and self._last[0] == payload_type else None
            if apart is not None and apart < -slack(length):
                self.late += 1
                continue
            if apart is None or apart > slack(length):
                self._emit(decoder, adjoining)
                adjoining = []
                if self._last:
                    decoder.gap()
            adjoining.append(packet)
            self._last = payload_type, packet.position + length
        self._emit(decoder, adjoining)

    def _emit(self, decoder: Decoder, packets: list[_Waiting]) -> None:
        if not packets:
            return
        decoded = decoder.decode([packet.payload for packet in packets])
        positions = np.array([packet.position - decoder.delay for packet in packets], np.int64)
        lengths = np.array([len(samples) for samples in decoded])
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            self._sounding.append(Sounding(positions[rows], np.stack([decoded[row] for row in rows])))

    def _decoder(self, payload_type: int) -> Decoder:
        if payload_type not in self._decoders:
            self._decoders[payload_type] = self._codecs[payload_type].decoder(self._rate)
        return self._decoders[payload_type]


def _joined(parts: list[Sounding]) -> Sounding:
    """In the order of the timeline."""
    if len(parts) > 1:
        whole = Sounding(
            np.concatenate([part.positions for part in parts]), np.concatenate([part.samples for part in parts])
        )
    else:
        whole = parts[0]
    if (np.diff(whole.positions) < 0).any():
        order = np.argsort(whole.positions, kind="stable")
        return Sounding(whole.positions[order], whole.samples[order])
    return whole
