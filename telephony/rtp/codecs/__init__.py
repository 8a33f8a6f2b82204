"""Codecs that an RTP payload may be in: ``registry`` finds them by their names in SDP, ``codec`` says what one is.

A codec gives fresh decoders, one for each source: ``codec.decoder(rate).decode(payloads)``.  G.711 has no state and
turns whole arrays besides (``codec.rows``).
"""

from telephony.rtp.codecs.codec import SAMPLE_RATE, SENDABLE, WIDE_RATE, Codec, Decoder, Octets, Samples
from telephony.rtp.codecs.g711 import PCMA, PCMU
from telephony.rtp.codecs.registry import CODECS, STATIC_PAYLOADS, by_payload_type, find

__all__ = [
    "CODECS",
    "PCMA",
    "PCMU",
    "SAMPLE_RATE",
    "SENDABLE",
    "STATIC_PAYLOADS",
    "WIDE_RATE",
    "Codec",
    "Decoder",
    "Octets",
    "Samples",
    "by_payload_type",
    "find",
]
