"""Every route against every role, and forms of other sites."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from aiohttp.web import AbstractResource

from api.app import ENDPOINTS
from api.middleware import PERMISSION_OF
from api.permissions import PERMISSIONS, PUBLIC, ROLES, allows
from tests.access_matrix import EXPECTED
from tests.web import Web

# These are the way in and out, and answer a wrong form as they answer a wrong password.
WAYS_IN = ("/login", "/login/code", "/api/v1/login")
WAYS_OUT = ("/logout", "/api/v1/logout")


def test_every_permission_is_used_and_known() -> None:
    used = {endpoint.permission for endpoint in ENDPOINTS}
    assert used == {*PERMISSIONS, PUBLIC}


def test_the_table_says_of_every_route_what_the_matrix_expects() -> None:
    assert len({(each.method, each.path) for each in ENDPOINTS}) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        route = (endpoint.method, endpoint.path)
        assert route in EXPECTED, f"tests/access_matrix.py: decide who may {endpoint.method} {endpoint.path}"
        expected = EXPECTED[route]
        if expected is None:
            assert endpoint.permission == PUBLIC, route
        else:
            assert endpoint.permission != PUBLIC, route
            assert {role for role in ROLES if allows(endpoint.permission, role)} == expected, route


def test_the_matrix_names_no_route_that_is_gone(web_routes: set[tuple[str, str]]) -> None:
    assert EXPECTED.keys() <= web_routes


@pytest.fixture
def web_routes() -> set[tuple[str, str]]:
    apart = {("GET", "/api/v1/openapi.json"), ("GET", "/static/{name:.+}")}
    return {(each.method, each.path) for each in ENDPOINTS} | apart


def test_roles_are_kept_apart() -> None:
    """An auditor changes nothing that is audited; administrators hear and read nothing; a client only looks."""
    changing = {
        "links.decide",
        "findings.decide",
        "reports.issue",
        "transcripts.correct",
        "policies.set",
        "calls.pause",
    }
    assert not any(allows(each, "auditor") for each in changing if each in PERMISSIONS)
    for role in ("system", "security", "audit", "client"):
        heard = {"audio.hear", "transcripts.see", "recordings.search", "recordings.see", "people.reveal"}
        assert not any(allows(each, role) for each in heard), role
    assert {each for each in PERMISSIONS if allows(each, "client") and each.endswith((".decide", ".set"))} == set()
    assert [role for role in ROLES if allows("accounts.manage", role)] == ["security"]
    assert not allows("ledger.see", "security"), "whoever gives rights does not watch over it alone"


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
    """What the matrix allows is never 401 or 403; what it does not allow is always refused."""
    headers = await web.bearer(role) if role else {}
    client = web.client()
    patterns = {resource.canonical: path for path, resource in _resources(web)}
    for method, canonical in web.app[PERMISSION_OF]:
        if canonical in WAYS_OUT:
            continue  # it would end this walk
        allowed = EXPECTED["GET" if method == "HEAD" else method, patterns[canonical]]
        answer = await client.request(method, _path(canonical), headers=headers, allow_redirects=False)
        if allowed is None or role in allowed:
            refused = answer.status in (401, 403) and canonical not in WAYS_IN
            assert not refused, (method, canonical, answer.status, await answer.text())
        elif role is None:
            to_login = answer.status == 303 and answer.headers["Location"].startswith("/login")
            assert to_login or answer.status == 401, (method, canonical, answer.status)
        else:
            assert answer.status == 403, (method, canonical, answer.status)


def _resources(web: Web) -> Iterator[tuple[str, AbstractResource]]:
    """Each route's path as the endpoints write it, with its resource."""
    paths = {method_path[1] for method_path in EXPECTED}
    for resource in {route.resource for route in web.app.router.routes() if route.resource is not None}:
        written = [path for path in paths if re.sub(r":[^}]+\}", "}", path) == resource.canonical]
        assert written, resource.canonical
        yield written[0], resource


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


async def test_no_writing_route_takes_a_cookie_without_the_form_token(web: Web) -> None:
    """Each POST, PUT, PATCH and DELETE, by the role that may: refused before its handler looks at anything."""
    browsers = {role: await web.browser(role) for role in ROLES}
    for (method, canonical), permission in web.app[PERMISSION_OF].items():
        if method in ("GET", "HEAD") or permission == PUBLIC:
            continue
        role = next(role for role in ROLES if allows(permission, role))
        answer = await browsers[role].request(method, _path(canonical), allow_redirects=False)
        assert answer.status == 403, (method, canonical, answer.status)
