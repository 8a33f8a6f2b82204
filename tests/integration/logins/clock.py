"""A clock for tests of what ends by itself."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until the test moves it; begins at the present."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now
