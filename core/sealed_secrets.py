"""Secrets that the program must be able to read again (shared secrets, signing secrets): sealed before they are stored.

A database, a backup of it or a look into it shows nothing without the key, which lies in a file of its own.  Sealed
with AES-256-GCM (NIST SP 800-38D) under a random 96-bit nonce; the purpose is associated data, so that a sealed value
cannot be moved to another row or column.  Separate keys for sealing and for marks are derived from the file's by HKDF
(RFC 5869).  The only importer of the ciphers of ``cryptography``.
"""

import base64
import binascii
import hmac
import logging
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import Damaged, SettingsError
from core.key_files import write_new_key

log = logging.getLogger(__name__)

VARIABLE = "HUIYIN_SECRET_KEY_FILE"
KEY_BYTES, NONCE_BYTES = 32, 12
_HEAD, _FORM = "huiyin-secret-key", "sealed1"


@dataclass(frozen=True)
class SecretBox:
    """Seals with one key.  ``number`` names the key in what it sealed; it tells nothing about it."""

    key: bytes = field(repr=False)
    number: str

    @classmethod
    def open(cls, path: Path) -> Self:
        """The box whose key is in this file; ``SettingsError`` where there is none that can be used."""
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            remedy = "copy it from the host that has it, or make it with `huiyin migrate`"
            raise SettingsError(f"{VARIABLE}: there is no {path}; {remedy}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{VARIABLE}: cannot read {path}: {error}") from None
        key = _parse(text)
        if key is None:
            raise SettingsError(f"{VARIABLE}: {path} holds no key for secrets; restore it from its backup")
        return cls(key, _derived(key, b"number").hex()[:8])

    @classmethod
    def ensure(cls, path: Path) -> Self:
        """The same, and the file is made where there is none yet; it is readable by its owner only."""
        if not path.exists():
            _make(path)
        return cls.open(path)

    def seal(self, plain: bytes, purpose: str) -> str:
        """The sealed form, ASCII; ``purpose`` says which secret of whom it is and is needed to read it again."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(_derived(self.key, b"seal")).encrypt(nonce, plain, purpose.encode())
        return f"{_FORM}.{self.number}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def unseal(self, sealed: str, purpose: str) -> bytes:
        """What was sealed; ``SettingsError`` where another key sealed it, ``Damaged`` where it was changed or belongs
        to another purpose."""
        form, number, coded = (*sealed.split(".", 2), "", "")[:3]
        if form == _FORM and number != self.number:
            raise SettingsError(
                f"{VARIABLE}: the key in force is not the one that sealed a stored secret; restore that one",
                expected=self.number,
                found=number[:8],
            )
        joined = _decoded(coded) if form == _FORM else b""
        try:
            nonce, body = joined[:NONCE_BYTES], joined[NONCE_BYTES:]
            return AESGCM(_derived(self.key, b"seal")).decrypt(nonce, body, purpose.encode())
        except (ValueError, InvalidTag):
            raise Damaged("a stored secret was changed, or belongs to another purpose", expected=_FORM) from None

    def mark(self, plain: bytes, purpose: str) -> str:
        """64 hexadecimal digits that are the same for the same value and purpose, and tell nothing without the key: to
        find a sealed value again (HMAC-SHA-256, RFC 2104)."""
        length = len(purpose.encode()).to_bytes(4, "big")
        return hmac.new(_derived(self.key, b"mark"), length + purpose.encode() + plain, sha256).hexdigest()


def _derived(key: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"huiyin " + use).derive(key)


def _decoded(coded: str) -> bytes:
    """Only the one spelling that we print; nothing otherwise."""
    try:
        joined = base64.urlsafe_b64decode(coded)
    except (binascii.Error, ValueError):
        return b""
    return joined if base64.urlsafe_b64encode(joined).decode() == coded else b""


def _parse(text: str) -> bytes | None:
    head, _, coded = text.strip().partition("+")
    try:
        key = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if head == _HEAD and len(key) == KEY_BYTES else None


def _make(path: Path) -> None:
    if write_new_key(path, f"{_HEAD}+{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"):
        log.warning("a new key seals stored secrets; keep a copy of it", extra={"facts": {"file": path}})
