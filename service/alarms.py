"""The conditions that a process watches: told to the log once for each change, and to the database as it answers.

While the database is away they wait here, so that what happened meanwhile can be read afterwards.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.alerts import Alert, clear_alert, raise_alert
from core.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Condition:
    since: datetime
    facts: Mapping[str, Any]
    cleared_at: datetime | None = None


class Alarms:
    """What stands now, as one process on this host sees it."""

    def __init__(self, process: str, clock: Clock, *, host: str = "") -> None:
        self.process, self.host = process, host or socket.gethostname()
        self._clock = clock
        self._conditions: dict[str, _Condition] = {}
        self._first = True
        # Set at every change, for whoever writes.
        self.changed = asyncio.Event()

    @property
    def standing(self) -> tuple[str, ...]:
        """The names of the conditions that stand."""
        return tuple(name for name, condition in self._conditions.items() if condition.cleared_at is None)

    def hold(self, name: str, facts: Mapping[str, Any] | None) -> None:
        """Say how a condition is: its facts while it stands, ``None`` when it does not.  Repeating it costs nothing."""
        known = self._conditions.get(name)
        stands = known is not None and known.cleared_at is None
        if facts is not None and known is not None and stands:
            self._conditions[name] = replace(known, facts=facts)
        elif facts is not None:
            self._change(name, _Condition(self._clock(), facts))
            log.error("alert", extra={"facts": {"alert": name, **facts}})
        elif known is not None and stands:
            self._change(name, replace(known, cleared_at=self._clock()))
            log.warning("alert over", extra={"facts": {"alert": name}})

    def _change(self, name: str, condition: _Condition) -> None:
        self._conditions[name] = condition
        self.changed.set()

    async def write(self, session: AsyncSession) -> Mapping[str, object]:
        """Bring the rows of this process and host to what stands here; pass the result to ``written`` once committed.

        The first time also clears what an earlier life of this process left standing.
        """
        conditions, now = dict(self._conditions), self._clock()
        for name in await self._left_over(session) if self._first else ():
            await clear_alert(session, (name, self.process, self.host), at=now)
        for name, condition in conditions.items():
            key = (name, self.process, self.host)
            await raise_alert(session, key, condition.facts, since=condition.since, now=now)
            if condition.cleared_at is not None:
                await clear_alert(session, key, at=condition.cleared_at)
        return conditions

    def written(self, conditions: Mapping[str, object]) -> None:
        """Forget what is over and was written."""
        self._first = False
        for name, condition in conditions.items():
            if self._conditions.get(name) is condition and name not in self.standing:
                del self._conditions[name]

    async def _left_over(self, session: AsyncSession) -> list[str]:
        rows = await session.scalars(
            select(Alert.name).where(Alert.process == self.process, Alert.host == self.host, Alert.cleared_at.is_(None))
        )
        return [name for name in rows if name not in self._conditions]
