"""Signed tree heads: C2SP signed notes (c2sp.org/signed-note) that hold a checkpoint (c2sp.org/tlog-checkpoint).

The only importer of the signatures of ``cryptography``.  They are Ed25519 (RFC 8032), note signature type 0x01.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
_NAME = r"[^\s+]+"
_SIGNATURE = re.compile(rf"— ({_NAME}) ([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class VerifierKey:
    """Who signs: a name and a public key, printed as ``name+0a1b2c3d+base64`` (the vkey of C2SP signed notes)."""

    name: str
    public: bytes

    @property
    def number(self) -> bytes:
        """The four octets that a signature carries to name its key."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises ``ValueError`` for anything but an Ed25519 verifier key whose number fits."""
        found = re.fullmatch(rf"({_NAME})\+([0-9a-f]{{8}})\+([A-Za-z0-9+/=]+)", text.strip())
        data = _decode(found[3]) if found else b""
        if not found or data[:1] != ED25519 or len(data) != 33:
            raise ValueError("not an Ed25519 verifier key")
        key = cls(found[1], data[1:])
        if key.number.hex() != found[2]:
            raise ValueError("the number of a verifier key does not fit it")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.number.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


@dataclass(frozen=True)
class SigningKey:
    """A name and an Ed25519 private key of 32 octets."""

    name: str
    private: bytes

    @classmethod
    def generate(cls, name: str) -> "SigningKey":
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read ``NAME BASE64``; the error never shows what was read."""
        name, _, encoded = text.strip().partition(" ")
        private = _decode(encoded)
        if not re.fullmatch(_NAME, name) or len(private) != 32:
            raise ValueError("not a signing key")
        return cls(name, private)

    def secret(self) -> str:
        """What ``parse`` reads; for a file that only the service may read."""
        return f"{self.name} {base64.b64encode(self.private).decode()}\n"

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(
            self.name, Ed25519PrivateKey.from_private_bytes(self.private).public_key().public_bytes_raw()
        )

    def sign(self, text: str) -> str:
        """A note: the text, an empty line, and one signature over the text."""
        signature = Ed25519PrivateKey.from_private_bytes(self.private).sign(text.encode())
        return f"{text}\n— {self.name} {base64.b64encode(self.verifier.number + signature).decode()}\n"

    def __repr__(self) -> str:
        return f"SigningKey({self.name})"


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: which log, how many leaves, their Merkle root."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Raises ``ValueError`` unless the text is exactly a checkpoint (extension lines are not ours)."""
        lines = text.split("\n")
        if len(lines) != 4 or not lines[0] or lines[3]:
            raise ValueError("not a checkpoint")
        root = _decode(lines[2])
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", lines[1]) or len(root) != 32:
            raise ValueError("not a checkpoint")
        return cls(lines[0], int(lines[1]), root)


def open_note(note: str, keys: Iterable[VerifierKey]) -> str:
    """The text of a note that one of ``keys`` signed.  ``ValueError`` says whether the form, the signer or the
    signature is wrong."""
    text, _, signatures = note.rpartition("\n\n")
    known = {(key.name, key.number): key for key in keys}
    lines = signatures.splitlines()
    if not text or not lines:
        raise ValueError("not a signed note")
    for line in lines:
        found = _SIGNATURE.fullmatch(line)
        data = _decode(found[2]) if found else b""
        if not found or len(data) < 5:
            raise ValueError("not a signed note")
        key = known.get((found[1], data[:4]))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(data[4:], f"{text}\n".encode())
        except InvalidSignature:
            raise ValueError("the signature does not fit the text") from None
        return f"{text}\n"
    raise ValueError("signed by an unknown key")


def signers(note: str) -> list[str]:
    """Names and numbers of the keys that a note says it was signed with; for saying who did."""
    found = [_SIGNATURE.fullmatch(line) for line in note.rpartition("\n\n")[2].splitlines()]
    return [f"{one[1]}+{_decode(one[2])[:4].hex()}" for one in found if one]


def _decode(text: str) -> bytes:
    """The octets, or none for text that is not their only encoding (RFC 4648, 3.5: no stray bits at the end)."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return octets if base64.b64encode(octets).decode() == text else b""
