"""Login by a provider: a real one in a process of its own, and a hostile one that signs what it likes."""

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web as server
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import select

from api.access import oidc
from api.access.accounts import UserRow, set_oidc_name
from api.access.oidc import Provider, Started
from api.app import build_app
from api.context import CONTEXT
from archive.house import Archive
from core.errors import Refused, Unavailable
from core.ledger import LedgerRow
from tests.ports import free_port
from tests.web import Web, serving

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


@asynccontextmanager
async def provider_process() -> AsyncIterator[str]:
    """A provider that anybody can log in at, under any name; yields its issuer."""
    port = free_port()
    arguments = ("-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true")
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert child.stderr
    try:
        while b"running on" not in (line := await child.stderr.readline()).lower():
            assert line, "the provider did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        await child.communicate()


@asynccontextmanager
async def house(web: Web, issuer: str, **changes: Any) -> AsyncIterator[TestClient[server.Request, server.Application]]:
    """The pages of ``web``'s house, with a provider set up."""
    port = free_port()
    settings = replace(
        web.app[CONTEXT].settings,
        public_url=f"http://127.0.0.1:{port}",
        oidc_issuer=issuer,
        oidc_client_id="huiyin",
        oidc_client_secret="a secret/with+signs",
        **changes,
    )
    async with TestClient(TestServer(build_app(web.archive, settings), port=port)) as client:
        yield client


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(archive, tmp_path) as served:
        async with archive.database.write() as session:
            await set_oidc_name(session, "agent", "li-at-work", by="security", now=NOW)
        yield served


async def _sent(client: TestClient[Any, Any], following: str = "/orders") -> str:
    sent = await client.get("/login/provider", params={"next": following}, allow_redirects=False)
    assert sent.status == 303, await sent.text()
    return sent.headers["Location"]


