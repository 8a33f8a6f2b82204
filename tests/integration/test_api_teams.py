"""Teams: another team's recording does not exist, whichever way somebody asks for it."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text

from api import reading
from api.access.accounts import create_user, give_number, set_team
from api.access.user import User
from api.middleware import PERMISSION_OF
from api.permissions import allows
from api.scope import visible, visible_ids
from archive import teams
from archive.catalogue import Recording
from archive.house import Archive
from archive.seal import seal_recording
from archive.teams import AgentNumber, add_team, assign, team_at
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.ledger import LedgerRow
from service.announcer import Announcer
from telephony.call import CallFacts, Party
from tests.web import CITIZEN, ORDER, OTHER_ORDER, PASSWORD, STARTED, Web, new_recording, serving, tones
from workorders.orders import Finding, LinkQuestion

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    """The seeded house, in which the agent's number belongs to 一组 since before the calls; 二组 has nothing."""
    async with serving(archive, tmp_path) as served:
        async with archive.database.write() as session:
            for name in ("一组", "二组"):
                await add_team(session, name, by="security", now=NOW)
            since = STARTED - timedelta(days=1)
            moved = await assign(session, "8001", team="一组", holder="", since=since, by="security", now=NOW)
            assert moved == 3
        for name, team in (("first", "一组"), ("second", "二组")):
            await create_user(archive.database, name, PASSWORD, "agent", team=team, now=NOW)
        await create_user(archive.database, "leader", PASSWORD, "supervisor", team="二组", now=NOW)
        yield served


def _reads(web: Web) -> list[str]:
    full = f"/api/v1/recordings/{web.seeded.full}"
    pages = [f"/recordings/{web.seeded.full}", f"/recordings/{web.seeded.full}/reveal"]
    parts = ("", "/transcript", "/audio", "/clip?start=0&end=1&purpose=check", "/retention", "/waveform")
    more = ("/versions", "/comments", "/draft")
    return [*(full + part for part in (*parts, *more)), *pages]


async def test_everything_of_another_teams_recording_is_404(web: Web) -> None:
    for path in _reads(web):
        assert (await web.get(path, "second")).status == 404, path
        assert (await web.get(path, "leader")).status == 404, path
    for path in _reads(web):
        assert (await web.get(path, "first")).status != 404 or path.endswith("/draft"), path


async def test_no_route_forgets_the_team(web: Web) -> None:
    """Every route below a recording that an agent or a supervisor may use, also those yet to be written."""
    walked = 0
    for (method, pattern), permission in web.app[PERMISSION_OF].items():
        if "recordings/{id}" not in pattern:
            continue
        for name, role in (("second", "agent"), ("leader", "supervisor")):
            if not allows(permission, role):
                continue
            walked += 1
            path = re.sub(r"\{[^}]+\}", "1", pattern.replace("{id}", str(web.seeded.full)))
            query = {"start": "0", "end": "1", "purpose": "a check of access"}
            asked = await web.client().request(
                method, path, params=query, json={}, headers=await web.bearer(name), allow_redirects=False
            )
            assert asked.status in (400, 404, 415, 422), (method, path, name, asked.status)
    assert walked > 40


async def test_the_caller_of_an_order_is_for_the_teams_that_called_it(web: Web) -> None:
    """And one whom nobody has called yet for everybody: somebody has to call him."""
    way, asked = f"/api/v1/work-orders/{ORDER}/reveal", {"purpose": "再次回访"}
    for name in ("second", "leader"):
        refused = await web.post(way, asked, name)
        assert refused.status == 403, name
        assert CITIZEN not in await refused.text()
        page = await web.get(f"/orders/{ORDER}/reveal", name)
        assert page.status == 403, name
    for name in ("first", "supervisor", "auditor"):
        assert (await (await web.post(way, asked, name)).json())["caller"]["number"] == CITIZEN, name
        assert (await web.get(f"/orders/{ORDER}/reveal", name)).status == 200, name
    assert (await web.post(f"/api/v1/work-orders/{OTHER_ORDER}/reveal", asked, "second")).status == 200
    # A number that came with the call counts as much as a link, and a second team that called it sees it too.
    recording = new_recording(STARTED + timedelta(hours=3), agent_number="8002", work_order=OTHER_ORDER)
    async with web.archive.database.write() as session:
        since = STARTED - timedelta(days=1)
        await assign(session, "8002", team="二组", holder="", since=since, by="security", now=NOW)
        session.add(Recording(**asdict(recording) | {"flags": []}, sealed_at=NOW, retain_until=NOW, team="二组"))
    assert (await web.post(f"/api/v1/work-orders/{OTHER_ORDER}/reveal", asked, "first")).status == 403
    assert (await web.post(f"/api/v1/work-orders/{OTHER_ORDER}/reveal", asked, "second")).status == 200
    async with web.archive.database.read() as session:
        kinds = select(LedgerRow.actor).where(LedgerRow.kind == "revealed").order_by(LedgerRow.seq)
        assert list(await session.scalars(kinds)) == ["first", "supervisor", "auditor", "second", "second"]


