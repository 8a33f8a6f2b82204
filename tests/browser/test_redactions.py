"""A redacted copy in a real browser: asked for by mouse and by keyboard alone, heard when it is made."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import update

from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.jobs import FAILED, JobRow
from tests.browser.driving import PATIENCE, chromium, listen, require_chromium, tab_to, visitor
from tests.redacted import NAME, PLACE, PURPOSE, Told, telling
from tests.tables import create_all

pytestmark = pytest.mark.timeout(600)
expect.set_options(timeout=PATIENCE)
HEARD = """audio => new Promise(heard => {
    audio.ontimeupdate = () => audio.currentTime > 0.2 && heard(audio.duration);
    audio.play();
})"""


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    require_chromium()
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'huiyin.db'}")
    async with database.engine.connect() as connection:
        await connection.run_sync(create_all)
        await connection.commit()
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    try:
        async with telling(Archive(database, store, utc_now), tmp_path) as opened:
            yield opened
    finally:
        await store.close()
        await database.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    require_chromium()
    async with chromium() as started:
        yield started


async def _opened(browser: Browser, told: Told, role: str) -> Page:
    page = await (await visitor(browser, told.web, role)).new_page()
    await page.goto(f"/recordings/{told.recording}")
    await page.get_by_role("link", name="遮盖副本").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("遮盖副本")
    return page


async def _made(told: Told, page: Page) -> None:
    """The page shows by itself that the worker is done."""
    await expect(page.get_by_text("制作中")).to_be_visible()
    await told.work()
    await expect(page.get_by_text("可以交出", exact=True)).to_be_visible()


async def test_suggestions_are_taken_by_mouse_and_the_copy_is_heard(told: Told, browser: Browser) -> None:
    page = await _opened(browser, told, "supervisor")
    errors = listen(page)
    await expect(page.get_by_label(f"{PLACE} 住址")).to_be_checked()
    await page.get_by_label(f"{NAME} 姓名").click()
    await page.get_by_label("理由").fill("对外提供")
    await page.get_by_role("button", name="制作遮盖副本").click()
    await _made(told, page)
    [copy] = await told.copies()
    assert len(copy["spans"]) == 2, "the name was taken out of what is covered"
    await page.get_by_label("用途").fill(PURPOSE)
    await page.get_by_role("button", name="试听").click()
    assert await page.locator("audio").evaluate(HEARD) == pytest.approx(16, abs=0.1)
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="下载取证包").click()
    assert (await waiting.value).suggested_filename.endswith(".zip")
    assert errors == []


async def test_a_copy_that_failed_is_made_again_by_keyboard(told: Told, browser: Browser) -> None:
    await told.ask(phrases=["路灯"])
    failed = {"state": FAILED, "error": "Unavailable: away", "error_kind": "unavailable"}
    async with told.web.archive.database.write() as session:
        await session.execute(update(JobRow).values(**failed))
    page = await _opened(browser, told, "auditor")
    await expect(page.get_by_text("需要的存储或服务暂时连接不上。")).to_be_visible()
    await tab_to(page, page.get_by_role("button", name="重新制作"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").first).to_contain_text("已重新开始制作遮盖副本")
    await _made(told, page)
    await expect(page.get_by_text("需要的存储或服务暂时连接不上。")).to_have_count(0)


async def test_words_are_covered_by_keyboard_alone(told: Told, browser: Browser) -> None:
    page = await _opened(browser, told, "auditor")
    for name in (NAME, "138****0321", PLACE):
        await tab_to(page, page.get_by_label(name).first)
        await page.keyboard.press("Space")
    await tab_to(page, page.get_by_label("还要遮盖的词").first)
    await page.keyboard.type("路灯")
    await tab_to(page, page.get_by_label("理由").first)
    await page.keyboard.type("对外提供")
    await page.keyboard.press("Enter")
    await _made(told, page)
    [copy] = await told.copies()
    assert len(copy["spans"]) == 1
