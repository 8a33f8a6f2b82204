"""The second factor: enrolled with a code, asked at every login, and no code counts twice."""

import base64
import re
from dataclasses import replace
from datetime import timedelta

import pyotp
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select, text

from api.access import second_factor
from api.access.accounts import UserRow
from api.access.attempts import BY_NAME
from api.access.second_factor import RecoveryCode, matching_step
from api.app import build_app
from api.context import CONTEXT
from core.ledger import LedgerRow
from core.sealed_secrets import SecretBox
from tests.integration.logins.clock import NOW, Clock
from tests.web import PASSWORD, Web

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_at(clock: Clock, secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).at(clock.now)


async def enrolled(web: Web, clock: Clock, name: str = "agent") -> list[str]:
    async with web.archive.database.write() as session:
        return list(
            await second_factor.enrol(session, web.app[CONTEXT].secrets, name, SECRET, code_at(clock), now=clock.now)
        )


async def _login(web: Web, **fields: str) -> ClientResponse:
    return await web.client().post("/api/v1/login", json={"name": "agent", "password": PASSWORD, **fields})


def test_the_codes_are_those_of_rfc_6238() -> None:
    """Appendix B's table, its last six digits."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        at = NOW.fromtimestamp(seconds, NOW.tzinfo)
        assert matching_step(secret, code, at, after=0) == seconds // 30
        assert matching_step(secret, code, at, after=seconds // 30) is None, "used already"
        assert matching_step(secret, code, at + timedelta(seconds=30), after=0) is not None
        assert matching_step(secret, code, at + timedelta(seconds=90), after=0) is None


async def test_a_login_needs_the_code_and_a_code_lets_in_once(web: Web, clock: Clock) -> None:
    await enrolled(web, clock)
    asked = await _login(web)
    assert asked.status == 401
    assert "验证码" in (await asked.json())["detail"]
    assert (await _login(web, code=code_at(clock))).status == 401, "the enrolment used this one"
    clock.now += timedelta(seconds=30)
    fresh = code_at(clock)
    assert (await _login(web, code=fresh)).status == 200
    assert (await _login(web, code=fresh)).status == 401, "replayed"


async def test_a_recovery_code_lets_in_once(web: Web, clock: Clock) -> None:
    codes = await enrolled(web, clock)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert (await _login(web, code=codes[3].upper().replace("-", " "))).status == 200
    assert (await _login(web, code=codes[3])).status == 401
    async with web.archive.database.read() as session:
        kept = list(await session.scalars(select(RecoveryCode.code_sha256)))
        row = await session.get(UserRow, "agent")
    assert len(kept) == second_factor.RECOVERY_CODES - 1
    assert not set(kept) & set(codes)
    assert row


async def test_codes_cannot_be_guessed_for_ever(web: Web, clock: Clock) -> None:
    await enrolled(web, clock)
    clock.now += timedelta(minutes=1)
    answers = [(await _login(web, code="000000")).status for _ in range(BY_NAME)]
    assert 429 in answers
    assert (await _login(web, code=code_at(clock))).status == 429


async def test_half_a_login_is_none(web: Web, clock: Clock) -> None:
    """The cookie between password and code opens nothing, and is another one than the session's."""
    await enrolled(web, clock)
    clock.now += timedelta(minutes=1)
    client = web.client()
    page = await (await client.get("/login")).text()
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token
    form = {"csrf": token[1], "name": "agent", "password": PASSWORD, "next": "/orders"}
    half = await client.post("/login", data=form, allow_redirects=False)
    assert (half.status, half.headers["Location"]) == (303, "/login/code?next=/orders")
    half_token = half.cookies["huiyin_half"].value
    assert "huiyin_session" not in half.cookies
    bearer = {"Authorization": f"Bearer {half_token}"}
    assert (await web.client().get("/api/v1/recordings", headers=bearer)).status == 401
    wrong = await client.post("/login/code", data={"csrf": token[1], "code": "123", "next": "/orders"})
    assert wrong.status == 401
    done = await client.post(
        "/login/code", data={"csrf": token[1], "code": code_at(clock), "next": "/orders"}, allow_redirects=False
    )
    assert (done.status, done.headers["Location"]) == (303, "/orders")
    assert done.cookies["huiyin_session"].value != half_token
    again = await web.client().post(
        "/login/code",
        data={"csrf": "t", "code": code_at(clock)},
        cookies={"huiyin_half": half_token, "huiyin_form": "t"},
    )
    assert again.status == 401, "the half open session is used up"