async def test_nothing_can_be_done_to_another_teams_recording(web: Web) -> None:
    full = f"/api/v1/recordings/{web.seeded.full}"
    async with web.archive.database.read() as session:
        finding = await session.scalar(select(Finding.id).where(Finding.recording_id == web.seeded.full))
        before = await session.scalar(select(Finding.answer).where(Finding.id == finding))
    for path, body in (
        (f"{full}/link", {"work_order": ORDER}),
        (f"{full}/reveal", {"purpose": "to call back"}),
        (f"{full}/comments", {"at_ms": 100, "text": "look"}),
        (f"/api/v1/findings/{finding}", {"answer": "no"}),
    ):
        assert (await web.post(path, body, "second")).status in (404, 422), path
        assert (await web.post(path, body, "first")).status not in (403, 404), path
    async with web.archive.database.read() as session:
        rows = list(await session.scalars(select(LedgerRow).where(LedgerRow.actor == "second")))
    assert [row.kind for row in rows] == ["logged in"]
    assert before


async def test_lists_search_and_orders_show_the_own_team_only(web: Web) -> None:
    listed = await (await web.get("/api/v1/recordings", "first")).json()
    assert len(listed["items"]) == 3
    assert (await (await web.get("/api/v1/recordings", "second")).json())["items"] == []
    assert (await (await web.get("/api/v1/search?q=路灯", "second")).json())["items"] == []
    assert (await (await web.get("/api/v1/search?q=路灯", "first")).json())["items"]
    of_order = await (await web.get(f"/api/v1/work-orders/{ORDER}", "second")).json()
    assert (of_order["calls"], of_order["recordings"]) == ([], 0)
    orders = (await (await web.get("/api/v1/work-orders", "second")).json())["items"]
    assert {each["number"]: each["recordings"] for each in orders}[ORDER] == 0
    assert len((await (await web.get(f"/api/v1/work-orders/{ORDER}", "first")).json())["calls"]) == 1
    async with web.archive.database.write() as session:
        asked = await session.get(LinkQuestion, web.seeded.failed)
        if asked is None:
            session.add(LinkQuestion(recording_id=web.seeded.failed, reason="none", candidates=[], asked_at=NOW))
    assert (await (await web.get("/api/v1/link-questions", "first")).json())["items"]
    assert (await (await web.get("/api/v1/link-questions", "second")).json())["items"] == []
    assert (await (await web.get("/api/v1/recordings", "auditor")).json())["items"]
    assert (await (await web.get("/api/v1/recordings", "supervisor")).json())["items"], "of the whole project"
    assert (await (await web.get("/api/v1/recordings", "agent")).json())["items"] == [], "without a team"


async def test_calls_in_progress_are_seen_and_paused_by_their_own_team(web: Web) -> None:
    call = new_id(STARTED)
    agent = Party("agent", "8001", "李示例")
    facts = CallFacts(call, "now@gateway.example", STARTED + timedelta(hours=2), parties=(agent,))
    async with Announcer(web.archive).running() as announcer:
        announcer.started(facts)
    way = f"/api/v1/calls/{call}/pause"
    for role, status in (("second", 404), ("leader", 404), ("agent", 404), ("first", 202)):
        assert (await web.post(way, {"reason": "市民正在说出证件号码"}, role)).status == status, role
    listed = {role: (await (await web.get("/api/v1/calls", role)).json())["items"] for role in ("first", "second")}
    assert [each["id"] for each in listed["first"]] == [str(call)]
    assert listed["second"] == []
    assert len((await (await web.get("/api/v1/calls", "system")).json())["items"]) > 1


