"""Doing what one may not: other people's things, higher roles, forged and borrowed tokens, other sites and paths."""

import re
from datetime import timedelta

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from api.access.accounts import UserRow, create_user
from api.access.secret import form_token
from api.app import ENDPOINTS
from api.endpoint import JSON
from core.clock import utc_now
from core.database import Database
from tests.integration.attacks_web.conftest import Real
from tests.integration.logins.test_login import login_form_token
from tests.web import PASSWORD, Web

HIGHER = {"role": "security", "team": "二组", "active": True, "scopes": ["accounts.manage"], "must_change": False}


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and all models in it."""
    found, waiting = list[type[BaseModel]](), [model]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.append(each)
        for field in each.model_fields.values():
            inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
            waiting += [one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)]
    return found


def test_no_route_takes_a_field_that_it_does_not_know() -> None:
    """Mass assignment: what is not in the model is refused, at every depth."""
    loose = {
        f"{each.method} {each.path}: {model.__name__}"
        for each in ENDPOINTS
        if each.takes is not None
        for model in _models(each.takes)
        if model.model_config.get("extra") != "forbid"
    }
    assert loose == set()


async def _accounts(database: Database) -> dict[str, tuple[str, str, bool]]:
    async with database.read() as session:
        rows = await session.scalars(select(UserRow))
        return {row.name: (row.role, row.team, row.active) for row in rows}


async def test_nobody_gives_himself_a_role_or_a_team(web: Web) -> None:
    """By JSON it is refused, by a form it is not looked at; whatever one may write oneself is tried."""
    before = await _accounts(web.archive.database)
    browser = await web.browser("agent")
    mine = [each for each in ENDPOINTS if each.permission in ("account.own", "tokens.own") and each.method != "GET"]
    assert len(mine) > 8
    for each in mine:
        path = re.sub(r"\{[^}]+\}", "01a1f6ca-1040-7537-9100-52d47455f9d7", each.path)
        if each.takes is not None and each.takes_media == JSON:
            body = {"password": PASSWORD, "old": PASSWORD, "new": "another good password", **HIGHER}
            assert (await web.post(path, body)).status in (404, 422), path
        elif not each.path.startswith("/api/"):
            form = {"csrf": web.form_tokens["agent"], "name": "security", "label": "x", "password": "wrong"}
            await browser.post(path, data={**form, "role": "security", "team": "二组"}, allow_redirects=False)
    answer = await web.client().request(
        "PUT", "/api/v1/me/review", json={"speed": 1, **HIGHER}, headers=await web.bearer("agent")
    )
    assert answer.status in (404, 422)
    assert await _accounts(web.archive.database) == before


async def test_other_peoples_things_are_not_there(web: Web) -> None:
    """Sessions, tokens and saved searches by their right identifiers, as somebody of the same role."""
    await create_user(web.archive.database, "colleague", PASSWORD, "agent", now=utc_now())
    sessions = (await (await web.get("/api/v1/account/sessions")).json())["items"]
    asked = {"label": "mine", "scopes": ["calls.see"], "days": 1}
    token = (await (await web.post("/api/v1/account/tokens", asked)).json())["token"]
    saved = await (await web.post("/api/v1/search/saved", {"name": "mine", "filters": {"q": "路灯"}})).json()
    headers = await web.bearer("colleague")
    for method, path in (
        ("POST", f"/api/v1/account/sessions/{sessions[0]['id']}/end"),
        ("POST", f"/api/v1/account/tokens/{token['id']}/revoke"),
        ("DELETE", f"/api/v1/search/saved/{saved['id']}"),
    ):
        answer = await web.client().request(method, path, headers=headers)
        assert answer.status == 404, (path, await answer.text())
    assert (await web.get("/api/v1/recordings")).status == 200, "the session that was aimed at goes on"
    assert token["id"] in await (await web.get("/api/v1/account/tokens")).text()
    assert saved["id"] in await (await web.get("/api/v1/search/saved")).text()


@pytest.mark.parametrize(
    "path",
    [
        "//admin/accounts",
        "/./admin/accounts",
        "/login/../admin/accounts",
        "/login/%2e%2e/admin/accounts",
        "/static/..%2fadmin/accounts",
        "/static/../admin/accounts",
        "/ADMIN/accounts",
        "/admin/accounts/",
        "/admin/accounts;a=b",
        "/admin%2faccounts",
        "/admin\\accounts",
        "/%61dmin/accounts",
        "/admin/accounts?lang=zh#/static/",
        "/admin/accounts%00/static/x",
    ],
)
async def test_no_spelling_of_a_path_goes_round_its_permission(real: Real, path: str) -> None:
    for role in ("", "agent"):
        status, headers, body = await real.get(path, role)
        led = status == 303 and headers["location"].startswith("/login")
        assert status in (400, 401, 403, 404) or led, (role, path, status)
        assert b'href="/admin/accounts/' not in body


async def test_no_header_goes_round_a_permission(real: Real) -> None:
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Forwarded-User", "X-Remote-User"):
        status, _, _ = await real.get("/admin/accounts", "agent", **{name: "security"})
        assert status == 403, name
        status, _, _ = await real.get("/login", "", **{name: "/admin/accounts"})
        assert status == 200, name


async def test_forged_and_borrowed_sessions_let_nobody_in(web: Web) -> None:
    """A changed letter, a prefix, another case, a name, nothing, a quotation mark, a machine's token as cookie."""
    token = (await web.bearer("agent"))["Authorization"].removeprefix("Bearer ")
    made = await (await web.post("/api/v1/account/tokens", {"label": "m", "scopes": ["calls.see"], "days": 1})).json()
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    forged = [swapped, token[:-1], f"{token}A", token.swapcase(), "agent", "null", "", " ", "0" * 64, "' OR 1=1 --"]
    for each in forged:
        answer = await web.client().get("/api/v1/recordings", headers={"Cookie": f"huiyin_session={each}"})
        assert answer.status == 401, each
        answer = await web.client().get("/api/v1/recordings", headers={"Authorization": f"Bearer {each}"})
        assert answer.status == 401, each
    limited = {"Cookie": f"huiyin_session={made['secret']}"}
    assert (await web.client().get("/api/v1/recordings", headers=limited)).status == 403, "a token keeps its scopes"
    half = {"Cookie": f"huiyin_half={token}"}
    assert (await web.client().get("/api/v1/recordings", headers=half)).status == 401


