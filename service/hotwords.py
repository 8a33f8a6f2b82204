"""Words that one call is likely to hold: those of the order that it was announced for.  The engine adds the configured
list behind them and cuts both to its window."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from workorders.orders import WorkOrder


async def hot_words(session: AsyncSession, recording: Recording) -> list[str]:
    """The signalled order's unit, street, district, category and title, each once; nothing where there is no order."""
    order = await session.scalar(select(WorkOrder).where(WorkOrder.number == recording.work_order))
    if order is None:
        return []
    words = (order.unit, order.street, order.district, order.category3, order.category2, order.title)
    return list(dict.fromkeys(word for word in words if word))
