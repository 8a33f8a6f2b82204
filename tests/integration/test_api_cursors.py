"""Pages of long lists: every list goes on by the same kind of cursor, and one that was tampered with is refused."""

import base64
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import cursors
from api.app import ENDPOINTS
from api.problems import Problem
from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.jobs import enqueue
from tests.web import Web, serving

# List → who asks, and what names its rows.
LISTS: Mapping[str, tuple[str, str]] = {
    "/api/v1/recordings": ("agent", "id"),
    "/api/v1/search?agent=8001": ("agent", "recording"),
    "/api/v1/work-orders": ("agent", "number"),
    "/api/v1/ledger?kind=sealed": ("auditor", "seq"),
    "/api/v1/calls": ("system", "id"),
    "/api/v1/jobs": ("system", "id"),
}
EMPTY: Mapping[str, str] = {
    "/api/v1/disposals": "auditor",
    "/api/v1/exports": "auditor",
    "/api/v1/nights": "auditor",
    "/api/v1/reports": "auditor",
}


@pytest.fixture
async def web(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Web]:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path) as served:
        async with sqlite_database.write() as session:
            for kind in ("daily", "nightly"):
                await enqueue(session, kind, {"day": "2026-11-21"}, now=utc_now())
        yield served
    await store.close()


async def _said(web: Web, path: str, role: str, **asked: str) -> dict[str, Any]:
    mark = "&" if "?" in path else "?"
    answer = await web.get(path + mark + "&".join(f"{name}={value}" for name, value in asked.items()), role)
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def test_every_list_goes_on_from_its_cursor_to_its_end(web: Web) -> None:
    for path, (role, name) in LISTS.items():
        whole = [str(each[name]) for each in (await _said(web, path, role, limit="100"))["items"]]
        assert len(whole) > 1, path
        found, page = [], await _said(web, path, role, limit="1")
        while True:
            found += [str(each[name]) for each in page["items"]]
            if page["next"] is None:
                break
            page = await _said(web, path, role, limit="1", cursor=page["next"])
        assert found == whole, path


async def test_a_cursor_that_was_tampered_with_is_refused(web: Web) -> None:
    given_by = {path: (await _said(web, path, role, limit="1"))["next"] for path, (role, _) in LISTS.items()}
    for path, (role, _) in LISTS.items():
        own = given_by[path]
        others = [cursor for place, cursor in given_by.items() if place != path]
        altered = [own[:-1], own + "A", own[:8] + ("A" if own[8] != "A" else "B") + own[9:], own.swapcase()]
        garbled = ["x", "7", "5L2g", "%00", "%F0%9F%98%80", "A" * 200, "..%2F..", "null"]
        for wrong in (*others, *altered, *garbled):
            mark = "&" if "?" in path else "?"
            answer = await web.get(f"{path}{mark}cursor={wrong}", role)
            assert answer.status == 400, (path, wrong)
            assert (await answer.json())["status"] == 400
    for path, role in EMPTY.items():
        for wrong in (*given_by.values(), "x"):
            assert (await web.get(f"{path}?cursor={wrong}", role)).status == 400, (path, wrong)


async def test_limits_are_bounded_everywhere(web: Web) -> None:
    lists = {**{path: role for path, (role, _) in LISTS.items()}, **EMPTY}
    for path, role in lists.items():
        mark = "&" if "?" in path else "?"
        for wrong in ("0", "-1", "1001", "x", "9" * 30):
            assert (await web.get(f"{path}{mark}limit={wrong}", role)).status == 400, (path, wrong)


def test_every_list_with_a_limit_takes_a_cursor_and_answers_next() -> None:
    for endpoint in ENDPOINTS:
        asked = endpoint.query.model_fields if endpoint.query else {}
        if endpoint.method != "GET" or "limit" not in asked or not endpoint.path.startswith("/api/"):
            continue
        assert asked["cursor"].annotation == str | None, endpoint.path
        assert endpoint.answers
        assert endpoint.answers.model_fields["next"].annotation == str | None, endpoint.path
        assert any(getattr(each, "le", 1001) <= 1000 for each in asked["limit"].metadata), endpoint.path
        assert "offset" not in asked


def test_a_cursor_is_read_as_it_was_written() -> None:
    at, identifier = utc_now(), UUID(int=7)
    assert cursors.read_time(cursors.write_time("calls", at, identifier), "calls") == (at, identifier)
    for number in (0, 12, -7, 2**63 - 1, -(2**63)):
        assert cursors.read_number(cursors.write("ledger", number), "ledger") == number
    for wrong in (2**63, "x", "1.5", "", "\u0661"):
        with pytest.raises(Problem):
            cursors.read_number(cursors.write("ledger", wrong), "ledger")
    assert cursors.read_id(cursors.write("held", identifier), "held") == identifier


@pytest.mark.parametrize(
    "parts", [("x", "y"), ("2026-11-22T00:00:00", "y"), ("2026-11-22T00:00:00+00:00", "y"), ("1",)]
)
def test_parts_that_are_no_place_are_refused(parts: tuple[str, ...]) -> None:
    for read in (cursors.read_time, cursors.read_number, cursors.read_id):
        if (read, parts) != (cursors.read_number, ("1",)):
            with pytest.raises(Problem):
                read(cursors.write("calls", *parts), "calls")


@given(
    st.one_of(
        st.text(max_size=60), st.binary(max_size=60).map(lambda octets: base64.urlsafe_b64encode(octets).decode())
    )
)
def test_whatever_is_sent_is_a_cursor_or_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        cursors.read(text, "calls", 2)
    assert refused.value.status == 400
