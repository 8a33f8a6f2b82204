"""Which codecs there are, by their names in SDP and by payload type."""

from collections.abc import Mapping

from telephony.rtp.codecs.codec import SAMPLE_RATE, Codec
from telephony.rtp.codecs.g711 import PCMA, PCMU

# Audio payload types that need no rtpmap (RFC 3551 §6, table 4), known to us or not.
STATIC_PAYLOADS: Mapping[str, str] = {
    "0": "PCMU/8000",
    "3": "GSM/8000",
    "4": "G723/8000",
    "5": "DVI4/8000",
    "6": "DVI4/16000",
    "7": "LPC/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "10": "L16/44100",
    "11": "L16/44100",
    "12": "QCELP/8000",
    "13": "CN/8000",
    "14": "MPA/90000",
    "15": "G728/8000",
    "16": "DVI4/11025",
    "17": "DVI4/22050",
    "18": "G729/8000",
}
_CODECS: tuple[Codec, ...] = (PCMU, PCMA)
_by_rtpmap: Mapping[str, Codec] = {codec.rtpmap.upper(): codec for codec in _CODECS}


def find(rtpmap: str) -> Codec | None:
    """The codec of an rtpmap (``pcma/8000``, ``PCMA/8000/1``) or of a bare encoding name, or ``None``."""
    name, _, rest = rtpmap.upper().partition("/")
    return _by_rtpmap.get(f"{name}/{rest.partition('/')[0] or SAMPLE_RATE}")


def by_payload_type(agreed: Mapping[str, str]) -> dict[int, Codec]:
    """Codecs by payload type: what SDP agreed (``{"8": "PCMA/8000"}``), over the static types of RFC 3551."""
    rtpmaps = {**STATIC_PAYLOADS, **agreed}
    found = {int(payload_type): find(rtpmap) for payload_type, rtpmap in rtpmaps.items()}
    return {payload_type: codec for payload_type, codec in found.items() if codec}
