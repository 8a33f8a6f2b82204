"""What stands around every page: navigation by role, what the page before did, language, colours, errors."""

import base64
import re
from urllib.parse import urlencode

import pytest

from api.middleware import SECURITY_HEADERS
from api.pages import notices
from api.pages.labels import ROLES as ROLE_WORDS
from api.pages.labels import WHAT_TO_DO
from api.pages.navigation import GROUPS, navigation
from api.permissions import PERMISSIONS, ROLES, allows
from api.problems import TITLES
from core.database import Database
from tests.web import Web

NAVIGATION = re.compile(r'<nav class="nav".*?</nav>', re.S)


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One kind is enough: the frame asks nothing of the database."""
    return sqlite_database


def test_the_navigation_offers_what_exists_and_may_be_opened() -> None:
    routes = {("GET", "/recordings"): "recordings.see", ("GET", "/status"): "jobs.see", ("POST", "/links"): "links.see"}
    for role in ROLES:
        offered = {link.path for group in navigation(routes, role, "/") for link in group}
        assert offered == {
            path for (method, path), needed in routes.items() if method == "GET" and allows(needed, role)
        }
    assert navigation(routes, None, "/") == []


def test_an_entry_takes_the_first_page_that_may_be_opened() -> None:
    routes = {("GET", "/keeping"): "holds.decide", ("GET", "/keeping/policies"): "policies.see"}
    ((only,),) = navigation(routes, "auditor", "/keeping/disposals/7")
    assert (only.path, only.present) == ("/keeping", True)
    ((other,),) = navigation({**routes, ("GET", "/keeping"): "policies.set"}, "auditor", "/recordings")
    assert (other.path, other.present) == ("/keeping/policies", False)


@pytest.mark.parametrize("role", ROLES)
async def test_every_entry_leads_somewhere(web: Web, role: str) -> None:
    browser = await web.browser(role)
    start = await browser.get("/")
    assert start.status == 200
    html = await start.text()
    offered = NAVIGATION.search(html)
    paths = re.findall(r'href="([^"]+)"', offered[0] if offered else "")
    known = {path for group in GROUPS for entry in group for path in entry.paths}
    assert set(paths) <= known
    for path in paths:
        page = await browser.get(path)
        assert page.status == 200, path
        assert f'href="{path}" aria-current="page"' in await page.text()


async def test_what_a_form_did_is_said_once(web: Web) -> None:
    browser = await web.browser("supervisor")
    csrf = re.search(r'name="csrf" value="([^"]+)"', await (await browser.get("/reports")).text())
    assert csrf
    page = await browser.post("/reports/daily", data={"csrf": csrf[1], "day": "2026-11-20"})
    assert '<p class="notice good" role="status">' in await page.text()
    assert 'class="notice good"' not in await (await browser.get("/reports")).text()


@pytest.mark.parametrize(
    "value",
    [
        "no base64!",
        "e30=",
        base64.urlsafe_b64encode('["good", "不是我们的话", {}]'.encode()).decode(),
        base64.urlsafe_b64encode('["<b>", "退出", {}]'.encode()).decode(),
        base64.urlsafe_b64encode('["good", "{day} 的日报", []]'.encode()).decode(),
        "A" * 5000,
    ],
)
async def test_a_forged_notice_says_nothing(web: Web, value: str) -> None:
    browser = await web.browser("agent")
    page = await browser.get("/recordings", cookies={notices.COOKIE: value})
    assert page.status == 200
    assert 'class="notice' not in await page.text()


async def test_language_and_colours_are_kept(web: Web) -> None:
    browser = await web.browser("agent")
    page = await browser.post("/look", data={"language": "en", "theme": "dark", "next": "/orders?q=x"})
    assert page.url.path_qs == "/orders?q=x"
    assert '<html lang="en" data-theme="dark">' in await page.text()
    assert '<html lang="en" data-theme="dark">' in await (await browser.get("/recordings")).text()
    page = await browser.post("/look", data={"theme": "auto", "next": "//evil.example/"})
    assert page.url.host == browser.make_url("/").host
    assert '<html lang="en">' in await page.text()


async def test_nonsense_is_not_kept(web: Web) -> None:
    browser = await web.browser("agent")
    await browser.post("/look", data={"language": "xx", "theme": "../../x", "next": "/orders"})
    assert '<html lang="zh-CN">' in await (await browser.get("/orders")).text()


async def test_the_switch_comes_back_to_the_same_state(web: Web) -> None:
    query = urlencode({"order": "GD-1", "text_state": "done"})
    html = await (await (await web.browser("agent")).get(f"/recordings?{query}&lang=en")).text()
    assert f'name="next" value="/recordings?{query.replace("&", "&amp;")}"' in html


async def test_an_error_says_what_happened_and_what_to_do(web: Web) -> None:
    browser = await web.browser("system")
    html = await (await browser.get("/recordings")).text()
    assert TITLES[403][0] in html
    assert WHAT_TO_DO[403] in html
    assert re.search(r"<code>[0-9a-f-]{36}</code>", html)
    english = await (await browser.get("/recordings?lang=en")).text()
    assert TITLES[403][1] in english
    assert "security administrator" in english


def test_every_status_says_what_to_do() -> None:
    assert set(TITLES) <= set(WHAT_TO_DO)


def test_every_role_has_a_name() -> None:
    assert set(ROLE_WORDS) == set(ROLES)
    assert all(roles <= set(ROLES) for roles in PERMISSIONS.values())


async def test_only_a_page_that_asks_lets_styles_in(web: Web) -> None:
    browser = await web.browser("agent")
    plain = await browser.get("/recordings")
    assert plain.headers["Content-Security-Policy"] == SECURITY_HEADERS["Content-Security-Policy"]
    review = await browser.get(f"/recordings/{web.seeded.full}")
    nonce = re.search(r"style-src 'nonce-([\w-]{20,})' 'self'", review.headers["Content-Security-Policy"])
    assert nonce
    assert nonce[1] in await review.text()
    again = await browser.get(f"/recordings/{web.seeded.full}")
    assert nonce[1] not in again.headers["Content-Security-Policy"]