async def test_it_is_set_up_on_the_own_page_and_renews_the_session(web: Web, clock: Clock) -> None:
    browser, csrf = await web.browser("auditor"), web.form_tokens["auditor"]
    old = await web.bearer("auditor")
    refused = await browser.post("/account/second-factor/start", data={"csrf": csrf, "password": "wrong password"})
    assert refused.status == 422
    page = await (await browser.post("/account/second-factor/start", data={"csrf": csrf, "password": PASSWORD})).text()
    found = re.search(r'name="secret" value="([A-Z2-7]{32})"', page)
    assert found
    assert "data:image/svg+xml;base64," in page
    secret = found[1]
    wrong = await browser.post("/account/second-factor", data={"csrf": csrf, "secret": secret, "code": "000"})
    assert wrong.status == 422
    form = {"csrf": csrf, "secret": secret, "code": code_at(clock, secret)}
    done = await browser.post("/account/second-factor", data=form)
    assert len(re.findall(r"<li>[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}</li>", await done.text())) == 10
    assert (await web.client().get("/api/v1/recordings", headers=old)).status == 401, "the old token is worth nothing"
    assert (await browser.get("/account")).status == 200, "this browser goes on with the new one"
    async with web.archive.database.read() as session:
        rows = list(await session.scalars(select(LedgerRow).where(LedgerRow.kind == "second factor set")))
    assert [row.actor for row in rows] == ["auditor"]
    assert all(secret not in row.leaf for row in rows)


async def test_roles_that_need_it_open_nothing_else_before(web: Web, clock: Clock) -> None:
    settings = replace(web.app[CONTEXT].settings, second_factor_roles=frozenset({"auditor"}))
    async with TestClient(TestServer(build_app(web.archive, settings))) as client:
        said = await (await client.post("/api/v1/login", json={"name": "auditor", "password": PASSWORD})).json()
        assert said["pending"] == "second factor"
        bearer = {"Authorization": f"Bearer {said['token']}"}
        assert (await client.get("/api/v1/recordings", headers=bearer)).status == 403
        body = {"label": "x", "scopes": ["recordings.see"]}
        assert (await client.post("/api/v1/account/tokens", json=body, headers=bearer)).status == 403
        sent = await client.get("/recordings", headers=bearer, allow_redirects=False)
        assert (sent.status, sent.headers["Location"]) == (303, "/account")
        assert (await client.get("/account", headers=bearer)).status == 200
        async with web.archive.database.write() as session:
            box = web.app[CONTEXT].secrets
            await second_factor.enrol(session, box, "auditor", SECRET, code_at(clock), now=clock.now)
        assert (await client.get("/api/v1/recordings", headers=bearer)).status == 200
        agent = await (await client.post("/api/v1/login", json={"name": "agent", "password": PASSWORD})).json()
        assert agent["pending"] == ""


async def test_the_database_does_not_tell_the_secret(web: Web, clock: Clock) -> None:
    """Nor does a row that is copied to another account open that one."""
    await enrolled(web, clock)
    async with web.archive.database.write() as session:
        rows = (await session.execute(text("SELECT name, totp_sealed FROM users"))).all()
        sealed = {row.name: row.totp_sealed for row in rows}
        assert SECRET not in str(sealed)
        assert base64.b32decode(SECRET).hex() not in str(sealed)
        (await session.get_one(UserRow, "auditor")).totp_sealed = sealed["agent"]
    clock.now += timedelta(minutes=1)
    body = {"name": "auditor", "password": PASSWORD, "code": code_at(clock)}
    assert (await web.client().post("/api/v1/login", json=body)).status == 500
    assert (await _login(web, code=code_at(clock))).status == 200


async def test_without_the_key_nobody_passes_and_all_others_work_on(web: Web, clock: Clock) -> None:
    await enrolled(web, clock)
    clock.now += timedelta(minutes=1)
    key = web.app[CONTEXT].settings.secret_key
    there = key.read_bytes()
    key.unlink()
    refused = await _login(web, code=code_at(clock))
    assert refused.status == 503
    assert str(key) not in await refused.text(), "visitors need not know where it lies"
    assert (await web.get("/api/v1/recordings", "supervisor")).status == 200
    SecretBox.ensure(key)
    other = await _login(web, code=code_at(clock))
    assert (other.status, str(key) in await other.text()) == (503, False), "another key is no better"
    key.write_bytes(there)
    assert (await _login(web, code=code_at(clock))).status == 200, "without a new start"
