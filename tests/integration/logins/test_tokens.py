"""Tokens of machines: some permissions, until a day, revocable; and what an attacker does with one."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api.access.accounts import set_active, set_role
from api.access.tokens import NEVER, PREFIX, TokenRow
from core.ledger import LedgerRow
from tests.integration.logins.clock import Clock
from tests.web import Web


async def _made(web: Web, *scopes: str, role: str = "agent", days: int = 30) -> dict[str, Any]:
    body = {"label": "sync", "scopes": list(scopes), "days": days}
    answer = await web.post("/api/v1/account/tokens", body, role)
    assert answer.status == 201, await answer.text()
    said: dict[str, Any] = await answer.json()
    return said


async def _status(web: Web, secret: str, path: str = "/api/v1/recordings") -> int:
    return (await web.client().get(path, headers={"Authorization": f"Bearer {secret}"}, allow_redirects=False)).status


async def test_a_token_may_what_it_was_given_and_nothing_else(web: Web) -> None:
    made = await _made(web, "recordings.see")
    secret = made["secret"]
    assert secret.startswith(PREFIX)
    assert await _status(web, secret) == 200
    assert await _status(web, secret, f"/api/v1/recordings/{web.seeded.full}") == 200
    for path in ("/api/v1/search?q=x", "/api/v1/account/sessions", "/account", "/api/v1/account/tokens", "/"):
        assert await _status(web, secret, path) == 403, path
    assert await _status(web, secret, f"/api/v1/recordings/{web.seeded.full}/audio") == 403
    listed = await (await web.get("/api/v1/account/tokens")).json()
    assert listed["items"][0]["last_used_at"]
    assert "secret" not in listed["items"][0]
    assert not set(listed["scopes"]) & NEVER


@pytest.mark.parametrize("scope", ["ledger.see", "accounts.manage", "account.own", "tokens.own", "people.reveal", "no"])
async def test_nobody_hands_on_what_he_may_not(web: Web, scope: str) -> None:
    body = {"label": "x", "scopes": ["recordings.see", scope]}
    assert (await web.post("/api/v1/account/tokens", body)).status == 403


async def test_forged_revoked_and_expired_tokens_are_refused(web: Web, clock: Clock) -> None:
    made = await _made(web, "recordings.see", days=1)
    secret = made["secret"]
    for forged in (secret[:-1], secret + "x", secret.swapcase(), PREFIX, PREFIX + "x" * 43, "é", secret[7:]):
        assert await _status(web, forged) == 401, forged
    clock.now += timedelta(days=1)
    assert await _status(web, secret) == 401
    clock.now -= timedelta(days=1)
    assert await _status(web, secret) == 200
    identifier = made["token"]["id"]
    assert (await web.post(f"/api/v1/account/tokens/{identifier}/revoke", role="auditor")).status == 404, "another's"
    assert (await web.post(f"/api/v1/account/tokens/{identifier}/revoke")).status == 200
    assert await _status(web, secret) == 401, "replayed after it was revoked"
    assert (await web.post(f"/api/v1/account/tokens/{identifier}/revoke")).status == 404


async def test_a_token_falls_with_its_owner(web: Web, clock: Clock) -> None:
    secret = (await _made(web, "recordings.see", "links.decide"))["secret"]
    async with web.archive.database.write() as session:
        await set_role(session, "agent", "client", by="security", now=clock.now)
    assert await _status(web, secret) == 403, "what the role has lost, the token has lost"
    async with web.archive.database.write() as session:
        await set_role(session, "agent", "agent", by="security", now=clock.now)
        await set_active(session, "agent", False, by="security", now=clock.now)
    assert await _status(web, secret) == 401


async def test_a_reset_password_ends_the_tokens_too(web: Web) -> None:
    secret = (await _made(web, "recordings.see"))["secret"]
    assert (await web.post("/api/v1/accounts/agent/password", role="security")).status == 200
    assert await _status(web, secret) == 401


async def test_secrets_are_stored_hashed_and_the_ledger_tells_who_made_them(web: Web) -> None:
    made = await _made(web, "recordings.see")
    async with web.archive.database.read() as session:
        row = await session.scalar(select(TokenRow))
        entry = await session.scalar(select(LedgerRow).where(LedgerRow.kind == "token made"))
    assert row
    assert made["secret"] not in (row.token_sha256, row.label)
    assert entry
    assert entry.actor == "agent"
    assert made["secret"] not in entry.leaf


async def test_a_security_administrator_revokes_anybodys(web: Web) -> None:
    made = await _made(web, "recordings.see")
    listed = await (await web.get("/api/v1/tokens", "security")).json()
    assert [each["user"] for each in listed["items"]] == ["agent"]
    assert (await web.post(f"/api/v1/tokens/{made['token']['id']}/revoke", role="security")).status == 200
    assert await _status(web, made["secret"]) == 401


async def test_no_token_makes_another_one_through_a_browser(web: Web) -> None:
    """A token put into the session cookie is a machine's still."""
    secret = (await _made(web, "recordings.see"))["secret"]
    client = web.client()
    client.session.cookie_jar.update_cookies({"huiyin_session": secret}, client.make_url("/"))
    assert (await client.get("/account", allow_redirects=False)).status == 403
    assert (await client.get("/api/v1/recordings")).status == 200
