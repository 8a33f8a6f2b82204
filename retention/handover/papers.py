"""What a handover holds besides recordings: work orders as XLSX and JSON, and the reports of its days."""

from collections.abc import AsyncIterator
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.layout import document, segment
from retention.handover.describing import columns
from retention.handover.scope import ALL, ORDER, Scope
from retention.handover.tables import Export, ExportItem
from retention.handover.writing import Payload
from workorders.exporting import write_spreadsheet
from workorders.orders import Link, WorkOrder

REPORT = "report"


async def write_orders(
    archive: Archive, payload: Payload, export: Export, scope: Scope, zone: ZoneInfo
) -> list[tuple[str, str]]:
    """Every order that the recordings belong to (of scope ``all``: every order); paths and names for the index."""

    async def each() -> AsyncIterator[WorkOrder]:
        async for order in _orders(archive, export, scope):
            place = f"data/work-orders/{segment(order.number)}/order.json"
            await payload.write(place, document(columns(order)))
            yield order

    temporary = payload.bag.parent / "work-orders.xlsx"
    if not await write_spreadsheet(temporary, each(), zone):
        temporary.unlink()
        return []
    await payload.adopt("data/work-orders.xlsx", temporary)
    return [("work-orders.xlsx", "工单 work orders (XLSX)")]


async def _orders(archive: Archive, export: Export, scope: Scope) -> AsyncIterator[WorkOrder]:
    last = ""
    while True:
        query = select(WorkOrder).where(WorkOrder.number > last, _belongs(export, scope))
        async with archive.database.read() as session:
            batch = list(await session.scalars(query.order_by(WorkOrder.number).limit(500)))
        if not batch:
            return
        for order in batch:
            yield order
        last = batch[-1].number


def _belongs(export: Export, scope: Scope) -> ColumnElement[bool]:
    if scope.kind == ALL:
        return WorkOrder.number.is_not(None)
    if scope.kind == ORDER:
        return WorkOrder.number == scope.name
    listed = select(ExportItem.recording_id).where(ExportItem.export_id == export.id)
    return WorkOrder.number.in_(select(Link.work_order).where(Link.recording_id.in_(listed)))


async def write_reports(archive: Archive, payload: Payload, scope: Scope) -> list[tuple[str, str]]:
    """The sealed reports of the scope's days, in every edition; paths and names for the index."""
    async with archive.database.read() as session:
        query = select(StoredObject).where(StoredObject.kind == REPORT).order_by(StoredObject.key)
        reports = [row for row in await session.scalars(query) if _in_scope(row.key, scope)]
    for stored in reports:
        await payload.copy(archive, stored, f"data/{stored.key}")
    return [(stored.key, f"报表 report {stored.key.removeprefix('reports/')}") for stored in reports]


def _in_scope(key: str, scope: Scope) -> bool:
    """Keys are ``reports/<kind>/YYYY/MM/DD/…``."""
    parts = key.split("/")
    try:
        day = date(*(int(part) for part in parts[2:5]))
    except (ValueError, TypeError):
        return scope.kind == ALL
    return scope.covers_day(day)
