"""The daily report 日报: read one day, write DOCX and HTML, seal both, and number the edition."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from archive import layout
from archive.catalogue import StoredObject
from archive.house import Archive
from archive.seal import seal_object
from core.errors import Conflict, Refused
from core.ids import new_id
from core.ledger import Entry
from core.operating import load_operating
from core.settings import Settings
from reporting.document import Document
from reporting.evidence import figures_of
from reporting.formulas import formulas_on
from reporting.queries import DayFacts, day_facts
from reporting.reports import DAILY, Report, report_row
from reporting.web import to_html
from reporting.word import to_docx
from reporting.wording import Issue, compose, title_of
from workorders.queries import day_bounds

FORMAT = "huiyin-report/1"
KIND = "report"


async def issue_daily(archive: Archive, settings: Settings, day: date, *, by: str, retain_until: datetime) -> Report:
    """Issue the report of a local day and return its row.

    Settings and dictionaries are those of the day.  When nothing has changed since the newest edition, that one is
    returned; otherwise a new edition is sealed.  ``Refused`` for a day that has not begun."""
    now = archive.clock()
    begins, ends = day_bounds(day, settings.timezone)
    if now < begins:
        raise Refused("这一天尚未开始 / that day has not begun", day=day)
    async with archive.database.read() as session:
        facts = await day_facts(session, day, settings.timezone)
        settings = (await load_operating(session, settings)).on(day)
        formulas = await formulas_on(session, day)
        newest = await _newest(session, day)
    figures = figures_of(facts, formulas, unfinished=now < ends)
    if newest is not None and newest.figures == figures:
        return newest
    issue = Issue(
        organisation=settings.organisation,
        number=number_of(day),
        edition=1 if newest is None else newest.edition + 1,
        issued_at=now,
        timezone=settings.timezone,
        unfinished=now < ends,
    )
    return await _seal(archive, issue, facts, compose(facts, formulas, issue), figures, by, retain_until)


def number_of(day: date) -> str:
    """The running number is the day of the year: a leap year has 366 daily reports."""
    return f"日报〔{day.year}〕第{day.timetuple().tm_yday}号"


async def _newest(session: AsyncSession, day: date) -> Report | None:
    query = select(Report).where(Report.kind == DAILY, Report.period_start == day)
    newest: Report | None = await session.scalar(query.order_by(Report.edition.desc()).limit(1))
    return newest


async def _seal(
    archive: Archive,
    issue: Issue,
    facts: DayFacts,
    document: Document,
    figures: Mapping[str, Any],
    by: str,
    retain_until: datetime,
) -> Report:
    identifier = new_id()
    place = f"reports/daily/{facts.day:%Y/%m/%d}/edition-{issue.edition}"
    about = {"report": str(identifier), "number": issue.number, "edition": issue.edition}
    told = _told(identifier, facts.day, issue, document, figures, by)
    await seal_object(
        archive,
        key=f"{place}.json",
        kind=KIND,
        content=layout.document(told),
        retain_until=retain_until,
        entry=Entry("sealed", by, str(identifier), {**about, "form": "json"}),
    )
    docx = await seal_object(
        archive,
        key=f"{place}.docx",
        kind=KIND,
        content=await asyncio.to_thread(to_docx, document, created=issue.issued_at),
        retain_until=retain_until,
        entry=Entry("sealed", by, str(identifier), {**about, "form": "docx"}),
    )
    report = report_row(told)
    report.docx_object = docx.id

    committed: list[Report] = []

    async def issued(session: AsyncSession, html: StoredObject) -> None:
        report.html_object = html.id
        session.add(report)
        await session.flush()
        committed.append(report)

    try:
        await seal_object(
            archive,
            key=f"{place}.html",
            kind=KIND,
            content=to_html(document),
            retain_until=retain_until,
            entry=Entry("reported", by, str(identifier), {**about, "form": "html", "docx_sha256": docx.sha256}),
            then=issued,
        )
    except IntegrityError as error:
        raise Conflict("this edition was issued by someone else just now", day=facts.day) from error
    if report not in committed:
        raise Conflict("this edition was issued by someone else just now", day=facts.day)
    return report


def _told(
    identifier: UUID, day: date, issue: Issue, document: Document, figures: Mapping[str, Any], by: str
) -> dict[str, Any]:
    """What the catalogue knows of an edition, sealed beside it: the figures and all that stands behind them."""
    return {
        "format": FORMAT,
        "id": str(identifier),
        "kind": DAILY,
        "period_start": day.isoformat(),
        "period_end": day.isoformat(),
        "edition": issue.edition,
        "number": document.number,
        "title": title_of(issue.organisation),
        "issued_at": issue.issued_at.isoformat(),
        "issued_by": by,
        "figures": dict(figures),
    }
