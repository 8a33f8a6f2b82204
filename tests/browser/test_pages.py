"""What only a real browser shows: the sound plays, the dialogue follows it, no page is too wide."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import func, select

from core.ledger import LedgerRow
from tests.browser.driving import PATIENCE, listen, visitor
from tests.web import PASSWORD, Web

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def page(web: Web, browser: Browser) -> AsyncIterator[Page]:
    """A page of a real Chromium, logged in through the form; every error on its console fails the test."""
    opened = await (await visitor(browser, web, "")).new_page()
    errors = listen(opened)
    await opened.goto("/recordings")
    await opened.get_by_label("用户名").fill("agent")
    await opened.get_by_label("密码").fill(PASSWORD)
    await opened.get_by_role("button", name="登录").click()
    await opened.wait_for_url("**/recordings")
    yield opened
    assert errors == []


async def _heard(page: Page, seconds: float) -> None:
    """Wait until the sound has played beyond ``seconds``."""
    await page.wait_for_function(f"() => document.getElementById('audio').currentTime > {seconds}", timeout=PATIENCE)


async def _reads(web: Web) -> int:
    async with web.archive.database.read() as session:
        counted = select(func.count()).select_from(LedgerRow).where(LedgerRow.kind == "read")
        return await session.scalar(counted) or 0


async def test_search_open_and_hear(web: Web, page: Page) -> None:
    await page.get_by_role("searchbox", name="检索说过的话").fill("第二天就修好")
    await page.get_by_role("button", name="检索").click()
    await page.get_by_role("link", name="第二天就修好").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("2026-11-20 10:30")
    assert await _reads(web) == 0  # looking at the page is not listening
    await page.get_by_role("button", name="播放", exact=True).click()
    await _heard(page, 3.7)  # the hit lies at 3.5 seconds
    assert await page.evaluate("() => document.getElementById('audio').duration") == pytest.approx(16, abs=0.1)
    assert await page.evaluate("() => document.getElementById('audio').error") is None
    assert await _reads(web) == 1
    await page.get_by_role("button", name="暂停").click()
    assert await page.evaluate("() => document.getElementById('audio').paused")


async def test_the_dialogue_follows_the_sound(web: Web, page: Page) -> None:
    await page.goto(f"/recordings/{web.seeded.full}?t=2.9")
    await expect(page.locator("#turn-0")).to_have_class("turn agent speaking")
    await page.locator("#speed").select_option("0.75")
    await page.get_by_role("button", name="播放", exact=True).click()
    await expect(page.locator("#turn-1")).to_have_class("turn citizen speaking", timeout=PATIENCE)
    await expect(page.locator("#turn-0")).to_have_class("turn agent")


async def test_a_finding_leads_to_its_sentence(web: Web, page: Page) -> None:
    await page.goto(f"/recordings/{web.seeded.full}")
    findings = page.locator("#findings")
    await findings.get_by_role("link", name="满意，谢谢你们").click()
    await _heard(page, 8.3)
    await findings.get_by_role("button", name="采纳").first.click()
    await expect(findings.get_by_text("已采纳")).to_have_count(1)


async def test_the_timeline_is_a_slider_for_the_keyboard(web: Web, page: Page) -> None:
    await page.goto(f"/recordings/{web.seeded.full}")
    slider = page.get_by_role("slider", name="播放位置")
    await slider.focus()
    await slider.press("End")
    await expect(page.locator("#now")).to_have_text("0:16")
    await slider.press("Home")
    await expect(page.locator("#now")).to_have_text("0:00")


async def test_hostile_text_does_not_run(web: Web, page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in (f"/recordings/{web.seeded.full}", "/orders", "/links", "/search?q=script"):
        await page.goto(path)
    assert dialogs == []


@pytest.mark.parametrize("width", [360, 1440])
async def test_no_page_is_wider_than_the_screen(web: Web, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    paths = ("/recordings", f"/recordings/{web.seeded.full}", "/orders", "/links", "/reports", "/status")
    for path in paths:
        await page.goto(path)
        assert await page.evaluate("() => document.documentElement.scrollWidth") <= width, path


async def test_keyboard_users_can_skip_to_the_content(web: Web, page: Page) -> None:
    await page.goto("/orders")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
