"""When a call was not recorded on purpose: by the gateway, which sends nothing, or by a person, for whom we stop."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from telephony.call import Pause

GATEWAY = "gateway"

Pauses = tuple[Pause, ...]


def lasting(pauses: Sequence[Pause], *, by_gateway: bool) -> bool:
    """Whether a pause of the gateway's, or of a person's, goes on."""
    return any(one.ended_at is None and (one.by == GATEWAY) is by_gateway for one in pauses)


def begun(pauses: Pauses, at: datetime, by: str, reason: str) -> Pauses:
    """With another pause; one of the same side that still lasts goes on instead."""
    if lasting(pauses, by_gateway=by == GATEWAY):
        return pauses
    return (*pauses, Pause(at, None, by, reason))


def ended(pauses: Pauses, at: datetime, by: str) -> Pauses:
    """With those of the gateway ended by the gateway, or those of persons by a person; all by nobody (``""``)."""
    return tuple(_ended(one, at, by) if one.ended_at is None and _may_end(one, by) else one for one in pauses)


def _may_end(pause: Pause, by: str) -> bool:
    return not by or (pause.by == GATEWAY) is (by == GATEWAY)


def _ended(pause: Pause, at: datetime, by: str) -> Pause:
    return replace(pause, ended_at=max(at, pause.started_at), ended_by=by)
