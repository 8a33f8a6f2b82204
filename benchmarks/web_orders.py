"""Orders of the benchmark of pages as a team leaves them: closed, called back a day later, nearly all solved.

What is left to do is what was closed in the last days and the few whose citizens said otherwise.
"""

import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select, true, update

from archive.catalogue import Recording
from core.database import Database
from core.ids import new_id
from workorders.judging import judge_orders
from workorders.orders import ACCEPTED, CONNECTED, SOLVED, SUGGESTED, Finding, Link, WorkOrder

# Of a hundred answers, as a working team gets them.
SAID = ("yes",) * 95 + ("no",) * 3 + ("unclear",) * 2
# What people decide within, and the part of the orders without a call that were closed since.
LATELY, NEW = timedelta(days=5), 0.05


async def call_back(database: Database, now: datetime) -> None:
    """Close the orders, and let every call about one say what it says."""
    chosen = random.Random(2)
    async with database.write() as session:
        calls: dict[str, list[datetime]] = defaultdict(list)
        answers: list[dict[str, Any]] = []
        query = select(Link.work_order, Recording.id, Recording.started_at).join(Recording)
        for number, recording, began in await session.execute(query.where(Recording.text_confidence == 0.9)):
            calls[number].append(began)
            standing = SUGGESTED if began > now - LATELY else ACCEPTED
            for question, said in ((CONNECTED, "yes"), (SOLVED, chosen.choice(SAID))):
                answers.append(_answer(recording, question, said, standing, began))
        numbers = await session.scalars(select(WorkOrder.number).where(WorkOrder.closed_at.is_(None)))
        closed = [_closed(number, calls.get(number), chosen, now) for number in numbers]
        await session.execute(insert(Finding), answers)
        close = update(WorkOrder).where(WorkOrder.number == bindparam("of"))
        close = close.values(closed_at=bindparam("closed"), created_at=bindparam("created"))
        await (await session.connection()).execute(close, closed)
        await judge_orders(session, true())


def _closed(number: str, calls: list[datetime] | None, chosen: random.Random, now: datetime) -> dict[str, Any]:
    if calls:
        closed: datetime | None = min(calls) - timedelta(days=1)
    else:
        closed = now - LATELY * chosen.random() if chosen.random() < NEW else None
    return {"of": number, "closed": closed, "created": (closed or now) - timedelta(days=7)}


def _answer(recording: UUID, question: str, said: str, standing: str, at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(at), "recording_id": recording, "question": question, "answer": said, "ordinal": 0,
        "start_ms": 1500, "sentence": "已经解决了。", "rule": "bench", "text_version": 1, "standing": standing,
        "by": "bench", "at": at,
    }  # fmt: skip
