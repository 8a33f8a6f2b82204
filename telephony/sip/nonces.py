"""The server's nonces for digest authentication: their age, and that each count serves once (RFC 7616 §5.4, §5.12)."""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass

NONCE_SECONDS = 300.0
# Requests of one nonce may overtake each other by this many (UDP).
_WINDOW = 64


@dataclass
class _Use:
    highest: int = 0
    seen: int = 0


class Nonces:
    """Nonces that prove their age by themselves, so that a challenge costs no memory; each count serves once."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._uses: dict[str, _Use] = {}

    def issue(self, now: float) -> str:
        """A nonce for ``NONCE_SECONDS``; ``now`` in monotonic seconds."""
        stamp = int(now * 1000).to_bytes(8, "big") + secrets.token_bytes(8)
        return base64.b64encode(stamp + self._seal(stamp)).decode()

    def take(self, nonce: str, count: int, now: float) -> bool:
        """Whether this use of the nonce is ours, in time and the first; notes it.  Call it for proven credentials only:
        strangers must not fill the memory."""
        if not self._fresh(nonce, now):
            return False
        self._forget_old(now)
        use = self._uses.setdefault(nonce, _Use())
        ahead = count - use.highest
        if ahead > 0:
            use.highest, use.seen = count, (use.seen << min(ahead, _WINDOW) | 1) & (1 << _WINDOW) - 1
            return True
        bit = 1 << -ahead if -ahead < _WINDOW else 0
        if not bit or use.seen & bit:
            return False
        use.seen |= bit
        return True

    def _fresh(self, nonce: str, now: float) -> bool:
        try:
            data = base64.b64decode(nonce, validate=True)
        except (binascii.Error, ValueError):
            return False
        issued = int.from_bytes(data[:8], "big") / 1000
        return hmac.compare_digest(data[16:], self._seal(data[:16])) and 0 <= now - issued + 0.001 <= NONCE_SECONDS

    def _seal(self, stamp: bytes) -> bytes:
        return hmac.digest(self._key, stamp, "sha256")[:16]

    def _forget_old(self, now: float) -> None:
        while self._uses:
            oldest = next(iter(self._uses))
            if self._fresh(oldest, now):
                return
            del self._uses[oldest]