async def test_a_recording_belongs_to_the_team_that_its_number_had_then(archive: Archive, tmp_path: Path) -> None:
    """Whoever moves on takes the number along, and leaves the calls behind."""
    database, audio = archive.database, tones(tmp_path / "tones.flac", 1)
    async with database.write() as session:
        for name in ("一组", "二组"):
            await add_team(session, name, by="security", now=NOW)
        await give_number(session, "8001", team="一组", holder="", since=STARTED, by="security", now=NOW)
    await create_user(database, "li", PASSWORD, "agent", team="一组", now=NOW)
    async with database.write() as session:
        await give_number(session, "8001", team="一组", holder="li", since=STARTED, by="security", now=NOW)
        await set_team(session, "li", "二组", by="security", now=STARTED + timedelta(hours=1))
        with pytest.raises(Conflict, match="another team"):
            await give_number(session, "8002", team="一组", holder="li", since=NOW, by="security", now=NOW)
    sealed = {}
    for minutes in (-5, 5, 65):
        call = new_recording(STARTED + timedelta(minutes=minutes))
        await seal_recording(archive, call, audio, retain_until=NOW + timedelta(days=740))
        sealed[minutes] = call.id
    async with database.read() as session:
        found = {key: (await session.get_one(Recording, each)).team for key, each in sealed.items()}
    assert found == {-5: "", 5: "一组", 65: "二组"}
    li = User("li", "agent", "二组")
    async with database.read() as session:
        assert list(await session.scalars(select(Recording.id).where(visible(li)))) == [sealed[65]]
        assert list(await session.scalars(visible_ids(li))) == [sealed[65]]
        with pytest.raises(NotFound):
            await reading.recording(session, li, sealed[5])


async def test_a_number_given_for_days_past_takes_its_recordings_along(web: Web) -> None:
    async with web.archive.database.write() as session:
        since = STARTED + timedelta(minutes=10)
        moved = await assign(session, "8001", team="二组", holder="", since=since, by="security", now=NOW)
        assert moved == 2
        assert await assign(session, "8001", team="二组", holder="", since=since, by="security", now=NOW) == 0
        assert await team_at(session, "8001", STARTED) == "一组"
        assert await team_at(session, "8001", since) == "二组"
        assert await teams.settle(session) == 0, "a rebuilt house can be settled again from the assignments"
    listed = await (await web.get("/api/v1/recordings", "second")).json()
    assert {UUID(each["id"]) for each in listed["items"]} == {web.seeded.pending, web.seeded.failed}


async def test_the_number_stands_in_no_ledger_row(web: Web) -> None:
    async with web.archive.database.read() as session:
        rows = list(await session.scalars(select(LedgerRow).where(LedgerRow.kind == "number assigned")))
        held = await teams.numbers_held(session, NOW)
    assert [json.loads(row.leaf)["facts"]["team"] for row in rows] == ["一组"]
    assert "8001" not in rows[0].leaf
    assert [(each.number, each.team) for each in held] == [("8001", "一组")]


async def test_a_teams_list_is_read_from_its_index(sqlite_database: Database, postgres_database: Database) -> None:
    """In the order of time, without a sort and without a look at other teams' rows."""
    query = (
        "SELECT id FROM recordings WHERE team = 'x' ORDER BY started_at DESC, id DESC LIMIT 51"  # as reading.py asks
    )
    async with sqlite_database.read() as session:
        plan = " ".join(str(row) for row in await session.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    assert "ix_recordings_team (team=?)" in plan
    async with postgres_database.write() as session:
        session.add_all([_bare(number) for number in range(2000)])
        await session.flush()
        await session.execute(text("ANALYZE recordings"))
        plan = " ".join(str(row) for row in await session.execute(text(f"EXPLAIN {query}")))
    assert "ix_recordings_team" in plan
    assert "Seq Scan" not in plan


def _bare(number: int) -> Recording:
    at = STARTED + timedelta(seconds=number)
    call = new_recording(at)
    return Recording(
        id=call.id,
        sip_call_id=str(number),
        started_at=at,
        ended_at=at,
        duration_ms=0,
        flags=[],
        facts={},
        sealed_at=at,
        retain_until=at,
        team=f"team {number % 20}",
    )


def test_numbers_have_one_row_for_each_beginning() -> None:
    assert [column.name for column in AgentNumber.__table__.primary_key] == ["number", "since"]
