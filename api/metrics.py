"""Figures for Prometheus, in a registry of the application's own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Call, Recording
from core.alerts import standing
from core.database import Database
from core.heartbeats import newest
from core.jobs import counts

CONTENT_TYPE = CONTENT_TYPE_LATEST
WATCHED = {
    "files_waiting": "waiting",
    "files_taken": "taken",
    "files_refused": "refused",
    "in_quarantine": "quarantined",
}
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
        self._database_up = Gauge("huiyin_database_up", "Whether the database answers", registry=self._registry)
        self._alerts = Gauge(
            "huiyin_alert", "Conditions that stand", ("name", "process", "host"), registry=self._registry
        )
        self._beats = Gauge(
            "huiyin_heartbeat_age_seconds",
            "Time since the last sign of life",
            ("process", "host"),
            registry=self._registry,
        )
        self._spool = Gauge(
            "huiyin_spool_calls", "Calls in a recorder's spool by state", ("host", "state"), registry=self._registry
        )
        self._oldest = Gauge(
            "huiyin_spool_oldest_seconds", "How long the oldest closed call waits", ("host",), registry=self._registry
        )
        self._watched = Gauge(
            "huiyin_watched_files",
            "Files of the watched folder: waiting, in quarantine, and taken or refused since the process began",
            ("host", "state"),
            registry=self._registry,
        )
        self._free = Gauge(
            "huiyin_spool_free_bytes", "Space left on the spool's file system", ("host",), registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer; ``route`` is the pattern, never the address asked for."""
        self._latency.labels(method, route, str(status)).observe(seconds)

    async def text(self, database: Database, now: datetime) -> bytes:
        """The exposition text of this moment.  Without the database only what is counted here, and that it is away."""
        for gauge in (self._recordings, self._calls, self._jobs, self._alerts, self._beats, self._spool):
            gauge.clear()
        self._watched.clear()
        self._oldest.clear()
        self._free.clear()
        try:
            async with database.read() as session:
                await self._read(session, now)
            self._database_up.set(1)
        except (SQLAlchemyError, OSError):
            self._database_up.set(0)
        return generate_latest(self._registry)

    async def _read(self, session: AsyncSession, now: datetime) -> None:
        by_text = await session.execute(select(Recording.text_state, func.count()).group_by(Recording.text_state))
        for state, number in by_text:
            self._recordings.labels(state).set(number)
        by_call = await session.execute(select(Call.state, func.count()).group_by(Call.state))
        for state, number in by_call:
            self._calls.labels(state).set(number)
        for (kind, state), number in (await counts(session)).items():
            self._jobs.labels(kind, state).set(number)
        for alert in await standing(session):
            self._alerts.labels(alert.name, alert.process, alert.host).set(1)
        for (process, host), beat in (await newest(session)).items():
            self._beats.labels(process, host).set((now - beat.at).total_seconds())
            self._read_facts(host, beat.facts, now)

    def _read_facts(self, host: str, facts: Mapping[str, Any], now: datetime) -> None:
        """What a recorder (``calls``, ``free_mb``), a sealer (``closed`` …) or an intake says of itself."""
        for name, state in WATCHED.items():
            if name in facts:
                self._watched.labels(host, state).set(facts[name])
        for name, state in (("calls", "recording"), ("closed", "closed"), ("stuck", "stuck")):
            if name in facts:
                self._spool.labels(host, state).set(facts[name])
        if "free_mb" in facts:
            self._free.labels(host).set(facts["free_mb"] * 2**20)
        if "oldest_at" in facts:
            oldest = datetime.fromisoformat(facts["oldest_at"]) if facts["oldest_at"] else now
            self._oldest.labels(host).set((now - oldest).total_seconds())
