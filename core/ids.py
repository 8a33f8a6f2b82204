"""Identifiers: UUID version 7 (RFC 9562, section 5.7), which sort by the time they were made."""

import secrets
import threading
from datetime import UTC, datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id(at: datetime | None = None) -> UUID:
    """A UUIDv7; identifiers made in one process strictly increase, also within one millisecond."""
    global _last
    moment = at or datetime.now(UTC)
    milliseconds = int(moment.timestamp() * 1000)
    with _lock:
        # 12 bits of rand_a count within the millisecond (RFC 9562, section 6.2, method 1).
        stamp = max(milliseconds << 12, _last + 1) if at is None else milliseconds << 12 | secrets.randbits(12)
        if at is None:
            _last = stamp
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)


def time_of(identifier: UUID) -> datetime:
    """The moment (UTC, to the millisecond) at which a UUIDv7 was made; ``ValueError`` for another version."""
    if identifier.version != 7:
        raise ValueError("not a version 7 UUID")
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
