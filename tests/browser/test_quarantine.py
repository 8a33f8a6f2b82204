"""隔离区 in a real browser: a file is let in by mouse, another removed by keyboard alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Dialog, expect

from api.intake.quarantine import Quarantined, keep, listed
from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from core.settings import Settings
from tests.browser.driving import chromium, listen, require_chromium, tab_to, visitor
from tests.integration.test_api_upload import FACTS, sound
from tests.web import Web, serving

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def web(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Web]:
    settings = Settings(data_dir=tmp_path, spool_min_free_mb=0)
    for content, facts in ((sound(), FACTS), (b"no sound", {"call_id": "gw7-2"})):
        (tmp_path / "file").write_bytes(content)
        found = Quarantined(f"{len(content):064}", len(content), "the file holds no sound", utc_now(), "folder", facts)
        await asyncio.to_thread(keep, settings, tmp_path / "file", found)
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path, settings) as served:
        yield served


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    require_chromium()
    async with chromium() as started:
        yield started


async def test_files_are_let_in_and_removed(web: Web, browser: Browser, tmp_path: Path) -> None:
    page = await (await visitor(browser, web, "system")).new_page()
    errors = listen(page)

    async def agree(dialog: Dialog) -> None:
        await dialog.accept()

    page.on("dialog", agree)
    await page.goto("/quarantine")
    await expect(page.locator("tbody tr")).to_have_count(2)
    row = page.locator("tbody tr", has_text=FACTS["call_id"])
    await row.get_by_role("button", name="重新收取").click()
    await expect(page.get_by_text("文件已收取并封存。")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(1)
    # By keyboard alone.
    await page.locator("body").focus()
    await tab_to(page, page.locator("#reason-1"), most=40)
    await page.keyboard.type("网关的测试文件")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("文件已删除，原因记入审计日志。")).to_be_visible()
    await expect(page.get_by_role("heading", name="隔离区是空的")).to_be_visible()
    assert not listed(Settings(data_dir=tmp_path))
    assert not errors
