"""Which codecs there are, by their names in SDP and by payload type."""

from collections.abc import Mapping

from telephony.rtp.codecs.amr import AMR, AMR_WB
from telephony.rtp.codecs.codec import Codec
from telephony.rtp.codecs.framed import FRAME_CODECS
from telephony.rtp.codecs.g711 import PCMA, PCMU
from telephony.rtp.codecs.g723 import G723
from telephony.rtp.codecs.linear import LINEAR_CODECS
from telephony.rtp.codecs.opus import OPUS

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
CODECS: tuple[Codec, ...] = (PCMU, PCMA, *FRAME_CODECS, OPUS, *LINEAR_CODECS, AMR, AMR_WB, G723)
# Bare names mean the usual clock: the first of a name.
_by_name: Mapping[str, Codec] = {
    name.upper(): codec
    for codec in reversed(CODECS)
    for name in (codec.encoding, f"{codec.encoding}/{codec.clock_rate}")
}
# What gateways write for a codec whose annexes change nothing in how it is decoded.
_ALIASES = {"G729A": "G729", "G729B": "G729", "G729AB": "G729", "G723.1": "G723", "G7231": "G723", "GSM-FR": "GSM"}


def find(rtpmap: str) -> Codec | None:
    """The codec of an rtpmap (``pcma/8000``, ``PCMA/8000/1``) or of a bare encoding name, or ``None``."""
    name, clock_rate, channels = (*rtpmap.upper().split("/"), "", "")[:3]
    name = _ALIASES.get(name, name)
    codec = _by_name.get(f"{name}/{clock_rate}") if clock_rate else _by_name.get(name)
    # Opus always says two channels, whatever it carries (RFC 7587 §7).
    return codec if codec is OPUS or channels in ("", "1") else None


def by_payload_type(agreed: Mapping[str, str]) -> dict[int, Codec]:
    """Codecs by payload type: what SDP agreed (``{"8": "PCMA/8000"}``), over the static types of RFC 3551."""
    rtpmaps = {**STATIC_PAYLOADS, **agreed}
    found = {int(payload_type): find(rtpmap) for payload_type, rtpmap in rtpmaps.items()}
    return {payload_type: codec for payload_type, codec in found.items() if codec}
