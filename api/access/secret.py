"""Random secrets that are shown once and kept as their SHA-256: a copied database logs nobody in."""

import hashlib
import hmac
import secrets


def new_secret(prefix: str = "") -> str:
    """256 random bits, fit for headers and cookies."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a secret.  It is random, so that one plain hash is enough."""
    return hashlib.sha256(_octets(secret)).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(_octets(left), _octets(right))


def form_token(session_token: str) -> str:
    """The token that forms of a session carry against cross-site requests; tells nothing about the session token."""
    return hmac.new(_octets(session_token), b"huiyin form", hashlib.sha256).hexdigest()


def _octets(text: str) -> bytes:
    """Headers and cookies may hold what is no text: that is a wrong secret, not an error."""
    return text.encode(errors="backslashreplace")