async def _at_provider(address: str, subject: str) -> str:
    """Log in there as ``subject``; the address that the browser is sent back to."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(address, data={"sub": subject}, allow_redirects=False) as answer,
    ):
        assert answer.status == 302, await answer.text()
        parts = urlsplit(answer.headers["Location"])
        return f"{parts.path}?{parts.query}"


async def test_a_known_person_comes_in_by_the_provider(web: Web) -> None:
    async with provider_process() as issuer, house(web, issuer) as client:
        assert "/login/provider?next=" in await (await client.get("/login?next=/orders")).text()
        address = await _sent(client)
        asked = parse_qs(urlsplit(address).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert len(asked["nonce"][0]) == len(asked["state"][0]) == 43
        back = await _at_provider(address, "li-at-work")
        done = await client.get(back, allow_redirects=False)
        assert (done.status, done.headers["Location"]) == (303, "/orders")
        assert done.cookies["huiyin_session"]["httponly"]
        assert (await client.get("/orders", allow_redirects=False)).status == 200
        again = await client.get(back, allow_redirects=False)
        assert again.status in (400, 403), "an answer counts once"
    async with web.archive.database.read() as session:
        row = await session.scalar(select(LedgerRow).where(LedgerRow.kind == "logged in"))
    assert row
    assert row.actor == "agent"


async def test_strangers_and_forged_answers_are_refused(web: Web) -> None:
    async with provider_process() as issuer, house(web, issuer) as client:
        back = await _at_provider(await _sent(client), "somebody-else")
        unknown = await client.get(back, allow_redirects=False)
        assert unknown.status == 403
        assert "没有对应的本系统账号" in await unknown.text()
        assert "huiyin_session" not in unknown.cookies
        good = await _at_provider(await _sent(client), "li-at-work")
        state = parse_qs(urlsplit(good).query)["state"][0]
        forged = await client.get(good.replace(state, "x" * 43), allow_redirects=False)
        assert forged.status == 403
        await _sent(client)
        wrong = await client.get(f"/login/provider/back?code=stolen&state={state}", allow_redirects=False)
        assert wrong.status == 403
        bare = await _another_browser(web, client).get(good, allow_redirects=False)
        assert bare.status == 400, "the browser that comes back must be the one that was sent"
    async with web.archive.database.read() as session:
        row = await session.get_one(UserRow, "agent")
        kinds = list(await session.scalars(select(LedgerRow.kind).where(LedgerRow.subject == "login")))
    assert row.active
    assert kinds == ["login failed"]


def _another_browser(web: Web, client: TestClient[Any, Any]) -> TestClient[Any, Any]:
    other: TestClient[Any, Any] = TestClient(client.server)
    web.clients.append(other)
    return other


async def test_without_a_provider_there_is_no_such_way(web: Web) -> None:
    assert (await web.client().get("/login/provider")).status == 404
    assert "/login/provider" not in await (await web.client().get("/login")).text()


async def test_a_provider_that_is_away_is_said(web: Web) -> None:
    async with house(web, f"http://127.0.0.1:{free_port()}") as client:
        away = await client.get("/login/provider", allow_redirects=False)
        assert away.status == 503
        assert "统一身份认证暂时不可用" in await away.text()


@dataclass
class Hostile:
    """A provider that answers what the test wants; ``claims`` and ``alg`` replace what a good one would sign."""

    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k"}))
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    signed_by: RSAKey | None = None
    unsigned: bool = False
    form: dict[str, str] = field(default_factory=dict)
    nonce: str = ""

    async def discovery(self, _request: server.Request) -> server.Response:
        plain = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return server.json_response({**plain, **self.metadata})

    async def keys(self, _request: server.Request) -> server.Response:
        return server.json_response({"keys": [self.key.as_dict(private=False)]})

    async def token(self, request: server.Request) -> server.Response:
        self.form = {name: str(value) for name, value in (await request.post()).items()}
        at = int(NOW.timestamp())
        plain = {"iss": self.issuer, "aud": "huiyin", "sub": "li", "nonce": self.nonce, "iat": at, "exp": at + 300}
        claims = {name: value for name, value in {**plain, **self.claims}.items() if value is not None}
        if self.unsigned:
            return server.json_response({"id_token": _unsigned(claims)})
        return server.json_response({"id_token": jwt.encode({"alg": "RS256"}, claims, self.signed_by or self.key)})


def _unsigned(claims: dict[str, Any]) -> str:
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    provider, app = Hostile(), server.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/keys", provider.keys)
    app.router.add_post("/token", provider.token)
    async with TestServer(app) as running:
        provider.issuer = str(running.make_url("/")).rstrip("/")
        yield provider


async def _named(hostile: Hostile, claim: str = "sub", **answered: str) -> str:
    provider = Provider(hostile.issuer, "huiyin", "secret", claim, "http://127.0.0.1/login/provider/back")
    started = oidc.start("/")
    hostile.nonce = started.nonce
    return await oidc.named(provider, started, {"code": "c", "state": started.state, **answered}, NOW)


async def test_the_verifier_fits_the_challenge_and_the_answer_names_the_person(hostile: Hostile) -> None:
    provider = Provider(hostile.issuer, "huiyin", "secret", "sub", "http://127.0.0.1/back")
    started = oidc.start("/x")
    assert Started.parse(str(started)) == started
    address = await oidc.sent_to(provider, started)
    asked = parse_qs(urlsplit(address).query)
    assert asked["tenant"] == ["1"]
    hostile.nonce = asked["nonce"][0]
    assert await oidc.named(provider, started, {"code": "c", "state": started.state}, NOW) == "li"
    hashed = base64.urlsafe_b64encode(hashlib.sha256(hostile.form["code_verifier"].encode()).digest())
    assert hashed.rstrip(b"=").decode() == asked["code_challenge"][0]
    assert hostile.form["code"] == "c"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another program"},
        {"azp": "another program"},
        {"iss": "http://evil.example"},
        {"exp": int(NOW.timestamp()) - 120},
        {"exp": None},
        {"iat": int(NOW.timestamp()) + 3600},
        {"sub": None},
        {"sub": 7},
    ],
)
async def test_a_token_that_is_not_for_this_login_is_refused(hostile: Hostile, claims: dict[str, Any]) -> None:
    hostile.claims = claims
    with pytest.raises(Refused):
        await _named(hostile)


async def test_a_token_that_another_key_or_nobody_signed_is_refused(hostile: Hostile) -> None:
    hostile.signed_by = RSAKey.generate_key(2048, {"kid": "k"})
    with pytest.raises(Refused):
        await _named(hostile)
    hostile.signed_by, hostile.unsigned = None, True
    with pytest.raises(Refused):
        await _named(hostile)


async def test_an_address_that_nobody_verified_names_nobody(hostile: Hostile) -> None:
    hostile.claims = {"email": "li@example.test"}
    with pytest.raises(Refused, match="e-mail"):
        await _named(hostile, "email")
    hostile.claims["email_verified"] = True
    assert await _named(hostile, "email") == "li@example.test"


async def test_another_provider_cannot_answer(hostile: Hostile) -> None:
    with pytest.raises(Refused, match="another provider"):
        await _named(hostile, iss="http://evil.example")
    with pytest.raises(Refused, match="did not let you in"):
        await _named(hostile, code="", error="access_denied\nforged line")
    hostile.metadata = {"issuer": "http://evil.example"}
    with pytest.raises(Refused, match="another issuer"):
        await _named(hostile)
    hostile.metadata = {"token_endpoint": "http://192.0.2.1/token"}
    with pytest.raises(Refused, match="not safe"):
        await _named(hostile)


async def test_an_answer_that_is_no_json_is_unavailable(hostile: Hostile) -> None:
    hostile.metadata = {"token_endpoint": f"{hostile.issuer}/nowhere"}
    with pytest.raises(Unavailable):
        await _named(hostile)


@pytest.mark.parametrize("text", ["", "x", "e30=", "W10="])
def test_a_cookie_that_we_did_not_write_starts_nothing(text: str) -> None:
    with pytest.raises(ValueError):
        Started.parse(text)
