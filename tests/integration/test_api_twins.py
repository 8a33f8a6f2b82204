"""Whatever a page's form does, a machine can ask of the API; and the API answers every odd request as HTTP asks."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pyotp
import pytest
from aiohttp import ClientResponse

from api.app import ENDPOINTS
from api.endpoint import MULTIPART
from api.openapi import plain_path
from api.permissions import allows
from archive.connect import connect_store
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from core.alerts import SPOOL_FULL, raise_alert
from core.clock import utc_now
from core.database import Database
from core.settings import Settings
from tests.web import PASSWORD, Web, serving

# Page's form → the API's route, where the two are not named alike.
TWINS: Mapping[str, str] = {
    "/login": "POST /api/v1/login",
    "/login/code": "POST /api/v1/login",
    "/logout": "POST /api/v1/logout",
    "/admin/settings/{name}": "POST /api/v1/settings/{name}",
    "/admin/accounts/{name}/tokens/{id}/revoke": "POST /api/v1/tokens/{id}/revoke",
    "/admin/webhooks/{id}": "PATCH /api/v1/webhooks/{id}",
    "/admin/webhooks/{id}/remove": "DELETE /api/v1/webhooks/{id}",
    "/handover": "POST /api/v1/exports",
    "/handover/{id}/purge": "POST /api/v1/exports/{id}/purge",
    "/handover/{id}/retry": "POST /api/v1/exports/{id}/retry",
    "/handover/{id}/receipt": "POST /api/v1/exports/{id}/receipt",
    "/keeping/disposals/{id}/approve": "POST /api/v1/disposals/batches/{id}/approve",
    "/keeping/disposals/{id}/confirm": "POST /api/v1/disposals/batches/{id}/confirm",
    "/keeping/disposals/{id}/keep": "POST /api/v1/disposals/keep",
    "/orders/import": "POST /api/v1/work-orders/import",
    "/orders/{number}/reveal": "POST /api/v1/work-orders/{number}/reveal",
    "/recordings/{id}/shares/{share}/revoke": "DELETE /api/v1/recordings/{id}/shares/{share}",
    "/search/person": "POST /api/v1/persons",
    "/search/saved/{id}/delete": "DELETE /api/v1/search/saved/{id}",
    "/status/calls/{id}/pause": "POST /api/v1/calls/{id}/pause",
    "/status/calls/{id}/resume": "POST /api/v1/calls/{id}/resume",
    "/status/jobs/retry": "POST /api/v1/jobs/retry",
    "/status/jobs/{id}/retry": "POST /api/v1/jobs/{id}/retry",
}
# The language and theme of a browser: a cookie of its own.
OF_THE_BROWSER = frozenset({"/look"})
_ROOMS = ("/admin", "/keeping", "")


@pytest.fixture
async def web(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Web]:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    settings = Settings(data_dir=tmp_path)
    ensure_ledger_key(settings)
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path, settings) as served:
        yield served
    await store.close()


def test_every_form_of_a_page_has_a_twin_of_the_same_people() -> None:
    machine = {f"{each.method} {plain_path(each.path)}": each for each in ENDPOINTS if each.path.startswith("/api/")}
    used = set()
    for endpoint in ENDPOINTS:
        path = plain_path(endpoint.path)
        if endpoint.method != "POST" or path.startswith("/api/") or path in OF_THE_BROWSER:
            continue
        guesses = [f"POST /api/v1{path.removeprefix(room)}" for room in _ROOMS if path.startswith(room)]
        twin = TWINS.get(path) or next((each for each in guesses if each in machine), "none")
        assert twin in machine, f"{path} can be done on a page only"
        assert machine[twin].permission == endpoint.permission, f"{path} and {twin} are for other people"
        assert machine[twin].summary, f"{twin} is not in the document"
        used.add(path)
    assert set(TWINS) <= used, "a form that is no more"


async def _problem(answer: ClientResponse, status: int) -> dict[str, object]:
    assert answer.status == status, await answer.text()
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    said: dict[str, object] = await answer.json(content_type=None)
    assert said["status"] == status
    assert said["instance"] == f"urn:uuid:{said['id']}"
    return said


async def test_unknown_addresses_of_the_api_are_problems(web: Web) -> None:
    for path in ("/api/v1/nothing", "/api/", "/api/v2/recordings", "/api/v1/recordings/", "/api/v1/%2e%2e/etc"):
        await _problem(await web.get(path), 404)
        await _problem(await web.client().get(path), 404)
        await _problem(await web.post(path, {}), 404)


async def test_another_method_is_told_which_there_are(web: Web) -> None:
    for endpoint in ENDPOINTS:
        if not endpoint.path.startswith("/api/") or ":" in endpoint.path:
            continue
        path = re.sub(r"\{[^}]*\}", "x", endpoint.path)
        answer = await web.client().request("TRACE", path, headers=await web.bearer("agent"))
        await _problem(answer, 405)
        allowed = {each.strip() for each in answer.headers["Allow"].split(",")}
        assert endpoint.method in allowed
        assert ("HEAD" in allowed) is ("GET" in allowed), "who may GET may ask for the head"


async def test_another_kind_of_content_is_refused(web: Web) -> None:
    for endpoint in ENDPOINTS:
        if not endpoint.path.startswith("/api/") or endpoint.takes is None or ":" in endpoint.path:
            continue
        path = re.sub(r"\{[^}]*\}", str(web.seeded.full), endpoint.path)
        role = next(
            role
            for role in ("supervisor", "system", "auditor", "security", "agent")
            if allows(endpoint.permission, role)
        )
        kind = "application/json" if endpoint.takes_media == MULTIPART else "text/plain"
        headers = {**await web.bearer(role), "Content-Type": kind}
        answer = await web.client().request(endpoint.method, path, data=b"{}", headers=headers)
        await _problem(answer, 415)


async def test_names_of_files_are_ours_and_plain(web: Web) -> None:
    full = f"/api/v1/recordings/{web.seeded.full}"
    for path, role in (
        (f"{full}/clip?start=0&end=1&purpose=check", "agent"),
        (f"{full}/evidence?purpose=check", "auditor"),
    ):
        answer = await web.get(path, role)
        await answer.read()
        assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', answer.headers["Content-Disposition"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_second_factor_is_set_up_and_taken_off_by_machine(web: Web) -> None:
    room = "/api/v1/account/second-factor"
    await _problem(await web.post(f"{room}/start", {"password": "wrong"}, "client"), 422)
    started = await (await web.post(f"{room}/start", {"password": PASSWORD}, "client")).json()
    assert started["secret"] in started["address"]
    await _problem(await web.post(room, {"secret": "x", "code": "000000"}, "client"), 422)
    code = pyotp.TOTP(started["secret"]).now()
    made = await web.post(room, {"secret": started["secret"], "code": code}, "client")
    assert made.status == 200
    codes = (await made.json())["codes"]
    assert len(codes) == 10
    await _problem(await web.get("/api/v1/account/sessions", "client"), 401)
    login = {"name": "client", "password": PASSWORD, "code": codes[0]}
    again = await web.client().post("/api/v1/login", json=login)
    headers = {"Authorization": f"Bearer {(await again.json())['token']}"}
    off = await web.client().post(f"{room}/remove", json={"password": PASSWORD}, headers=headers)
    assert off.status == 200, await off.text()
    plain = await web.client().post("/api/v1/login", json={"name": "client", "password": PASSWORD})
    assert plain.status == 200


async def test_alerts_and_processes_are_told_to_machines(web: Web) -> None:
    async with web.archive.database.write() as session:
        now = web.archive.clock()
        await raise_alert(session, (SPOOL_FULL, "recorder", "host-1"), {"free_mb": 3}, since=now, now=now)
    said = await (await web.get("/api/v1/status", "system")).json()
    assert [(each["name"], each["host"], each["facts"]) for each in said["alerts"]] == [
        (SPOOL_FULL, "host-1", {"free_mb": 3})
    ]
    assert said["processes"] == []
