"""The work orders of a handover, as XLSX and JSON."""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select

from archive.house import Archive
from archive.layout import document, segment
from retention.handover.describing import columns
from retention.handover.scope import ALL, ORDER, Scope
from retention.handover.tables import Export, ExportItem
from retention.handover.writing import Payload
from workorders.exporting import write_spreadsheet
from workorders.orders import Link, WorkOrder


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
        query = select(WorkOrder).where(WorkOrder.number > last, belongs(export, scope))
        async with archive.database.read() as session:
            batch = list(await session.scalars(query.order_by(WorkOrder.number).limit(500)))
        if not batch:
            return
        for order in batch:
            yield order
        last = batch[-1].number


def belongs(export: Export, scope: Scope) -> ColumnElement[bool]:
    """The orders of an export, as a condition."""
    if scope.kind == ALL:
        return WorkOrder.number.is_not(None)
    if scope.kind == ORDER:
        return WorkOrder.number == scope.name
    listed = select(ExportItem.recording_id).where(ExportItem.export_id == export.id)
    return WorkOrder.number.in_(select(Link.work_order).where(Link.recording_id.in_(listed)))
