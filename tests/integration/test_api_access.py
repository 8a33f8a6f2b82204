"""Login, its limits, form tokens, and every route against every role."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from api.app import ENDPOINTS
from api.auth import (
    LoginGuard,
    SessionRow,
    UserRow,
    create_user,
    ensure_first_admin,
    login,
    logout,
    user_of,
    verify,
)
from api.middleware import PERMISSION_OF
from api.permissions import PERMISSIONS, PUBLIC, ROLES, allows
from archive.house import Archive
from core.database import Database
from core.errors import Conflict, Refused
from tests.web import PASSWORD, Web, serving

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(archive, tmp_path) as served:
        yield served


async def test_users_and_sessions(database: Database) -> None:
    user = await create_user(database, "li", PASSWORD, "agent", now=NOW)
    assert await verify(database, "li", PASSWORD) == user
    assert await verify(database, "li", PASSWORD + "!") is None
    assert await verify(database, "nobody", PASSWORD) is None
    opened = await login(database, "li", PASSWORD, now=NOW, lasts=HOUR)
    assert opened
    assert await user_of(database, opened.token, NOW) == user
    assert await user_of(database, opened.token, NOW + HOUR) is None
    assert await user_of(database, "x" + opened.token, NOW) is None
    await logout(database, opened.token)
    assert await user_of(database, opened.token, NOW) is None


async def test_neither_password_nor_token_is_stored(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    opened = await login(database, "li", PASSWORD, now=NOW, lasts=HOUR)
    assert opened
    async with database.read() as session:
        user = await session.get(UserRow, "li")
        row = await session.scalar(select(SessionRow))
    assert user
    assert user.password_hash.startswith("$argon2id$")
    assert row
    assert opened.token not in (row.token_sha256, row.user)


async def test_a_user_who_was_switched_off_is_out_at_once(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    opened = await login(database, "li", PASSWORD, now=NOW, lasts=HOUR)
    assert opened
    async with database.write() as session:
        row = await session.get(UserRow, "li")
        assert row
        row.active = False
    assert await user_of(database, opened.token, NOW) is None
    assert await login(database, "li", PASSWORD, now=NOW, lasts=HOUR) is None


async def test_a_login_sweeps_sessions_that_ran_out(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    await login(database, "li", PASSWORD, now=NOW, lasts=HOUR)
    await login(database, "li", PASSWORD, now=NOW + HOUR, lasts=HOUR)
    async with database.read() as session:
        assert [row.created_at for row in await session.scalars(select(SessionRow))] == [NOW + HOUR]


async def test_users_are_refused_with_reasons(database: Database) -> None:
    with pytest.raises(Refused, match="too short"):
        await create_user(database, "li", "short", "agent", now=NOW)
    with pytest.raises(Refused, match="no such role"):
        await create_user(database, "li", PASSWORD, "boss", now=NOW)
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    with pytest.raises(Conflict):
        await create_user(database, "li", PASSWORD, "agent", now=NOW)


async def test_the_first_administrator_is_made_once(database: Database) -> None:
    made = await ensure_first_admin(database, NOW)
    assert made
    name, password = made
    user = await verify(database, name, password)
    assert user
    assert user.role == "security"
    assert await ensure_first_admin(database, NOW) is None


def test_guessing_is_slowed_down_by_name_and_by_address() -> None:
    guard = LoginGuard()
    for second in range(5):
        assert guard.wait("li", "192.0.2.1", NOW) == timedelta(0)
        guard.failed("li", "192.0.2.1", NOW + timedelta(seconds=second))
    assert guard.wait("li", "192.0.2.9", NOW + timedelta(seconds=10)) == timedelta(minutes=5, seconds=-10)
    assert guard.wait("wang", "192.0.2.1", NOW) == timedelta(0)
    for number in range(25):
        guard.failed(f"guess{number}", "192.0.2.1", NOW)
    assert guard.wait("wang", "192.0.2.1", NOW) > timedelta(0)
    assert guard.wait("li", "192.0.2.1", NOW + timedelta(minutes=6)) == timedelta(0)


async def test_five_wrong_passwords_lock_the_name(web: Web) -> None:
    client = web.client()
    for _ in range(5):
        refused = await client.post("/api/v1/login", json={"name": "agent", "password": "wrong password"})
        assert refused.status == 401
    locked = await client.post("/api/v1/login", json={"name": "agent", "password": PASSWORD})
    assert locked.status == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 301
    other = await client.post("/api/v1/login", json={"name": "auditor", "password": PASSWORD})
    assert other.status == 200


async def test_unknown_and_known_names_are_answered_alike(web: Web) -> None:
    answers = []
    for name in ("agent", "nobody"):
        answer = await web.client().post("/api/v1/login", json={"name": name, "password": "wrong password"})
        said = await answer.json()
        answers.append((answer.status, said["title"], said["detail"]))
    assert answers[0] == answers[1]


async def test_login_page(web: Web) -> None:
    client = web.client()
    sent = await client.get("/recordings?day=2026-11-20", allow_redirects=False)
    assert sent.status == 303
    assert sent.headers["Location"] == "/login?next=%2Frecordings%3Fday%3D2026-11-20"
    page = await (await client.get(sent.headers["Location"])).text()
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token
    form = {"csrf": token[1], "name": "agent", "password": PASSWORD, "next": "/recordings?day=2026-11-20"}
    opened = await client.post("/login", data=form, allow_redirects=False)
    assert (opened.status, opened.headers["Location"]) == (303, "/recordings?day=2026-11-20")
    cookie = opened.cookies["huiyin_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]
    assert (await client.get("/recordings", allow_redirects=False)).status == 200


async def test_the_session_cookie_is_secure_behind_https(web: Web) -> None:
    client = web.client()
    page = await (await client.get("/login")).text()
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token
    opened = await client.post(
        "/login",
        data={"csrf": token[1], "name": "agent", "password": PASSWORD, "next": "//evil.example/x"},
        headers={"X-Forwarded-Proto": "https"},
        allow_redirects=False,
    )
    assert opened.cookies["huiyin_session"]["secure"]
    assert opened.headers["Location"] == "/"


async def test_a_wrong_password_is_said_on_the_page(web: Web) -> None:
    client = web.client()
    token = re.search(r'name="csrf" value="([^"]+)"', await (await client.get("/login")).text())
    assert token
    refused = await client.post("/login", data={"csrf": token[1], "name": "agent", "password": "wrong password"})
    assert refused.status == 401
    assert "用户名或密码不正确" in await refused.text()


async def test_login_from_another_site_is_refused(web: Web) -> None:
    form = {"csrf": "x", "name": "agent", "password": PASSWORD}
    assert (await web.client().post("/login", data=form)).status == 403
    assert (await web.client().post("/login", data={**form, "csrf": ""})).status == 403


async def test_forms_of_other_sites_are_refused(web: Web) -> None:
    browser = await web.browser("supervisor")
    path = f"/recordings/{web.seeded.pending}/link"
    for form in ({"work_order": "X"}, {"work_order": "X", "csrf": "0" * 64}):
        refused = await browser.post(path, data=form, allow_redirects=False)
        assert refused.status == 403
    api = await browser.post("/api/v1/reports/daily", json={"day": "2026-11-20"})
    assert api.status == 403
    allowed = await browser.post(
        "/api/v1/reports/daily",
        json={"day": "2026-11-20"},
        headers={"X-CSRF-Token": web.form_tokens["supervisor"]},
    )
    assert allowed.status == 202


async def test_logout_ends_the_session_everywhere(web: Web) -> None:
    browser = await web.browser("agent")
    assert (await browser.get("/recordings", allow_redirects=False)).status == 200
    out = await browser.post("/logout", data={"csrf": web.form_tokens["agent"]}, allow_redirects=False)
    assert (out.status, out.headers["Location"]) == (303, "/login")
    assert (await web.get("/api/v1/recordings")).status == 401


def test_every_permission_is_used_and_known() -> None:
    used = {endpoint.permission for endpoint in ENDPOINTS}
    assert used == {*PERMISSIONS, PUBLIC}


async def test_every_route_declares_its_permission(web: Web) -> None:
    declared = web.app[PERMISSION_OF]
    routes = {
        (route.method, route.resource.canonical) for route in web.app.router.routes() if route.resource is not None
    }
    assert routes == declared.keys()


def _path(pattern: str) -> str:
    return re.sub(r"\{[^}]+\}", str(uuid4()), pattern)


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_every_route_for_every_role(web: Web, role: str | None) -> None:
    """What the table allows is never 401 or 403; what it does not allow is always refused."""
    headers = await web.bearer(role) if role else {}
    client = web.client()
    for (method, pattern), permission in web.app[PERMISSION_OF].items():
        if pattern in ("/api/v1/logout", "/logout"):
            continue  # it would end this walk
        answer = await client.request(method, _path(pattern), headers=headers, allow_redirects=False)
        if allows(permission, role):
            wrong_password = pattern in ("/login", "/api/v1/login")
            assert wrong_password or answer.status not in (401, 403), (method, pattern, answer.status)
        elif role is None:
            to_login = answer.status == 303 and answer.headers["Location"].startswith("/login")
            assert to_login or answer.status == 401, (method, pattern, answer.status)
        else:
            assert answer.status == 403, (method, pattern, answer.status)
