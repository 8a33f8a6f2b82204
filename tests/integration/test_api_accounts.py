"""Administration: accounts, teams and numbers by page and by API, the rules above the table, and the own account."""

import html
import re
from datetime import timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from api.access.accounts import UserRow, create_user, set_active, set_role
from api.access.second_factor import new_factor
from api.app import build_app
from api.permissions import ROLES
from api.routes.accounts import account_view
from core.clock import utc_now
from core.database import Database
from core.errors import NotFound, Refused
from core.ledger import LedgerRow
from core.settings import Settings
from tests.web import PASSWORD, STARTED, Web, account


async def _kinds(web: Web, subject: str) -> list[str]:
    async with web.archive.database.read() as session:
        query = select(LedgerRow.kind).where(LedgerRow.subject == subject).order_by(LedgerRow.seq)
        return list(await session.scalars(query))


async def test_an_account_from_its_making_to_its_end(web: Web) -> None:
    made = await web.post("/api/v1/accounts", {"name": "小王", "role": "agent"}, "security")
    assert made.status == 201
    password = (await made.json())["password"]
    entered = await (await web.client().post("/api/v1/login", json={"name": "小王", "password": password})).json()
    bearer = {"Authorization": f"Bearer {entered['token']}"}
    assert entered["pending"] == "password"
    assert (await web.client().get("/api/v1/recordings", headers=bearer)).status == 403
    body = {"current": password, "new": "a phrase of my own"}
    assert (await web.client().post("/api/v1/account/password", json=body, headers=bearer)).status == 200
    assert (await web.client().get("/api/v1/recordings", headers=bearer)).status == 401, "every session ended"
    again = {"name": "小王", "password": "a phrase of my own"}
    entered = await (await web.client().post("/api/v1/login", json=again)).json()
    bearer = {"Authorization": f"Bearer {entered['token']}"}
    assert (await web.client().get("/api/v1/recordings", headers=bearer)).status == 200
    changed = await web.post("/api/v1/accounts/小王", {"role": "auditor"}, "security")
    assert changed.status == 200
    assert (await web.client().get("/api/v1/recordings", headers=bearer)).status == 401, "another role, another login"
    assert (await web.post("/api/v1/accounts/小王", {"active": False}, "security")).status == 200
    assert (await web.client().post("/api/v1/login", json=again)).status == 401
    kinds = ["account added", "password changed", "role changed", "account switched off"]
    assert await _kinds(web, "小王") == kinds


async def test_who_is_logged_in_and_what_his_forms_carry(web: Web) -> None:
    """A page that lay open while its reader logged in again learns the token of its forms; a machine needs none."""
    client = await web.browser("agent")
    own = await (await client.get("/api/v1/account")).json()
    assert (own["name"], own["role"], own["team"], own["pending"]) == ("agent", "agent", "", "")
    path, body = f"/api/v1/recordings/{web.seeded.full}/place", {"position_ms": 4000}
    assert (await client.put(path, json=body, headers={"X-CSRF-Token": "of another login"})).status == 403
    assert (await client.put(path, json=body, headers={"X-CSRF-Token": own["form_token"]})).status == 200
    assert (await (await web.get("/api/v1/account", "agent")).json())["form_token"] == ""
    assert (await web.client().get("/api/v1/account")).status == 401


async def test_nobody_raises_himself(web: Web) -> None:
    """Vertical escalation: by the own form, by the API, by fields that a form does not have."""
    for role in ("agent", "auditor", "system", "audit"):
        assert (await web.post(f"/api/v1/accounts/{account(role)}", {"role": "security"}, role)).status == 403
    own = await web.post("/api/v1/accounts/security", {"role": "auditor"}, "security")
    assert own.status == 403
    assert (await web.post("/api/v1/accounts/security", {"team": "x"}, "security")).status == 403
    assert (await web.post("/api/v1/accounts/security/password", role="security")).status == 403
    browser = await web.browser("agent")
    form = {"csrf": web.form_tokens["agent"], "current": PASSWORD, "new": "something quite new", "again": "x"}
    await browser.post("/account/password", data={**form, "role": "security", "again": form["new"]})
    async with web.archive.database.read() as session:
        rows = {row.name: row.role for row in await session.scalars(select(UserRow))}
    assert rows == {account(role): role for role in ROLES}


async def test_the_last_security_administrator_stays(database: Database) -> None:
    now = utc_now()
    for name in ("anna", "bo"):
        await create_user(database, name, PASSWORD, "security", now=now)
    async with database.write() as session:
        await set_active(session, "bo", False, by="anna", now=now)
    async with database.write() as session:
        with pytest.raises(Refused, match="last security administrator"):
            await set_role(session, "anna", "agent", by="command line", now=now)
        with pytest.raises(Refused, match="last security administrator"):
            await set_active(session, "anna", False, by="command line", now=now)
        with pytest.raises(NotFound):
            await set_active(session, "nobody", False, by="command line", now=now)


