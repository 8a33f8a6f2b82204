"""What a codec is: a name and a clock in SDP, and fresh decoders and encoders for the sound of one source."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import Refused

Octets = NDArray[np.uint8]
Samples = NDArray[np.int16]

# Samples a second of telephone sound, and of a file in which a stream is wideband.
SAMPLE_RATE = 8000
WIDE_RATE = 16000
SENDABLE = "PCMA, PCMU, G722, opus, L16 or G726-32"


class Decoder(Protocol):
    """The state of one source; payloads come in the order of their sequence numbers, without duplicates.

    ``undecodable`` counts payloads whose place is silence because they could not be decoded.  ``delay`` is how many
    samples the sound lies behind its RTP timestamp: what the encoder looked ahead and the filters here.
    """

    undecodable: int

    @property
    def delay(self) -> int:
        """Samples at the decoder's rate."""

    def samples(self, payload: bytes) -> int:
        """How many samples a payload is, told without decoding; 0: no sound is in it."""

    def decode(self, payloads: Sequence[bytes]) -> list[Samples]:
        """Exactly ``samples(payload)`` samples for each payload; whatever the octets are, nothing is raised."""

    def gap(self) -> None:
        """Packets are missing before the next one."""


@dataclass(frozen=True)
class Codec(ABC):
    """``encoding`` and ``clock_rate`` as in an SDP rtpmap; ``payload_type`` is the static one (RFC 3551 §6).

    ``clock_rate`` counts RTP timestamps, ``native_rate`` the samples of the sound: above 8,000 it is wideband.
    """

    encoding: str
    clock_rate: int
    native_rate: int
    payload_type: int | None = None

    @property
    def rtpmap(self) -> str:
        """``PCMA/8000``."""
        return f"{self.encoding}/{self.clock_rate}"

    @property
    def file_rate(self) -> int:
        """The sample rate that a file needs to hold this sound: 8,000 or 16,000."""
        return WIDE_RATE if self.native_rate > SAMPLE_RATE else SAMPLE_RATE

    @property
    def rows(self) -> Callable[[Octets], Samples] | None:
        """For codecs without state: octets of any shape to samples of that shape, at ``native_rate``."""
        return None

    @abstractmethod
    def decoder(self, rate: int) -> Decoder:
        """A decoder with fresh state that gives ``rate`` (8,000 or 16,000) samples a second."""

    def payloads(self, sound: Samples, packet_ms: int) -> list[bytes]:
        """A whole sound, at ``file_rate``, as packets of ``packet_ms``, the last one padded with silence.

        ``Refused`` where we have no encoder, or the codec no such packets.
        """
        raise Refused("sound cannot be sent in this codec", found=self.rtpmap, expected=SENDABLE)