async def test_a_form_token_is_worth_something_in_its_own_session_only(web: Web) -> None:
    """Another person's, another session's of the same person, one that was computed without the secret, none."""
    browser = await web.browser("security")
    await web.bearer("agent")
    again = await web.client().post("/api/v1/login", json={"name": "security", "password": PASSWORD})
    other = (await again.json())["form_token"]
    assert other != web.form_tokens["security"]
    for given in (web.form_tokens["agent"], other, form_token(""), form_token("security"), "", "null"):
        form = {"csrf": given, "name": "planted", "password": "a good long password", "role": "security"}
        answer = await browser.post("/admin/accounts", data=form, allow_redirects=False)
        assert answer.status == 403, given
        answer = await browser.post(
            "/api/v1/accounts", json={"name": "planted", "role": "security"}, headers={"X-CSRF-Token": given}
        )
        assert answer.status == 403, given
    assert "planted" not in await _accounts(web.archive.database)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_no_form_of_another_site_passes_for_json(web: Web, kind: str) -> None:
    """What a page elsewhere may send without being asked: it carries our cookie and no token of the form."""
    browser = await web.browser("agent")
    body = '{"scopes": ["calls.see"], "label": "planted", "days": 1}'
    answer = await browser.post("/api/v1/account/tokens", data=body, headers={"Content-Type": kind})
    assert answer.status in (400, 403, 415)
    assert "planted" not in await (await web.get("/api/v1/account/tokens")).text()


