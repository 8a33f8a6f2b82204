"""Issued reports: one row for each sealed edition.  Issuing again makes a new edition; nothing is overwritten."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Date, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

DAILY = "daily"


class Report(Base):
    """``number`` is what is printed on the report, for example ``日报〔2026〕第326号``."""

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("kind", "period_start", "edition"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    period_start: Mapped[date] = mapped_column(Date, index=True)
    period_end: Mapped[date] = mapped_column(Date)
    edition: Mapped[int]
    number: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)
    docx_object: Mapped[UUID] = mapped_column(Uuid)  # objects.id
    html_object: Mapped[UUID] = mapped_column(Uuid)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    issued_by: Mapped[str] = mapped_column(String(120))


def report_row(told: Mapping[str, Any]) -> Report:
    """The row of an edition, from what is sealed of it; where its documents lie is left to the caller."""
    return Report(
        id=UUID(told["id"]),
        kind=told["kind"],
        period_start=date.fromisoformat(told["period_start"]),
        period_end=date.fromisoformat(told["period_end"]),
        edition=told["edition"],
        number=told["number"],
        title=told["title"],
        figures=told["figures"],
        issued_at=datetime.fromisoformat(told["issued_at"]),
        issued_by=told["issued_by"],
    )
