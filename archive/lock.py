"""The rules of lock dates and keys that both stores keep to, whatever lies beneath them.  Pure."""

import re
from datetime import UTC, datetime, timedelta

from core.clock import require_utc
from core.errors import NotFound, Refused

LATEST_YEAR = 2100
LONGEST_KEY = 400
# No leading dot (no "..", no hidden file), no leading "@" (the local store's versions), nothing that a server or a
# file system reads in a way of its own.
_SEGMENT = re.compile(r"[A-Za-z0-9_~][A-Za-z0-9._~=-]{0,199}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}")


def require_key(key: str) -> str:
    """``key`` itself when it is one: segments of letters, digits and ``._~=-`` between single slashes.

    ``ValueError`` otherwise: servers mangle ``x//y``, and ``..`` must never reach a file system."""
    if len(key) > LONGEST_KEY or not all(_SEGMENT.fullmatch(part) for part in key.split("/")):
        raise ValueError(f"not a key of the object store: {key[:80]!r}")
    return key


def require_prefix(prefix: str) -> str:
    """``prefix`` itself when keys can begin with it; the empty prefix means everything."""
    whole, _, last = prefix.rpartition("/")
    if whole:
        require_key(whole)
    if last:
        require_key(last)
    if prefix.startswith("/"):
        raise ValueError("no key begins with a slash")
    return prefix


def require_version(key: str, version_id: str) -> str:
    """``version_id`` itself; ``NotFound`` when no store can have made it (servers answer such with all sorts)."""
    require_key(key)
    if not _VERSION.fullmatch(version_id):
        raise NotFound("no such version", key=key, version=version_id[:80])
    return version_id


def round_up(moment: datetime) -> datetime:
    """The next whole second in UTC: stores keep seconds, and a lock must never end early."""
    moment = require_utc(moment)
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def require_lock(until: datetime, now: datetime) -> datetime:
    """The date to lock until, rounded up; ``Refused`` when it is past or after the year 2100."""
    date = round_up(until)
    if date <= require_utc(now):
        raise Refused("a lock date must be in the future", lock_until=date.isoformat(), now=now.isoformat())
    if date.year > LATEST_YEAR:
        raise Refused("a lock date after 2100 is taken for a mistake", lock_until=date.isoformat())
    return date


def require_later(key: str, present: datetime | None, until: datetime) -> datetime:
    """The date to lengthen a lock to, rounded up; ``Refused`` when it would become shorter."""
    date = round_up(until)
    if present is not None and date < present:
        raise Refused("a lock is only ever lengthened", key=key, lock_until=present.isoformat(), asked=date.isoformat())
    if date.year > LATEST_YEAR:
        raise Refused("a lock date after 2100 is taken for a mistake", key=key, lock_until=date.isoformat())
    return date


def require_free(key: str, lock_until: datetime | None, held: bool, now: datetime) -> None:
    """``Refused`` unless the lock date has passed and no hold is on."""
    if held:
        raise Refused("a legal hold forbids deletion", key=key)
    if lock_until is not None and now < lock_until:
        raise Refused("the lock forbids deletion", key=key, lock_until=lock_until.isoformat(), now=now.isoformat())


def parse_moment(text: str) -> datetime:
    """RFC 3339 in UTC with any number of fraction digits (some servers send nine); fractions are rounded up."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:00)", text)
    if not found:
        raise ValueError("expected a UTC moment such as 2030-01-31T00:00:00Z")
    moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return moment + timedelta(seconds=1) if (found[2] or "").strip(".0") else moment
