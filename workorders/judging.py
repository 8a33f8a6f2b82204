"""What a work order's calls have said about whether it is solved, kept in the order's row.

What waits among all that was closed is found by an index then, however many orders there are.  The row follows links
and findings: whoever adds, changes or removes one judges its orders again, in the same transaction and after its row of
the ledger.  Holding the ledger's turn, nobody else changes them until that transaction ends.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from workorders.orders import CLEAR, SOLVED, Finding, Link, WorkOrder


async def judge_orders(session: AsyncSession, which: ColumnElement[bool]) -> None:
    """Put the last clear answer, and when its call began, into the rows of these orders."""
    await session.flush()
    answers = (
        select(Finding.answer, Recording.started_at)
        .join(Recording, Recording.id == Finding.recording_id)
        .join(Link, Link.recording_id == Recording.id)
        .where(Link.work_order == WorkOrder.number, Finding.question == SOLVED, Finding.answer.in_(CLEAR))
        .order_by(Recording.started_at.desc(), Recording.id.desc())
        .limit(1)
        .correlate(WorkOrder)
    )
    last, began = (answers.with_only_columns(column).scalar_subquery() for column in answers.selected_columns)
    judged = update(WorkOrder).where(which).values(judged=func.coalesce(last, ""), judged_at=began)
    await session.execute(judged, execution_options={"synchronize_session": False})


def numbered(numbers: Iterable[str]) -> ColumnElement[bool]:
    """Orders by their numbers."""
    return WorkOrder.number.in_(list(numbers))


def about(recordings: Iterable[UUID]) -> ColumnElement[bool]:
    """The orders that these recordings are linked to."""
    return WorkOrder.number.in_(select(Link.work_order).where(Link.recording_id.in_(list(recordings))))
