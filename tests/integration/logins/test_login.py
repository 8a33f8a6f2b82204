"""Logins: locks that last, sessions that end, cookies, and what an attacker tries."""

import json
import re
from datetime import datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from sqlalchemy import select

from api.access import attempts, signin
from api.access.accounts import UserRow, create_user, ensure_first_admin, set_active
from api.access.attempts import BY_ADDRESS, BY_NAME, WINDOW, Attempt
from api.access.passwords import PasswordChecks
from api.access.sessions import Client, Lasts, SessionRow
from api.access.signin import Locked, Login, Rules, log_in, log_out, user_of, verify
from core.database import Database
from core.errors import Conflict, Refused
from core.ledger import LedgerRow
from tests.integration.logins.clock import NOW, Clock
from tests.web import PASSWORD, Web

Browser = TestClient[Request, Application]
RULES = Rules(Lasts(timedelta(hours=8), timedelta(minutes=30)))
HERE = Client("192.0.2.7", "a browser")


async def _enter(database: Database, name: str, password: str, now: datetime = NOW) -> Login | Locked | None:
    return await log_in(database, PasswordChecks(), RULES, name, password, HERE, now=now)


async def _opened(database: Database, name: str = "li", now: datetime = NOW) -> str:
    done = await _enter(database, name, PASSWORD, now)
    assert isinstance(done, Login)
    return done.opened.token


async def test_users_and_sessions(database: Database) -> None:
    user = await create_user(database, "li", PASSWORD, "agent", now=NOW)
    assert await verify(database, PasswordChecks(), "li", PASSWORD) == user
    assert await verify(database, PasswordChecks(), "li", PASSWORD + "!") is None
    assert await verify(database, PasswordChecks(), "nobody", PASSWORD) is None
    token = await _opened(database)
    assert await user_of(database, token, NOW, RULES) == user
    assert await user_of(database, "x" + token, NOW, RULES) is None
    assert await user_of(database, "\udcff" + token, NOW, RULES) is None
    await log_out(database, token)
    assert await user_of(database, token, NOW, RULES) is None


