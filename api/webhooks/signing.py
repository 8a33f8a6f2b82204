"""Signatures in the manner of Standard Webhooks 1.0: HMAC-SHA-256 (RFC 2104) over ``id.timestamp.body``, in base64.

A secret is shown as ``whsec_`` and base64.  The header holds a signature by each secret in force, parted by spaces.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256

PREFIX, VERSION = "whsec_", "v1"
SECRET_BYTES = 32


def new_secret() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """The secret as its subscriber is given it."""
    return PREFIX + base64.b64encode(secret).decode()


def parse_secret(text: str) -> bytes:
    """The octets of a secret as it is shown; ``ValueError`` otherwise."""
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        found = b""
    if not text.startswith(PREFIX) or not found:
        raise ValueError("expected whsec_ and base64")
    return found


def sign(secret: bytes, message: str, timestamp: int, body: bytes) -> str:
    """One signature; ``timestamp`` in seconds since 1970."""
    signed = f"{message}.{timestamp}.".encode() + body
    return f"{VERSION},{base64.b64encode(hmac.digest(secret, signed, sha256)).decode()}"


def headers(in_force: Sequence[bytes], message: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The three headers of one try."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message, timestamp, body) for secret in in_force),
    }
