"""Time, as an argument.  Domain code receives an aware UTC ``datetime``; only the wiring reads the machine's clock."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The machine's time, aware, in UTC."""
    return datetime.now(UTC)


def require_utc(moment: datetime) -> datetime:
    """Return ``moment`` in UTC; a naive value is a programming error and raises ``ValueError``."""
    if moment.tzinfo is None:
        raise ValueError("a moment in time must carry its zone")
    return moment.astimezone(UTC)
