"""Words that one call is likely to hold: those of the order that it was announced for, then those of the dictionary.
The engine adds the configured list behind them and cuts all to its window."""

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from core.dictionaries import HOTWORDS, words_on
from workorders.orders import WorkOrder


async def hot_words(session: AsyncSession, recording: Recording, zone: ZoneInfo) -> list[str]:
    """The signalled order's unit, street, district, category and title, then the dictionary's words of the call's day,
    each once."""
    order = await session.scalar(select(WorkOrder).where(WorkOrder.number == recording.work_order))
    words = (order.unit, order.street, order.district, order.category3, order.category2, order.title) if order else ()
    day = recording.started_at.astimezone(zone).date()
    chosen = [word.value for word in await words_on(session, HOTWORDS, day)]
    return list(dict.fromkeys(word for word in (*words, *chosen) if word))
