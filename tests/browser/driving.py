"""A real Chromium on the seeded house; and every page that the application has, so that none is forgotten."""

import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.web import Application
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright

from api.middleware import PERMISSION_OF
from api.pages.look import THEME_COOKIE
from api.permissions import AGENT, AUDIT, AUDITOR, CLIENT, PUBLIC, SECURITY, SUPERVISOR, SYSTEM, allows
from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from tests.browser.furnishing import furnish
from tests.copied import Copies
from tests.tables import create_all
from tests.told import WEBHOOK
from tests.web import ORDER, PASSWORD, Seeded, Web, opened, serving

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Nobody is there to make the first click.
    "--autoplay-policy=no-user-gesture-required",
)
# How long a busy machine may take; nothing is measured.
PATIENCE = 90_000
BUSIEST = (SUPERVISOR, AUDITOR, SECURITY, SYSTEM, AUDIT, CLIENT, AGENT)
# What answers machines and browsers, not people.
_NOT_PAGES = re.compile(r"/(api/|events/|static/|healthz|readyz|metrics)")


@dataclass(frozen=True)
class Sight:
    """One page to look at: a name for its picture, its address, and a role that may see it (none: logged out)."""

    name: str
    path: str
    role: str
    status: int = 200


def require_chromium() -> None:
    if Path(CHROMIUM).exists():
        return
    if os.environ.get("REQUIRE_ALL_TESTS") == "1":
        pytest.fail("chromium is not installed")
    pytest.skip("NOT TESTED: chromium is not installed (Debian: apt-get install chromium)")


@dataclass(frozen=True)
class House:
    """A served and furnished house, the secret of a link into it, a case, a batch and the day of its night."""

    web: Web
    share: str
    hold: str
    batch: str
    night: str


def examples(house: House) -> Mapping[str, Sequence[str]]:
    """Route → addresses worth looking at (none: it shows nothing).  A route with a place must stand here."""
    full, pending, failed = house.web.seeded.full, house.web.seeded.pending, house.web.seeded.failed
    return {
        # Lead to another site.
        "/login/provider": (),
        "/login/provider/back": (),
        # Sound.
        "/s/{token}/audio": (),
        "/s/{token}": (f"/s/{house.share}",),
        "/recordings": ("/recordings", "/recordings?order=none", "/recordings?text_state=failed"),
        "/recordings/{id}": (f"/recordings/{full}", f"/recordings/{pending}", f"/recordings/{failed}"),
        "/recordings/{id}/versions/{number}": (f"/recordings/{full}/versions/2",),
        "/recordings/{id}/reveal": (f"/recordings/{full}/reveal",),
        "/recordings/{id}/redactions": (f"/recordings/{full}/redactions", f"/recordings/{pending}/redactions"),
        "/recordings/{id}/shares": (f"/recordings/{full}/shares",),
        "/search": ("/search", "/search?q=满意", "/search?q=没有人说过"),
        "/orders": ("/orders", "/orders?q=none"),
        "/orders/{number}": (f"/orders/{ORDER}",),
        "/orders/{number}/reveal": (f"/orders/{ORDER}/reveal",),
        "/ledger": ("/ledger", "/ledger?about=seen", "/ledger?subject=none"),
        "/admin/accounts/{name}": ("/admin/accounts/agent",),
        "/admin/webhooks/{id}": (f"/admin/webhooks/{WEBHOOK}",),
        "/reference/{subject}": ("/reference/recordings", "/reference/settings"),
        "/admin/settings/{name}": ("/admin/settings/callback_days", "/admin/settings/second_factor_roles"),
        "/admin/dictionaries/{name}": ("/admin/dictionaries/unit", "/admin/dictionaries/purpose"),
        "/keeping/holds/{id}": (f"/keeping/holds/{house.hold}",),
        "/keeping/disposals/{id}": (f"/keeping/disposals/{house.batch}", "/keeping/disposals/single"),
        "/nightly/{night}": (f"/nightly/{house.night}",),
    }


def page_routes(app: Application) -> Sequence[str]:
    """The pattern of every GET route that answers people."""
    resources = {route.resource.canonical for route in app.router.routes() if route.method == "GET" and route.resource}
    return sorted(pattern for pattern in resources if not _NOT_PAGES.match(pattern))


def sights(house: House) -> Sequence[Sight]:
    """Every page of the application, and two that do not exist or may not be seen."""
    known, web = examples(house), house.web
    found = []
    for pattern in page_routes(web.app):
        role = _viewer(web.app, pattern)
        paths = known.get(pattern, None if "{" in pattern else (pattern,))
        assert paths is not None, f"tests/browser/driving.py names no example of {pattern}"
        found += [Sight(_name(pattern, number), path, role) for number, path in enumerate(paths)]
    return [*found, Sight("error-404", "/nowhere", "agent", 404), Sight("error-403", "/reports", "system", 403)]


def _viewer(app: Application, pattern: str) -> str:
    """The first of those who may see the page, in the order of who finds most to do on it."""
    permission = app[PERMISSION_OF]["GET", pattern]
    if permission == PUBLIC:
        return ""
    return next(role for role in BUSIEST if allows(permission, role))


def _name(pattern: str, number: int) -> str:
    plain = re.sub(r"\W+", "-", pattern).strip("-") or "start"
    return f"{plain}-{number}" if number else plain


async def _fill(archive: Archive, directory: Path) -> tuple[Seeded, Sequence[str]]:
    async with serving(archive, directory) as web:
        return web.seeded, await furnish(web, directory)


_HOUSES = Copies(_fill)


@asynccontextmanager
async def furnished(directory: Path) -> AsyncIterator[House]:
    """The seeded and furnished house on SQLite and a local store, served."""
    database = Database(f"sqlite+aiosqlite:///{directory / 'huiyin.db'}")
    async with database.engine.connect() as connection:
        await connection.run_sync(create_all)
        await connection.commit()
    store = connect_store(f"file://{directory / 'store'}", clock=utc_now)
    await store.prepare()
    archive = Archive(database, store, utc_now)
    try:
        seeded, furniture = await _HOUSES.fill(archive, directory)
        async with opened(archive, directory, seeded) as web:
            yield House(web, *furniture)
    finally:
        await store.close()
        await database.close()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


async def visitor(
    browser: Browser, web: Web, role: str, *, language: str = "zh", theme: str = "light", width: int = 1440
) -> BrowserContext:
    """A new window, logged in as ``role`` (empty: not), that speaks a language and shows one theme."""
    base = str(web.server.make_url("/"))
    context = await browser.new_context(
        base_url=base, locale="zh-CN", viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    cookies = {"huiyin_language": language, THEME_COOKIE: theme}
    if role:
        headers = await web.bearer(role)
        cookies["huiyin_session"] = headers["Authorization"].removeprefix("Bearer ")
    await context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies.items()])
    return context


async def log_in_beside(page: Page, name: str) -> None:
    """In another window of the same browser, as somebody whose login has expired does."""
    await page.context.clear_cookies(name="huiyin_session")
    other = await page.context.new_page()
    await other.goto("/login")
    await other.get_by_label("用户名").fill(name)
    await other.get_by_label("密码").fill(PASSWORD)
    await other.keyboard.press("Enter")
    await other.locator(".who-name", has_text=name).wait_for()
    await other.close()


def listen(page: Page) -> list[str]:
    """Errors on the page's console, as they come."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


async def tab_to(page: Page, wanted: Locator, *, most: int = 80) -> None:
    """Press Tab until it has the focus; it must be reached in ``most`` steps."""
    for _ in range(most):
        if await wanted.evaluate("each => each === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {wanted}")
