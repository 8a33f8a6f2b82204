"""The hosts as the status page shows them: what each one's recorder, sealer and intake last said of themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.heartbeats import STALE_AFTER, Heartbeat

# A host that was taken out of service is not shown for ever.
SHOWN_FOR = timedelta(days=1)


@dataclass(frozen=True)
class RecorderHost:
    """One machine that records.  ``None``: its process has not said."""

    host: str
    seen_at: datetime
    alive: bool
    calls: int | None
    waiting: int | None
    stuck: int | None
    oldest_at: datetime | None
    free_mb: int | None
    ports_free: int | None


def recorder_hosts(beats: Mapping[tuple[str, str], Heartbeat], now: datetime) -> Sequence[RecorderHost]:
    """One for each host on which a recorder or a sealer was seen within a day."""
    hosts = sorted({host for process, host in beats if process in ("recorder", "sealer")})
    found = [_host(host, beats.get(("recorder", host)), beats.get(("sealer", host)), now) for host in hosts]
    return [one for one in found if now - one.seen_at < SHOWN_FOR]


def _host(host: str, recorder: Heartbeat | None, sealer: Heartbeat | None, now: datetime) -> RecorderHost:
    seen = [beat.at for beat in (recorder, sealer) if beat is not None]
    said: Mapping[str, Any] = recorder.facts if recorder else {}
    sealed: Mapping[str, Any] = sealer.facts if sealer else {}
    oldest = sealed.get("oldest_at")
    return RecorderHost(
        host=host,
        seen_at=max(seen),
        alive=recorder is not None and now - recorder.at < STALE_AFTER,
        calls=said.get("calls"),
        waiting=sealed.get("closed"),
        stuck=sealed.get("stuck"),
        oldest_at=datetime.fromisoformat(oldest) if oldest else None,
        free_mb=said.get("free_mb"),
        ports_free=said.get("ports_free"),
    )


@dataclass(frozen=True)
class IntakeHost:
    """One machine that takes in the files of a watched folder.  ``watching``: it is the one that works there now."""

    host: str
    seen_at: datetime
    alive: bool
    watching: bool
    waiting: int
    taken: int
    refused: int
    ignored: int


def intake_hosts(beats: Mapping[tuple[str, str], Heartbeat], now: datetime) -> Sequence[IntakeHost]:
    """One for each host on which an intake was seen within a day."""
    found = [beat for (process, _), beat in sorted(beats.items()) if process == "intake"]
    return [_intake(beat, now) for beat in found if now - beat.at < SHOWN_FOR]


def _intake(beat: Heartbeat, now: datetime) -> IntakeHost:
    return IntakeHost(
        host=beat.host,
        seen_at=beat.at,
        alive=now - beat.at < STALE_AFTER,
        watching=bool(beat.facts.get("watching")),
        waiting=beat.facts.get("files_waiting", 0),
        taken=beat.facts.get("files_taken", 0),
        refused=beat.facts.get("files_refused", 0),
        ignored=beat.facts.get("files_ignored", 0),
    )
