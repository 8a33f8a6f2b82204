"""Tables of work orders, of links from recordings to orders, and of outcomes (findings) read from dialogue."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, Uuid, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

# How a link came about.
BY_SIGNAL, BY_TELEPHONE, BY_PERSON = "signalled", "telephone", "person"
# A finding's standing: suggested by the rules, then accepted or changed by a person.
SUGGESTED, ACCEPTED, CHANGED = "suggested", "accepted", "changed"

# The questions of a callback, and the answers that each can have.
CONNECTED, CONTACTED, SOLVED, SATISFIED, SUGGESTION = "connected", "contacted", "solved", "satisfied", "suggestion"
RISK = "risk"
ANSWERS: dict[str, tuple[str, ...]] = {
    CONNECTED: ("yes", "no"),
    CONTACTED: ("yes", "no", "unclear"),
    SOLVED: ("yes", "partly", "no", "unclear"),
    SATISFIED: ("satisfied", "fairly", "dissatisfied", "unclear"),
    SUGGESTION: ("yes", "no"),
    RISK: ("yes", "no"),
}
# Answers about SOLVED after which it is known where an order stands.
CLEAR = ("yes", "partly", "no")
# Nobody said “solved” since the order was closed, or somebody said otherwise later.  Words of SQL, without parameters:
# the planner must see that a query asks for what the index holds.
OPEN = text("(judged <> 'yes' OR judged_at < closed_at)")


class WorkOrder(Base):
    """One order of the 12345 export.  The number is opaque text; column names follow the export's headers."""

    __tablename__ = "work_orders"
    __table_args__ = (
        Index("ix_work_orders_telephone", "caller_phone", "created_at"),
        # The list, a page of it: of SQLite's rows, kilobytes long, no others are read.
        Index("ix_work_orders_created", "created_at", "number"),
        # The few that wait, among all that were closed.
        Index("ix_work_orders_open", "closed_at", "number", sqlite_where=OPEN, postgresql_where=OPEN),
    )

    number: Mapped[str] = mapped_column(String(64), primary_key=True)  # 工单编号
    kind: Mapped[str] = mapped_column(String(40), default="")  # 工单类型
    category1: Mapped[str] = mapped_column(String(80), default="")  # 问题分类 一级
    category2: Mapped[str] = mapped_column(String(80), default="")  # 问题分类 二级
    category3: Mapped[str] = mapped_column(String(80), default="")  # 问题分类 三级
    tags: Mapped[str] = mapped_column(Text, default="")  # 标签
    title: Mapped[str] = mapped_column(Text, default="")  # 标题
    content: Mapped[str] = mapped_column(Text, default="")  # 主要内容
    status: Mapped[str] = mapped_column(String(40), default="", index=True)  # 工单状态
    caller: Mapped[str] = mapped_column(String(120), default="")  # 来电人
    caller_phone: Mapped[str] = mapped_column(String(64), default="")  # 来电人电话
    district: Mapped[str] = mapped_column(String(80), default="")  # 被反映区
    street: Mapped[str] = mapped_column(String(120), default="")  # 被反映街乡镇
    result: Mapped[str] = mapped_column(Text, default="")  # 办理结果
    reply: Mapped[str] = mapped_column(Text, default="")  # 回复内容
    handling: Mapped[str] = mapped_column(String(80), default="")  # 处理受理方式
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # 创建时间
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)  # 办结时间
    solved: Mapped[str] = mapped_column(String(20), default="")  # 是否解决
    satisfied: Mapped[str] = mapped_column(String(20), default="")  # 是否满意
    nature: Mapped[str] = mapped_column(String(40), default="")  # 工单性质
    unit: Mapped[str] = mapped_column(String(160), default="", index=True)  # 承办单位
    # What the last call with a clear answer said about ``SOLVED``, and when that call began (``judging``).
    judged: Mapped[str] = mapped_column(String(12), default="")
    judged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    raw: Mapped[dict[str, Any]] = mapped_column(JSON)  # the row as imported, every column
    row_sha256: Mapped[str] = mapped_column(String(64))
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Link(Base):
    """A recording belongs to an order.  The row mirrors a sealed object under ``work-orders/<number>/``."""

    __tablename__ = "links"
    __table_args__ = (UniqueConstraint("recording_id", "work_order"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    work_order: Mapped[str] = mapped_column(ForeignKey("work_orders.number"), index=True)
    how: Mapped[str] = mapped_column(String(12))
    by: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class LinkQuestion(Base):
    """A recording whose order a person must choose: several candidates, none, or a number that is not imported yet."""

    __tablename__ = "link_questions"
    # The few that are open, among all that were answered.
    __table_args__ = (Index("ix_link_questions_open", "answered_at", "asked_at"),)

    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    # "several", "none", "unknown number"
    reason: Mapped[str] = mapped_column(String(20))
    candidates: Mapped[list[str]] = mapped_column(JSON)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_by: Mapped[str] = mapped_column(String(120), default="")


class Finding(Base):
    """One answer of a callback, pointing at the turn that supports it.  ``ordinal`` is -1 where no turn does."""

    __tablename__ = "findings"
    __table_args__ = (
        UniqueConstraint("recording_id", "question"),
        # What nobody decided.
        Index("ix_findings_standing", "standing", "recording_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    question: Mapped[str] = mapped_column(String(12))
    answer: Mapped[str] = mapped_column(String(12))
    ordinal: Mapped[int]
    start_ms: Mapped[int]
    sentence: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(String(80), default="")
    text_version: Mapped[int]
    standing: Mapped[str] = mapped_column(String(10))
    by: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


_ORDERS_LOCK = 0x6875697969


async def lock_orders(session: AsyncSession) -> None:
    """One transaction at a time imports orders, or decides that a call has none; SQLite's writers are alone anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(_ORDERS_LOCK)))
