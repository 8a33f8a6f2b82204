"""Domain words for the speech engine, chosen for each call: they share the model's small prompt window."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from core.settings import Settings
from workorders.orders import WorkOrder

# Whisper's prompt holds 224 tokens, roughly one for each Chinese character.
MOST_CHARACTERS = 150


async def hot_words(session: AsyncSession, recording: Recording, settings: Settings) -> list[str]:
    """The signalled order's unit, street, district and category, then the configured list, up to the window."""
    words: list[str] = []
    order = await session.scalar(select(WorkOrder).where(WorkOrder.number == recording.work_order))
    if order is not None:
        words += [order.unit, order.street, order.district, order.category3, order.category2, order.title]
    if settings.asr_hotwords is not None:
        words += settings.asr_hotwords.read_text(encoding="utf-8").split("\n")
    return _within(dict.fromkeys(word.strip() for word in words if word.strip()))


def _within(words: dict[str, None]) -> list[str]:
    chosen, used = [], 0
    for word in words:
        used += len(word) + 1
        if used > MOST_CHARACTERS:
            break
        chosen.append(word)
    return chosen
