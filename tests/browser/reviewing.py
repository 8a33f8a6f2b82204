"""Windows of people who review a recording, for browser tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, expect

from tests.browser.driving import PATIENCE, listen, visitor
from tests.web import Web

REASON = "听录音核对"

expect.set_options(timeout=PATIENCE)


class Visitors:
    """Windows of several people; whatever one writes on its console as an error fails the test."""

    def __init__(self, web: Web, launched: Browser) -> None:
        self.web, self.launched = web, launched

    @asynccontextmanager
    async def page(
        self, role: str = "agent", *, allowed: tuple[str, ...] = (), theme: str = "light"
    ) -> AsyncIterator[Page]:
        context = await visitor(self.launched, self.web, role, theme=theme)
        page = await context.new_page()
        errors = listen(page)
        yield page
        await context.close()
        assert [error for error in errors if not any(each in error for each in allowed)] == []


def path(web: Web, query: str = "") -> str:
    return f"/recordings/{web.seeded.full}{query}"


async def open_review(page: Page, web: Web, query: str = "") -> None:
    await page.goto(path(web, query))
    await expect(page.locator("#text-tools")).to_be_visible()


async def heard(page: Page, seconds: float) -> None:
    """Wait until the sound has played beyond ``seconds``."""
    await page.wait_for_function(f"() => document.getElementById('audio').currentTime > {seconds}", timeout=PATIENCE)


async def now(page: Page) -> float:
    found: float = await page.evaluate("() => document.getElementById('audio').currentTime")
    return found