ELSEWHERE = (
    *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example"),
    *("http:evil.example", "/\t/evil.example", "/\n/evil.example", " //evil.example", "\x01//evil.example"),
    *("/\u2028/evil.example", "https://huiyin@evil.example/", "//huiyin@evil.example", "javascript:alert(1)"),
    *("data:text/html,x", "/%09/evil.example", "/%5cevil.example", "/%2f%2fevil.example", "%2f%2fevil.example"),
    *("/.//evil.example", "/..//evil.example", "evil.example", "?next=//evil.example", "／／evil.example"),
)


def _stays(location: str) -> bool:
    """A path of this site, as every browser reads it: one slash, then neither slash nor backslash, nothing that it
    would take out first (WHATWG URL, section 4.4)."""
    return bool(re.fullmatch(r"/(?![/\\])[\x21-\x7e]*", location) or location == "/")


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
async def test_no_redirect_leads_to_another_site(web: Web, elsewhere: str) -> None:
    """After a login, for who is logged in, after a choice of colours (by its field and by where it came from)."""
    client = web.client()
    form = {"csrf": await login_form_token(client), "name": "agent", "password": PASSWORD, "next": elsewhere}
    answers = [
        await client.post("/login", data=form, allow_redirects=False),
        await client.get("/login", params={"next": elsewhere}, allow_redirects=False),
        await web.client().post("/look", data={"theme": "dark", "next": elsewhere}, allow_redirects=False),
    ]
    for answer in answers:
        assert answer.status == 303, await answer.text()
        assert _stays(answer.headers["Location"]), answer.headers["Location"]


async def test_a_lockout_by_strangers_ends_by_itself(web: Web) -> None:
    """Guessing at a name locks it for minutes, not for good; and an address that guesses is locked sooner."""
    for _ in range(6):
        answer = await web.client().post("/api/v1/login", json={"name": "agent", "password": "wrong password"})
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= timedelta(minutes=15).total_seconds()


@pytest.mark.parametrize(
    "place",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2fhuiyin.db",
        "....//huiyin.db",
        "..\\huiyin.db",
        "/etc/passwd",
    ],
)
async def test_no_place_in_an_address_leads_out_of_the_store(real: Real, place: str) -> None:
    """Wherever an address names something that lies in a file: nights, bags, reports, certificates, pieces of text."""
    for path, role in (
        (f"/nightly/{place}", "system"),
        (f"/api/v1/nights/{place}", "system"),
        (f"/api/v1/exports/{place}/download", "auditor"),
        (f"/api/v1/reports/{place}/html", "supervisor"),
        (f"/api/v1/disposals/{place}/certificate", "auditor"),
        (f"/api/v1/recordings/{place}/audio", "agent"),
        (f"/recordings/{real.web.seeded.full}/versions/{place}", "agent"),
        (f"/s/{place}/audio", ""),
        (f"/orders/{place}", "agent"),
    ):
        status, headers, body = await real.get(path, role)
        assert status in (400, 404) or (status == 303 and headers["location"].startswith("/login")), (path, status)
        assert b"root:" not in body
        assert b"SQLite format" not in body


@pytest.mark.filterwarnings("default::aiohttp.multipart.BadContentDispositionHeader")
async def test_a_file_name_in_a_form_is_only_a_name(web: Web) -> None:
    """An import whose file is called like a path: nothing is written there, and nothing is read from there."""
    for name in ("../../../etc/cron.d/x", "/etc/passwd", "..\\..\\x.csv", "a\r\nX: y.csv", "x" * 5000):
        form = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nno export\r\n--b--\r\n'
        headers = {**await web.bearer("agent"), "Content-Type": "multipart/form-data; boundary=b"}
        answer = await web.client().post("/api/v1/work-orders/import", data=form.encode(), headers=headers)
        assert answer.status in (400, 415, 422), (name, answer.status)
        assert "X" not in answer.headers
        assert "root:" not in await answer.text()