async def test_accounts_on_pages(web: Web) -> None:
    browser, csrf = await web.browser("security"), web.form_tokens["security"]
    assert (await browser.get("/admin", allow_redirects=False)).headers["Location"] == "/admin/accounts"
    team = await browser.post("/admin/teams", data={"csrf": csrf, "name": "一组"}, allow_redirects=False)
    assert team.status == 303
    page = await (
        await browser.post("/admin/accounts", data={"csrf": csrf, "name": "xiao.li", "role": "agent", "team": "一组"})
    ).text()
    password = re.search(r'id="made"[^>]* value="([^"]+)"', page)
    assert password
    assert (
        await web.client().post("/api/v1/login", json={"name": "xiao.li", "password": html.unescape(password[1])})
    ).status == 200
    assert password[1] not in await (await browser.get("/admin/accounts")).text(), "shown once"
    twice = await browser.post("/admin/accounts", data={"csrf": csrf, "name": "xiao.li", "role": "agent"})
    assert (twice.status, "已有同名账号" in await twice.text()) == (422, True)
    since = STARTED.date().isoformat()
    form = {"csrf": csrf, "number": "8001", "team": "一组", "holder": "xiao.li", "since": since}
    moved = await browser.post("/admin/numbers", data=form)
    assert "3 条录音随之改变了班组" in await moved.text()
    shown = await (await browser.get("/admin/accounts/xiao.li")).text()
    assert "8001" in shown
    wrong = await browser.post("/admin/numbers", data={**form, "since": "yesterday"})
    assert wrong.status == 422
    for path, field in (("", {"role": "supervisor"}), ("", {"active": "off"}), ("/sessions/end", {})):
        answer = await browser.post(f"/admin/accounts/xiao.li{path}", data={"csrf": csrf, **field})
        assert answer.status == 200, path
    none = await browser.post("/admin/accounts/xiao.li/second-factor/remove", data={"csrf": csrf})
    assert (none.status, "没有设置第二验证" in await none.text()) == (422, True)
    reset = await (await browser.post("/admin/accounts/xiao.li/password", data={"csrf": csrf})).text()
    assert 'id="made"' in reset
    assert (await browser.get("/admin/accounts/none")).status == 404
    oneself = await (await browser.get("/admin/accounts/security")).text()
    assert 'action="/admin/accounts/security"' not in oneself


async def test_settings_show_no_secret(web: Web) -> None:
    settings = Settings(oidc_client_secret="hush hush", database_url="postgresql+asyncpg://u:hush@h/d")
    token = (await web.bearer("system"))["Authorization"]
    async with TestClient(TestServer(build_app(web.archive, settings))) as client:
        page = await (await client.get("/admin/settings", headers={"Authorization": token})).text()
    assert "HUIYIN_OIDC_CLIENT_SECRET" in page
    assert "hush" not in page
    await web.post(
        "/api/v1/policies", {"effective_from": str(utc_now().date() + timedelta(days=40)), "years": 3}, "system"
    )
    browser = await web.browser("audit")
    shown = await (await browser.get("/admin/settings")).text()
    assert "保存年限" in shown
    assert "将生效" in shown


async def test_the_own_account(web: Web) -> None:
    browser, csrf = await web.browser("agent"), web.form_tokens["agent"]
    other = await (await web.client().post("/api/v1/login", json={"name": "agent", "password": PASSWORD})).json()
    listed = await (await web.get("/api/v1/account/sessions")).json()
    assert [each["current"] for each in listed["items"]].count(True) == 1
    elsewhere = next(each["id"] for each in listed["items"] if not each["current"])
    assert (await web.post(f"/api/v1/account/sessions/{elsewhere}/end", role="auditor")).status == 404, "another's"
    ended = await browser.post(f"/account/sessions/{elsewhere}/end", data={"csrf": csrf}, allow_redirects=False)
    assert ended.status == 303
    bearer = {"Authorization": f"Bearer {other['token']}"}
    assert (await web.client().get("/api/v1/recordings", headers=bearer)).status == 401
    form = {"csrf": csrf, "current": PASSWORD, "new": "another good one", "again": "another good two"}
    assert (await browser.post("/account/password", data=form)).status == 422
    short = await browser.post("/account/password", data={**form, "new": "short", "again": "short"})
    assert "密码太短" in await short.text()
    made = await browser.post(
        "/account/tokens", data={"csrf": csrf, "label": "sync", "days": "30", "scope": "recordings.see"}
    )
    secret = re.search(r'value="(huiyin_[^"]+)"', await made.text())
    assert secret
    bearer = {"Authorization": f"Bearer {secret[1]}"}
    assert (await web.client().get("/api/v1/recordings", headers=bearer)).status == 200
    none = await browser.post("/account/tokens", data={"csrf": csrf, "label": "sync", "days": "30"})
    assert none.status == 422
    changed = await browser.post("/account/password", data={**form, "again": form["new"]}, allow_redirects=False)
    assert (changed.status, changed.headers["Location"]) == (303, "/account")
    assert (await web.get("/api/v1/recordings")).status == 401, "the token from before the change is worth nothing"
    assert (await browser.get("/account", allow_redirects=False)).status == 200


@pytest.mark.parametrize("role", ["agent", "supervisor", "auditor", "client", "system", "security", "audit"])
async def test_every_role_begins_on_a_page_of_its_own(web: Web, role: str) -> None:
    browser = await web.browser(role)
    begun = await browser.get("/")
    assert begun.status == 200, begun.url
    assert (await browser.get("/account")).status == 200


def test_an_account_is_shown_without_its_secrets() -> None:
    secret = new_factor()
    row = UserRow(
        name="li",
        role="agent",
        team="",
        password_hash="$argon2id$x",
        active=True,
        created_at=STARTED,
        must_change=False,
        totp_sealed=secret,
        oidc_name="",
    )
    shown = account_view(row, []).model_dump_json()
    assert secret not in shown
    assert "argon2" not in shown
