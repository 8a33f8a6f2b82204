"""Rows of issued reports, from what is sealed of each edition."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import StoredObject
from archive.events import events_about
from reporting.daily import FORMAT
from reporting.reports import Report, report_row


async def restore_report(session: AsyncSession, key: str, told: Mapping[str, Any]) -> bool:
    """The row of the edition whose facts lie at ``key``; false where it was never issued (its documents are not there).

    Its documents are in the catalogue already: their keys come first in the order of keys."""
    if told.get("format") != FORMAT or await session.get(Report, UUID(told["id"])) is not None:
        return True
    events = (await events_about(session, [str(told["id"])]))[str(told["id"])]
    sealed = {item["version_id"] for event in events for item in event.objects}
    place = key.removesuffix("json")
    docx = await _document(session, f"{place}docx", sealed)
    html = await _document(session, f"{place}html", sealed)
    if docx is None or html is None:
        return False
    row = report_row(told)
    row.docx_object, row.html_object = docx, html
    session.add(row)
    await session.flush()
    return True


async def _document(session: AsyncSession, key: str, sealed: set[str]) -> UUID | None:
    """The version that the ledger names, else the one that is there."""
    rows = (await session.scalars(select(StoredObject).where(StoredObject.key == key))).all()
    named = [row for row in rows if row.version_id in sealed]
    return next((row.id for row in named or ([] if sealed else rows)), None)