async def test_a_session_ends_after_its_time_and_when_nobody_uses_it(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    token = await _opened(database)
    at = NOW
    while at < NOW + RULES.lasts.longest - timedelta(minutes=20):
        at += timedelta(minutes=20)
        assert await user_of(database, token, at, RULES), "each use keeps it alive"
    assert await user_of(database, token, NOW + RULES.lasts.longest, RULES) is None
    idle = await _opened(database, now=at)
    assert await user_of(database, idle, at + timedelta(minutes=29), RULES)
    assert await user_of(database, idle, at + timedelta(minutes=59), RULES) is None


async def test_neither_password_nor_token_is_stored(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    token = await _opened(database)
    async with database.read() as session:
        user = await session.get(UserRow, "li")
        row = await session.scalar(select(SessionRow))
    assert user
    assert user.password_hash.startswith("$argon2id$")
    assert row
    assert token not in (row.token_sha256, row.user, str(row.id))


async def test_a_user_who_was_switched_off_is_out_at_once(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    token = await _opened(database)
    async with database.write() as session:
        await set_active(session, "li", False, by="wang", now=NOW)
    assert await user_of(database, token, NOW, RULES) is None
    assert await _enter(database, "li", PASSWORD) is None


async def test_a_login_sweeps_sessions_that_ran_out(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    await _opened(database)
    later = NOW + RULES.lasts.longest
    await _opened(database, now=later)
    async with database.read() as session:
        assert [row.created_at for row in await session.scalars(select(SessionRow))] == [later]


@pytest.mark.parametrize(
    ("name", "password", "role", "why"),
    [
        ("li", "short", "agent", "too short"),
        ("li", "x" * 201, "agent", "too long"),
        ("li", "1234567890", "agent", "guessed first"),
        ("li", "PassWord123", "agent", "guessed first"),
        ("li", "aaaaaaaaaaaaaa", "agent", "guessed first"),
        ("wangli", "WangLi-2026!", "agent", "account's name"),
        ("li", PASSWORD, "boss", "no such role"),
        ("li\nadmin logged in", PASSWORD, "agent", "letters, digits"),
        ("<b>", PASSWORD, "agent", "letters, digits"),
        ("System", PASSWORD, "agent", "program's own"),
        ("nobody", PASSWORD, "agent", "program's own"),
    ],
)
async def test_users_are_refused_with_reasons(
    database: Database, name: str, password: str, role: str, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        await create_user(database, name, password, role, now=NOW)


async def test_a_name_is_given_once(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    with pytest.raises(Conflict):
        await create_user(database, "li", PASSWORD, "agent", now=NOW)


async def test_the_first_administrator_is_made_once_and_gets_a_password_of_its_own(database: Database) -> None:
    made = await ensure_first_admin(database, NOW)
    assert made
    name, password = made
    user = await verify(database, PasswordChecks(), name, password)
    assert user
    assert (user.role, user.pending) == ("security", "password")
    assert await ensure_first_admin(database, NOW) is None


async def test_guessing_is_stopped_by_name_and_a_restart_forgives_nothing(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    for _ in range(BY_NAME):
        assert await _enter(database, "li", "wrong password") is None
    again = Database(database.url.render_as_string(hide_password=False))
    try:
        locked = await _enter(again, "li", PASSWORD, NOW + timedelta(minutes=1))
        assert locked == Locked(WINDOW - timedelta(minutes=1))
        assert await _enter(again, "LI", PASSWORD, NOW) == Locked(WINDOW), "however the name is written"
        assert isinstance(await _enter(again, "li", PASSWORD, NOW + WINDOW), Login)
        async with again.read() as session:
            kinds = list(await session.scalars(select(LedgerRow.kind).order_by(LedgerRow.seq)))
    finally:
        await again.close()
    assert kinds == ["account added", *["login failed"] * BY_NAME, "login locked", "logged in"]


async def test_guessing_is_stopped_by_address(database: Database) -> None:
    for number in range(BY_ADDRESS):
        async with database.write() as session:
            charged = await attempts.charge(session, Attempt(f"guess{number}", "2001:db8::1"), NOW)
        assert charged.wait == timedelta(0)
    async with database.write() as session:
        same_house = await attempts.charge(session, Attempt("li", "2001:db8::2"), NOW)
        elsewhere = await attempts.charge(session, Attempt("li", "2001:db8:0:1::1"), NOW)
    assert (same_house.wait, elsewhere.wait) == (WINDOW, timedelta(0))


async def test_a_good_login_forgives_its_name_but_not_what_the_address_tried(database: Database) -> None:
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    for _ in range(BY_NAME - 1):
        await _enter(database, "li", "wrong password")
    assert isinstance(await _enter(database, "li", PASSWORD), Login)
    async with database.read() as session:
        left = {row.key: row.count for row in await session.scalars(select(attempts.AttemptRow))}
    assert left == {"address 192.0.2.7": BY_NAME - 1}


async def test_known_and_unknown_names_cost_the_same_work(database: Database) -> None:
    """One comparison of hashes and one row of the ledger for each, so that time tells nothing."""
    await create_user(database, "li", PASSWORD, "agent", now=NOW)
    await create_user(database, "off", PASSWORD, "agent", now=NOW)
    async with database.write() as session:
        await set_active(session, "off", False, by="wang", now=NOW)
    checks, rows = PasswordChecks(), []
    for name in ("li", "nobody", "off", ""):
        before = checks.count
        assert await log_in(database, checks, RULES, name, "wrong password", HERE, now=NOW) is None
        assert checks.count == before + 1, name
        async with database.read() as session:
            newest = await session.scalar(select(LedgerRow).order_by(LedgerRow.seq.desc()).limit(1))
        assert newest
        rows.append((newest.kind, newest.subject, json.loads(newest.leaf)["facts"]))
    assert rows[0] == rows[1] == rows[2] == rows[3]


async def test_the_ledger_knows_no_name_that_is_none(database: Database) -> None:
    """Somebody typed the password into the wrong field."""
    await _enter(database, "my secret Passw0rd", "")
    async with database.read() as session:
        row = await session.scalar(select(LedgerRow))
        kept = list(await session.scalars(select(attempts.AttemptRow.key)))
    assert row
    assert row.actor == signin.NOBODY
    assert "Passw0rd" not in row.leaf
    assert not any("Passw0rd" in key for key in kept)


async def test_five_wrong_passwords_lock_the_name(web: Web) -> None:
    client = web.client()
    for _ in range(BY_NAME):
        refused = await client.post("/api/v1/login", json={"name": "agent", "password": "wrong password"})
        assert refused.status == 401
    locked = await client.post("/api/v1/login", json={"name": "agent", "password": PASSWORD})
    assert locked.status == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 601
    other = await client.post("/api/v1/login", json={"name": "auditor", "password": PASSWORD})
    assert other.status == 200


async def test_unknown_and_known_names_are_answered_alike(web: Web) -> None:
    answers = []
    for name in ("agent", "nobody"):
        for _ in range(BY_NAME + 1):
            answer = await web.client().post("/api/v1/login", json={"name": name, "password": "wrong password"})
            said = await answer.json()
            answers.append((answer.status, said["title"], said["detail"]))
    assert answers[: BY_NAME + 1] == answers[BY_NAME + 1 :]


async def login_form_token(client: Browser, path: str = "/login") -> str:
    token = re.search(r'name="csrf" value="([^"]+)"', await (await client.get(path)).text())
    assert token
    return token[1]


async def test_login_page(web: Web) -> None:
    client = web.client()
    sent = await client.get("/recordings?day=2026-11-20", allow_redirects=False)
    assert sent.status == 303
    assert sent.headers["Location"] == "/login?next=%2Frecordings%3Fday%3D2026-11-20"
    token = await login_form_token(client, sent.headers["Location"])
    form = {"csrf": token, "name": "agent", "password": PASSWORD, "next": "/recordings?day=2026-11-20"}
    opened = await client.post("/login", data=form, allow_redirects=False)
    assert (opened.status, opened.headers["Location"]) == (303, "/recordings?day=2026-11-20")
    cookie = opened.cookies["huiyin_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]
    assert (await client.get("/recordings", allow_redirects=False)).status == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example/x", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example", "evil"],
)
async def test_a_login_leads_to_no_other_site(web: Web, elsewhere: str) -> None:
    client = web.client()
    form = {"csrf": await login_form_token(client), "name": "agent", "password": PASSWORD, "next": elsewhere}
    opened = await client.post("/login", data=form, allow_redirects=False)
    assert opened.headers["Location"] == "/"
    again = await client.get("/login", params={"next": elsewhere}, allow_redirects=False)
    assert (again.status, again.headers["Location"]) == (303, "/")


async def test_a_token_from_before_the_login_is_worth_nothing_after_it(web: Web) -> None:
    """Session fixation: somebody set the victim's cookie beforehand."""
    client, planted = web.client(), "p" * 43
    client.session.cookie_jar.update_cookies({"huiyin_session": planted}, client.make_url("/"))
    form = {"csrf": await login_form_token(client), "name": "agent", "password": PASSWORD, "next": "/"}
    opened = await client.post("/login", data=form, allow_redirects=False)
    token = opened.cookies["huiyin_session"].value
    assert token != planted
    assert (await web.client().get("/api/v1/recordings", headers={"Authorization": f"Bearer {planted}"})).status == 401
    form = {"csrf": await login_form_token(web.client()), "name": "agent", "password": PASSWORD, "next": "/"}
    other = web.client()
    form["csrf"] = await login_form_token(other)
    again = await other.post("/login", data=form, allow_redirects=False)
    assert again.cookies["huiyin_session"].value != token


async def test_an_idle_browser_has_to_log_in_again(web: Web, clock: Clock) -> None:
    browser = await web.browser("agent")
    assert (await browser.get("/recordings", allow_redirects=False)).status == 200
    clock.now += timedelta(minutes=59)
    assert (await browser.get("/recordings", allow_redirects=False)).status == 200
    clock.now += timedelta(minutes=61)
    assert (await browser.get("/recordings", allow_redirects=False)).status == 303


async def test_a_wrong_password_is_said_on_the_page(web: Web) -> None:
    client = web.client()
    form = {"csrf": await login_form_token(client), "name": "agent", "password": "wrong password"}
    refused = await client.post("/login", data=form)
    assert refused.status == 401
    assert "用户名或密码不正确" in await refused.text()


async def test_login_from_another_site_is_refused(web: Web) -> None:
    form = {"csrf": "x", "name": "agent", "password": PASSWORD}
    assert (await web.client().post("/login", data=form)).status == 403
    assert (await web.client().post("/login", data={**form, "csrf": ""})).status == 403


async def test_logout_ends_the_session_everywhere(web: Web) -> None:
    browser = await web.browser("agent")
    assert (await browser.get("/recordings", allow_redirects=False)).status == 200
    out = await browser.post("/logout", data={"csrf": web.form_tokens["agent"]}, allow_redirects=False)
    assert (out.status, out.headers["Location"]) == (303, "/login")
    assert (await web.get("/api/v1/recordings")).status == 401
