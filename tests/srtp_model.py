"""SRTP written out from RFC 3711 and RFC 7714, over another library than the recorder: slow, and to be checked with."""

import hmac
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_E = 0x8000_0000
# Octets of key, salt, SRTP tag and SRTCP tag; tag 0: AEAD.
_SIZES = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14, 10, 10),
    "AES_CM_128_HMAC_SHA1_32": (16, 14, 4, 10),
    "AES_256_CM_HMAC_SHA1_80": (32, 14, 10, 10),
    "AES_256_CM_HMAC_SHA1_32": (32, 14, 4, 10),
    "AES_CM_256_HMAC_SHA1_80": (32, 14, 10, 10),
    "AES_CM_256_HMAC_SHA1_32": (32, 14, 4, 10),
    "AEAD_AES_128_GCM": (16, 12, 0, 0),
    "AEAD_AES_256_GCM": (32, 12, 0, 0),
}


def keystream(key: bytes, counter: int, size: int) -> bytes:
    """AES in counter mode from a 128-bit counter on (RFC 3711 §4.1.1)."""
    return Cipher(algorithms.AES(key), modes.CTR(counter.to_bytes(16, "big"))).encryptor().update(bytes(size))


def derive(key: bytes, salt: bytes, label: int, size: int) -> bytes:
    """RFC 3711 §4.3.1, key derivation rate 0; a shorter salt has zeros behind it (RFC 7714 §11)."""
    padded = int.from_bytes(salt.ljust(14, b"\0"), "big")
    return keystream(key, (padded ^ label << 48) << 16, size)


def gcm(key: bytes, salt: bytes, parts: tuple[int, int, int, int], plain: bytes, associated: bytes) -> bytes:
    """RFC 7714 §8.1, §9.1: ``parts`` are the 16, 32, 16 or 32 and 32 or 16 bits of the IV before salting."""
    mixed = int.from_bytes(struct.pack(">HIIH", *parts)) ^ int.from_bytes(salt)
    return AESGCM(key).encrypt(mixed.to_bytes(12, "big"), plain, associated)


@dataclass
class Sender:
    """A sender's side with one master key; packets have no CSRC and no extension.  ``open_`` …: not encrypted."""

    suite: str
    material: bytes
    mki: bytes = b""
    open_rtp: bool = False
    open_rtcp: bool = False

    def protect(self, packet: bytes, rollovers: int = 0) -> bytes:
        key, salt, auth, tag, _ = self._session(0)
        head, plain = packet[:12], packet[12:]
        sequence, ssrc = struct.unpack_from(">H", packet, 2)[0], struct.unpack_from(">I", packet, 8)[0]
        if not tag:
            parts = (0, ssrc, rollovers, sequence)
            if self.open_rtp:
                return packet + gcm(key, salt, parts, b"", packet) + self.mki
            return head + gcm(key, salt, parts, plain, head) + self.mki
        index = rollovers << 16 | sequence
        hidden = packet if self.open_rtp else head + self._mask(key, salt, ssrc, index, plain)
        return hidden + self.mki + hmac.digest(auth, hidden + struct.pack(">I", rollovers), "sha1")[:tag]

    def protect_rtcp(self, compound: bytes, index: int) -> bytes:
        key, salt, auth, _, tag = self._session(3)
        head, plain, trailer = compound[:8], compound[8:], struct.pack(">I", index if self.open_rtcp else _E | index)
        (ssrc,) = struct.unpack_from(">I", compound, 4)
        if not tag:
            parts = (0, ssrc, index >> 16, index & 0xFFFF)
            if self.open_rtcp:
                return compound + gcm(key, salt, parts, b"", compound + trailer) + trailer + self.mki
            return head + gcm(key, salt, parts, plain, head + trailer) + trailer + self.mki
        hidden = (compound if self.open_rtcp else head + self._mask(key, salt, ssrc, index, plain)) + trailer
        return hidden + self.mki + hmac.digest(auth, hidden, "sha1")[:tag]

    def _session(self, label: int) -> tuple[bytes, bytes, bytes, int, int]:
        size, salt_size, tag, rtcp_tag = _SIZES[self.suite]
        key, salt = self.material[:size], self.material[size:]
        return (
            derive(key, salt, label, size),
            derive(key, salt, label + 2, salt_size),
            derive(key, salt, label + 1, 20),
            tag,
            rtcp_tag,
        )

    @staticmethod
    def _mask(key: bytes, salt: bytes, ssrc: int, index: int, data: bytes) -> bytes:
        counter = int.from_bytes(salt) << 16 ^ ssrc << 64 ^ index << 16
        return bytes(a ^ b for a, b in zip(data, keystream(key, counter, len(data)), strict=True))
