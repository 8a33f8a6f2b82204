"""Figures for Prometheus, in a registry of the application's own."""

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import func, select

from archive.catalogue import Call, Recording
from core.database import Database
from core.jobs import counts

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The gauges are read from the database at each scrape; only latency is counted here."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            "huiyin_http_seconds",
            "Time to answer HTTP requests",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._recordings = Gauge(
            "huiyin_recordings", "Sealed recordings by state of their text", ("text_state",), registry=self._registry
        )
        self._calls = Gauge("huiyin_calls", "Signalled calls by state", ("state",), registry=self._registry)
        self._jobs = Gauge("huiyin_jobs", "Jobs by kind and state", ("kind", "state"), registry=self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer; ``route`` is the pattern, never the address asked for."""
        self._latency.labels(method, route, str(status)).observe(seconds)

    async def text(self, database: Database) -> bytes:
        """The exposition text of this moment."""
        async with database.read() as session:
            by_text = await session.execute(select(Recording.text_state, func.count()).group_by(Recording.text_state))
            by_call = await session.execute(select(Call.state, func.count()).group_by(Call.state))
            jobs = await counts(session)
        for gauge in (self._recordings, self._calls, self._jobs):
            gauge.clear()
        for state, number in by_text:
            self._recordings.labels(state).set(number)
        for state, number in by_call:
            self._calls.labels(state).set(number)
        for (kind, state), number in jobs.items():
            self._jobs.labels(kind, state).set(number)
        return generate_latest(self._registry)
