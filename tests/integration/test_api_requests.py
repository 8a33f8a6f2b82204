"""What is around every request: where it came from, under which name, how often, and what of it reaches the log."""

import logging
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from api.access.sessions import SessionRow
from api.app import build_app
from api.context import CONTEXT
from archive.house import Archive
from core.logging import set_up
from core.settings import Settings
from tests.integration.logins.test_login import Browser, login_form_token
from tests.web import PASSWORD, Web


async def test_proxies_of_the_settings_are_believed_and_nobody_else(web: Web, archive: Archive, tmp_path: Path) -> None:
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.9, 203.0.113.5"}
    login = {"name": "agent", "password": PASSWORD}
    client = web.client()
    form = {"csrf": await login_form_token(client), "next": "/", **login}
    plain = await client.post("/login", data=form, headers=forged, allow_redirects=False)
    assert not plain.cookies["huiyin_session"]["secure"]
    assert "Strict-Transport-Security" not in plain.headers
    proxied = replace(web.app[CONTEXT].settings, http_proxies=(ip_network("127.0.0.0/8"), ip_network("203.0.113.0/24")))
    async with _second(web, proxied) as behind:
        form["csrf"] = await login_form_token(behind)
        opened = await behind.post("/login", data=form, headers=forged, allow_redirects=False)
        assert opened.cookies["huiyin_session"]["secure"]
        assert opened.headers["Strict-Transport-Security"]
    async with web.archive.database.read() as session:
        addresses = list(await session.scalars(select(SessionRow.address).order_by(SessionRow.created_at)))
    assert sorted(addresses) == ["127.0.0.1", "198.51.100.9"]


def _second(web: Web, settings: Settings) -> Browser:
    """The same house under other settings."""
    return TestClient(TestServer(build_app(web.archive, settings)))


async def test_a_strange_host_header_gets_nowhere(web: Web) -> None:
    """Neither answered under a foreign name, nor repeated in an answer."""
    settings = replace(web.app[CONTEXT].settings, public_url="https://huiyin.example")
    async with _second(web, settings) as client:
        strange = await client.get("/login", headers={"Host": "evil.example"}, allow_redirects=False)
        assert strange.status == 421
        assert "evil.example" not in await strange.text()
        known = await client.get("/login", headers={"Host": "huiyin.example"})
        assert known.status == 200
        assert known.cookies["huiyin_form"]["secure"]
        assert (await client.get("/healthz", headers={"Host": "10.0.0.8"})).status == 200
    for path in ("/", "/recordings", "/login"):
        answer = await web.client().get(path, headers={"Host": "evil.example"}, allow_redirects=False)
        assert "evil.example" not in await answer.text()
        assert "evil.example" not in answer.headers.get("Location", "")


async def test_names_write_no_lines_into_the_log(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    forged = 'li\n2026-11-22T00:00:00 ERROR web: forged {"level": "error"}\r\n13800001234'
    try:
        for form in ("text", "json"):
            set_up("web", form)
            await web.client().post("/api/v1/login", json={"name": forged[:60], "password": forged})
            await web.client().get("/recordings/%0aforged", headers={"User-Agent": "x forged"})
            logging.getLogger("api").warning("said", extra={"facts": {"name": forged}})
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert not [line for line in lines if line.startswith(("2026-11-22T00:00:00 ERROR", "13800001234"))]
    assert "13800001234" not in "\n".join(lines)


async def test_who_asks_too_often_is_told_when_to_come_back(web: Web) -> None:
    settings = replace(web.app[CONTEXT].settings, requests_per_minute=5)
    token = (await web.bearer("agent"))["Authorization"]
    async with _second(web, settings) as client:
        answers = [await client.get("/api/v1/recordings", headers={"Authorization": token}) for _ in range(6)]
        assert [each.status for each in answers] == [200] * 5 + [429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await client.get("/api/v1/recordings")).status == 401, "each address has a share of its own"
        strangers = [await client.get("/login") for _ in range(6)]
        assert strangers[-1].status == 429
        assert (await client.get("/healthz")).status == 200
