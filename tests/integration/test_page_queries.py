"""How many statements each main page needs: a known number, the same for a few rows as for fifty times as many."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Select, insert, inspect, select, text, true
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from api.access.accounts import UserRow
from api.saved_searches import SavedSearch
from archive.catalogue import Call, Recording, StoredObject, TurnRow
from archive.comments import Comment, add_comment
from archive.search_index import index_turns
from core.database import Base, Database
from core.jobs import JobRow
from core.ledger import Entry, LedgerRow, append
from reporting.reports import Report
from tests.samples import STARTED_AT
from tests.statements import statements_of
from tests.web import ORDER, Web
from workorders.orders import SUGGESTED, Finding, Link, LinkQuestion, WorkOrder
from workorders.queries import OrderFilter, list_orders
from workorders.waiting import Allowed, waiting_findings, waiting_orders, waiting_texts

TIMES = 50
# Who looks, where, and the most statements that it may take, one of them for who asks.
PAGES = (
    ("agent", "/work", 8),
    ("agent", "/recordings", 3),
    ("agent", "/recordings/{full}", 14),
    ("auditor", "/recordings/{full}", 13),
    ("agent", "/search?q=满意", 10),
    ("supervisor", "/orders", 4),
    ("agent", "/orders/{order}", 8),
    ("agent", "/links", 3),
    ("supervisor", "/reports", 5),
    ("system", "/status", 24),
    ("audit", "/ledger", 11),
    ("auditor", "/keeping", 4),
    ("security", "/admin/accounts", 5),
)
# Settings and dictionaries are read again every few seconds, on whichever page.
NOW_AND_THEN = ("FROM effective_values", "FROM dictionary")
# What a house is made of, parents first.
COPIED: Sequence[type[Base]] = (
    *(UserRow, Call, Recording, StoredObject, TurnRow, WorkOrder, Link, LinkQuestion, Finding, Comment),
    *(JobRow, Report, SavedSearch),
)
# No two rows have the same of these.
OWN = {"number", "work_order", "name", "owner", "key", "sip_call_id", "oidc_name"}


async def _asked(web: Web) -> Mapping[str, list[str]]:
    """The statements of each page, seen for the second time: the first may note that a session is in use."""
    found = {}
    for role, pattern, _ in PAGES:
        path = pattern.format(full=web.seeded.full, order=ORDER)
        await web.get(path, role)
        with statements_of(web.archive.database) as asked:
            answer = await web.get(path, role)
        assert answer.status == 200, path
        found[f"{role} {pattern}"] = [each for each in asked if not any(table in each for table in NOW_AND_THEN)]
    return found


async def _multiply(web: Web) -> None:
    """Fifty more of everything, and fifty more words about the recording that is looked at."""
    async with web.archive.database.write() as session:
        for model in COPIED:
            columns = [each.key for each in inspect(model).column_attrs]
            rows = [{name: getattr(row, name) for name in columns} for row in await session.scalars(select(model))]
            copies = [_copy(model, row, number) for number in range(TIMES) for row in rows]
            if copies:
                await session.execute(insert(model), copies)
        turns = await session.scalars(select(TurnRow).where(TurnRow.recording_id != web.seeded.full))
        await index_turns(session, list(turns))
        for _ in range(TIMES):
            await append(session, Entry("read", "anna", str(web.seeded.full), {}), web.archive.clock())
    for number in range(TIMES):
        await add_comment(web.archive, web.seeded.full, at_ms=number * 100, text="语气平和", by="anna")


def _copy(model: type[Base], row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The row again, about other recordings and orders."""

    def other(name: str, value: Any) -> Any:
        if isinstance(value, UUID):
            return uuid5(value, str(number))
        return f"{value}-{number}" if name in OWN and value else value

    values = {name: other(name, value) for name, value in row.items()}
    return {name: value for name, value in values.items() if (model, name) != (TurnRow, "id")}


async def test_pages_ask_a_known_number_of_times_however_much_there_is(web: Web) -> None:
    few = await _asked(web)
    most = {f"{role} {pattern}": limit for role, pattern, limit in PAGES}
    assert {page: asked for page, asked in few.items() if len(asked) > most[page]} == {}
    await _multiply(web)
    many = await _asked(web)
    grown = {page: (few[page], many[page]) for page in few if len(many[page]) != len(few[page])}
    assert grown == {}


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (select(LedgerRow).where(LedgerRow.actor == "anna").order_by(LedgerRow.seq.desc()), "ix_ledger_actor"),
        (
            select(LinkQuestion).where(LinkQuestion.answered_at.is_(None)).order_by(LinkQuestion.asked_at),
            "ix_link_questions_open",
        ),
        (select(Finding.recording_id).where(Finding.standing == SUGGESTED), "ix_findings_standing"),
    ],
)
async def test_what_is_few_among_many_is_found_by_an_index(
    sqlite_database: Database, asked: Select[Any], index: str
) -> None:
    plain = asked.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with sqlite_database.read() as session:
        plan = [str(row[-1]) for row in await session.execute(text(f"EXPLAIN QUERY PLAN {plain}"))]
    assert len(plan) == 1, f"nothing is sorted: {plan}"
    assert index in plan[0]


async def test_lists_of_what_is_few_read_an_index_and_no_row_that_they_do_not_show(sqlite_database: Database) -> None:
    """A recording's row, and an order's, is kilobytes long: what is passed over is passed over in the index."""
    within = Allowed(lambda _: 5, ZoneInfo("Asia/Shanghai"), STARTED_AT, STARTED_AT, 0.6)
    async with sqlite_database.read() as session:
        with statements_of(sqlite_database) as asked:
            await waiting_findings(session, true(), within.since, 10)
            await waiting_texts(session, true(), within, 10)
            await list_orders(session, OrderFilter())
            await waiting_orders(session, within)
        findings, texts, orders, waiting = [await _plan(session, statement) for statement in asked[:4]]
    assert findings[0].endswith("USING INDEX ix_recordings_started_at (started_at>?)")
    assert texts[0].endswith("USING INDEX ix_recordings_text (text_state=? AND started_at>?)")
    assert orders == ["SCAN work_orders USING INDEX ix_work_orders_created"]
    assert waiting == ["SEARCH work_orders USING INDEX ix_work_orders_open (closed_at>? AND closed_at<?)"]
    assert not [step for step in (*findings, *texts) if step == "USE TEMP B-TREE FOR ORDER BY"], "sorted as a whole"


async def _plan(session: AsyncSession, statement: str) -> list[str]:
    connection = await session.connection()
    nothing = (None,) * statement.count("?")
    return [str(row[-1]) for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", nothing)]
