"""What a running service says of itself, waited for: its alerts, its figures, its log."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from archive.catalogue import Recording
from core.alerts import Alert
from core.heartbeats import newest
from core.settings import Settings
from service.spool import call_directories
from service.wiring import open_archive

PATIENCE = 240.0


async def until_sealed(settings: Settings, number: int) -> list[Recording]:
    """Wait for so many recordings and an empty spool; returns them in the order of their sealing."""
    async with asyncio.timeout(PATIENCE), open_archive(settings) as archive:
        while True:
            async with archive.database.read() as session:
                found = list(await session.scalars(select(Recording).order_by(Recording.sealed_at)))
            if len(found) >= number and not call_directories(settings.spool_dir):
                return found
            await asyncio.sleep(0.2)


async def until_alert(settings: Settings, name: str, process: str, *, over: bool = False) -> Alert:
    """Wait until a process's alert stands, or (``over``) has stood and was cleared."""
    async with asyncio.timeout(PATIENCE), open_archive(settings) as archive:
        while True:
            async with archive.database.read() as session:
                query = select(Alert).where(Alert.name == name, Alert.process == process)
                found = await session.scalar(query)
            if found is not None and (found.cleared_at is not None) == over:
                return found
            await asyncio.sleep(0.2)


async def until_figures(
    settings: Settings, process: str, wanted: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """Wait until what a process says of itself is as wanted."""
    async with asyncio.timeout(PATIENCE), open_archive(settings) as archive:
        while True:
            async with archive.database.read() as session:
                rows = [row for (name, _), row in (await newest(session)).items() if name == process]
            if rows and wanted(rows[0].facts):
                facts: Mapping[str, Any] = rows[0].facts
                return facts
            await asyncio.sleep(0.2)
