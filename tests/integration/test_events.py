"""Event streams: what is told to whom, how they go on after a loss, and how they end."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import select, text, update

from api.access.accounts import create_user, set_team
from api.access.sessions import SessionRow, end_sessions
from api.app import build_app
from api.events.streams import STREAMS, Pace
from archive.house import Archive
from archive.store import ObjectStore
from archive.teams import add_team
from core.clock import utc_now
from core.database import Database
from core.jobs import enqueue
from core.settings import Settings
from tests.events import PATIENCE, Follower
from tests.web import PASSWORD, Web, serving

QUICK = Pace(look=0.02)
RARE = Pace(look=3600.0)


# Every stream that a test opened, so that it is closed before the house is.
FOLLOWERS: list[Follower] = []


def _settings(directory: Path) -> Settings:
    return Settings(data_dir=directory, live_pages=5, live_pages_each=3)


@asynccontextmanager
async def _house(database: Database, store: ObjectStore, directory: Path) -> AsyncIterator[Web]:
    async with serving(Archive(database, store, utc_now), directory, _settings(directory)) as web:
        web.app[STREAMS].pace = QUICK
        yield web
        while FOLLOWERS:
            FOLLOWERS.pop().answer.close()


@pytest.fixture
async def both(database: Database, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Web]:
    """On SQLite and on PostgreSQL."""
    async with _house(database, store, tmp_path) as web:
        yield web


@pytest.fixture
async def one(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Web]:
    """Where the database makes no difference."""
    async with _house(sqlite_database, store, tmp_path) as web:
        yield web


async def _follow(web: Web, path: str, role: str = "agent", **headers: str) -> Follower:
    answer = await web.get(path, role, **headers)
    assert answer.status == 200, await answer.text()
    return _kept(answer)


def _kept(answer: ClientResponse) -> Follower:
    FOLLOWERS.append(Follower(answer))
    return FOLLOWERS[-1]


def _of(web: Web) -> str:
    return f"/events/recordings/{web.seeded.full}"


async def _correct(web: Web, base: int) -> None:
    body = {"base_version": base, "reason": "listened again", "texts": {"0": f"您好，第 {base} 次更正。"}}
    assert (await web.post(f"/api/v1/recordings/{web.seeded.full}/versions", body)).status == 201


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nothing here tells
            await asyncio.sleep(0.02)


async def test_what_one_process_changed_every_process_tells(both: Web, tmp_path: Path) -> None:
    """Two web processes on one database, each with connections of its own; the same change has the same id."""
    database = Database(both.archive.database.url.render_as_string(hide_password=False))
    other = build_app(Archive(database, both.archive.store, utc_now), _settings(tmp_path))
    other[STREAMS].pace = QUICK
    async with TestServer(other) as server, ClientSession() as client:
        here = await _follow(both, _of(both))
        away = _kept(await client.get(server.make_url(_of(both)), headers=await both.bearer("agent")))
        before = [await here.event(), await away.event()]
        await _correct(both, 1)
        after = [await here.event(), await away.event()]
    await database.close()
    assert before[0] == before[1]
    assert after[0] == after[1]
    assert [json.loads(each.data)["text_version"] for each in (before[0], after[0])] == [1, 2]
    assert after[0].name == "changed"


async def test_an_idle_stream_holds_no_connection_to_the_database(both: Web) -> None:
    both.app[STREAMS].pace = RARE
    stream = await _follow(both, _of(both))
    await stream.event()
    pool = both.archive.database.engine.sync_engine.pool
    assert both.app[STREAMS].count == 1
    assert pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_client_that_comes_back_hears_what_it_missed_and_nothing_twice(one: Web) -> None:
    first = await _follow(one, _of(one))
    known = (await first.event()).last_id
    first.answer.close()
    again = await _follow(one, _of(one), **{"Last-Event-ID": known})
    await _correct(one, 1)
    missed = await again.event()
    assert json.loads(missed.data)["text_version"] == 2, "what was known is not told again"
    assert again.reader.retry == 3000
    assert again.reader.comments >= 1, "it says at once that it lives"
    late = await _follow(one, _of(one), **{"Last-Event-ID": known})
    assert await late.event() == missed, "what happened while nobody listened is told at once"


async def test_a_page_says_which_version_it_shows(one: Web) -> None:
    page = await (await one.get("/status")).text()
    path, version = (page.partition(f'{name}="')[2].partition('"')[0] for name in ("data-events", "data-version"))
    stream = await _follow(one, f"{path}?since={version}")
    async with one.archive.database.write() as session:
        await enqueue(session, "relink", {}, now=utc_now())
    told = await stream.event()
    assert told.last_id != version, "what the page shows already is not told"
    fresh = await (await one.get("/status")).text()
    assert f'data-version="{told.last_id}"' in fresh, "the page that is fetched then shows just that"


async def test_answers_are_neither_kept_nor_held_back(one: Web) -> None:
    stream = await _follow(one, "/events/pipeline")
    assert stream.answer.content_type == "text/event-stream"
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert stream.answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in stream.answer.headers


async def test_another_teams_recording_is_not_followed(one: Web) -> None:
    async with one.archive.database.write() as session:
        await add_team(session, "二组", by="security", now=utc_now())
    await create_user(one.archive.database, "second", PASSWORD, "agent", team="二组", now=utc_now())
    refused = await one.get(_of(one), "second")
    assert (refused.status, refused.content_type) == (404, "application/problem+json")
    own, others = await _follow(one, "/events/pipeline"), await _follow(one, "/events/pipeline", "second")
    assert (await own.event()).last_id != (await others.event()).last_id, "the call in progress is the first team's"


async def test_nobody_follows_what_he_may_not_see(one: Web) -> None:
    anonymous: ClientResponse = await one.client().get("/events/pipeline")
    assert (anonymous.status, anonymous.content_type) == (401, "application/problem+json"), (
        "no page that a stream is not"
    )
    assert (await one.get("/events/pipeline", "client")).status == 403
    assert (await one.get("/events/exports", "agent")).status == 403


async def test_a_stream_ends_with_its_login(both: Web) -> None:
    stream = await _follow(both, "/events/pipeline")
    await stream.event()
    async with both.archive.database.write() as session:
        await end_sessions(session, "agent")
    assert await stream.until_it_ends() == []
    assert (await both.get("/events/pipeline")).status == 401


async def test_a_stream_ends_when_its_token_is_revoked(one: Web) -> None:
    asked = {"label": "wall", "scopes": ["calls.see"], "days": 1}
    made = await (await one.post("/api/v1/account/tokens", asked)).json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    stream = _kept(await one.client().get("/events/pipeline", headers=bearer))
    await stream.event()
    assert (await one.post(f"/api/v1/account/tokens/{made['token']['id']}/revoke")).status == 200
    assert await stream.until_it_ends() == []


async def test_a_stream_ends_when_its_owner_changes_team(one: Web) -> None:
    stream = await _follow(one, "/events/pipeline")
    await stream.event()
    async with one.archive.database.write() as session:
        await add_team(session, "二组", by="security", now=utc_now())
        await set_team(session, "agent", "二组", by="security", now=utc_now())
    assert await stream.until_it_ends() == []


async def test_listening_keeps_no_session_alive(one: Web) -> None:
    """An unused session ends after its minutes, though a page of it renews itself all the time."""
    headers = await one.bearer("agent")
    async with one.archive.database.write() as session:
        await session.execute(update(SessionRow).values(seen_at=SessionRow.created_at))
    async with one.archive.database.read() as session:
        before = await session.scalar(select(SessionRow.seen_at).where(SessionRow.user == "agent"))
    assert before
    async with one.archive.database.write() as session:
        long_ago = before - Settings().drain_seconds / 2
        await session.execute(update(SessionRow).values(seen_at=long_ago))
    stream = await _follow(one, "/events/pipeline")
    await stream.event()
    background = {**headers, "X-Huiyin-Background": "1"}
    assert (await one.client().get("/status", headers=background)).status == 200
    async with one.archive.database.read() as session:
        seen = await session.scalar(select(SessionRow.seen_at).where(SessionRow.user == "agent"))
    assert seen == long_ago
    assert (await one.client().get("/status", headers=headers)).status == 200
    async with one.archive.database.read() as session:
        seen = await session.scalar(select(SessionRow.seen_at).where(SessionRow.user == "agent"))
    assert seen is not None
    assert seen > long_ago, "a person's own request does"


async def test_each_account_and_each_process_has_room_for_so_many(one: Web) -> None:
    open_ones = [await _follow(one, "/events/pipeline") for _ in range(3)]
    fourth = await one.get("/events/pipeline")
    assert (fourth.status, fourth.headers["Retry-After"]) == (429, "30")
    open_ones += [await _follow(one, "/events/pipeline", "supervisor") for _ in range(2)]
    assert (await one.get("/events/pipeline", "auditor")).status == 503
    assert (await one.get("/status", "auditor")).status == 200, "the page itself is there for everybody"
    open_ones[0].answer.close()
    one.app[STREAMS].pace = Pace(look=0.02, heartbeat=0.02)
    async with one.archive.database.write() as session:
        await enqueue(session, "relink", {}, now=utc_now())
    await _until(lambda: one.app[STREAMS].count == 4)
    await _follow(one, "/events/pipeline")


async def test_a_stream_has_its_time(one: Web) -> None:
    one.app[STREAMS].pace = Pace(life=0.0)
    stream = await _follow(one, "/events/pipeline")
    await stream.until_it_ends()
    await _until(lambda: one.app[STREAMS].count == 0)


async def test_signs_of_life_come_while_nothing_happens(one: Web) -> None:
    one.app[STREAMS].pace = Pace(look=3600, heartbeat=0.02)
    stream = await _follow(one, "/events/pipeline")
    await stream.event()
    async with asyncio.timeout(PATIENCE):
        while stream.reader.comments < 3:
            stream.reader.line((await stream.answer.content.readline()).decode().rstrip("\n"))


async def test_a_client_that_takes_nothing_is_left(one: Web, tmp_path: Path) -> None:
    app = build_app(one.archive, _settings(tmp_path))
    app[STREAMS].pace = Pace(look=3600, heartbeat=0.0, write=0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as slow:
        # Little lies between the two, so that it is full soon.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        slow.connect(listening.getsockname())
        token = (await one.bearer("agent"))["Authorization"]
        slow.sendall(f"GET /events/pipeline HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
        await _until(lambda: app[STREAMS].count == 1)
        await _until(lambda: app[STREAMS].count == 0)
        await runner.cleanup()


async def test_without_its_database_a_stream_ends_and_the_page_can_say_so(one: Web) -> None:
    stream = await _follow(one, "/events/pipeline")
    await stream.event()
    async with one.archive.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE pause_requests RENAME TO elsewhere"))
    assert await stream.until_it_ends() == []


async def test_a_restart_waits_for_no_listener(one: Web, tmp_path: Path) -> None:
    app = build_app(one.archive, _settings(tmp_path))
    # However long: were the stream not ended, this would wait for its whole life.
    runner = web.AppRunner(app, shutdown_timeout=3600.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ClientSession() as client:
        host, port = runner.addresses[0]
        answer = await client.get(f"http://{host}:{port}/events/pipeline", headers=await one.bearer("agent"))
        stream = _kept(answer)
        await stream.event()
        cleaned = asyncio.create_task(runner.cleanup())
        assert await stream.until_it_ends() == []
        async with asyncio.timeout(PATIENCE):
            await cleaned
