"""How often somebody may ask: a bucket of requests that refills evenly (sans-IO; each process counts for itself)."""

from dataclasses import dataclass, field

# Buckets that are full again are forgotten whenever there are this many.
MOST = 10_000


@dataclass
class RateLimit:
    """``per_minute`` requests, as a burst or evenly; 0: no limit.  Seconds are those of a monotonic clock."""

    per_minute: int
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, key: str, now: float) -> float:
        """Take one request out of the bucket; otherwise the seconds until there is one."""
        if not self.per_minute:
            return 0.0
        left = self._left(key, now)
        if left < 1:
            return (1 - left) * 60 / self.per_minute
        if len(self._buckets) >= MOST:
            self._forget(now)
        self._buckets[key] = (left - 1, now)
        return 0.0

    def _left(self, key: str, now: float) -> float:
        left, at = self._buckets.get(key, (float(self.per_minute), now))
        return min(self.per_minute, left + (now - at) * self.per_minute / 60)

    def _forget(self, now: float) -> None:
        used = {key: each for key, each in self._buckets.items() if self._left(key, now) < self.per_minute}
        # Where nobody's is full, those that were asked for longest ago go first.
        newest = sorted(used, key=lambda key: used[key][1])[-MOST // 2 :]
        self._buckets = {key: used[key] for key in newest}
