"""Calling the copies of a recording back before it is certified as gone: our own go, the others are named."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive.house import Archive
from retention.disposal import Disposal
from retention.handover.copies import strike_off

Copies = Sequence[dict[str, Any]]


async def recall_copies(archive: Archive, disposals: Sequence[UUID], now: datetime) -> Mapping[UUID, Copies]:
    """Strike off every export that holds a recording of these disposals, and write down what their certificates say.

    What an interrupted run wrote down stands, so that a certificate's bytes are the same whichever run makes it."""
    if not disposals:
        return {}
    async with archive.database.write() as session:
        query = select(Disposal).where(Disposal.id.in_(disposals)).order_by(Disposal.recording_id).with_for_update()
        rows = list(await session.scalars(query))
        found = await strike_off(session, [row.recording_id for row in rows], now)
        for row in rows:
            told = list(row.copies or ())
            known = {each["export"] for each in told}
            row.copies = [*told, *(each for each in found[row.recording_id] if each["export"] not in known)]
        return {row.id: row.copies or () for row in rows}
