"""The bag's index in a real browser, from the disk and without any network: a day, a call, its sound."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from tests.bags import make_bag
from tests.browser.driving import ARGUMENTS, CHROMIUM, PATIENCE, require_chromium
from tests.web import CITIZEN, DIALOGUE, HOSTILE

pytestmark = pytest.mark.timeout(600)
PLAYED = """audio => new Promise(played => {
    audio.ontimeupdate = () => audio.currentTime > 0.2 && played(audio.duration);
    audio.play();
})"""


async def test_from_the_index_to_the_sound(tmp_path: Path) -> None:
    require_chromium()
    made = await asyncio.to_thread(make_bag, tmp_path)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = await (await browser.new_context(offline=True)).new_page()
        page.set_default_timeout(PATIENCE)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto((made.bag / "data/index.html").as_uri())
        await expect(page.locator("h1")).to_contain_text("录音资料移交")
        await expect(page.locator(".note")).to_contain_text("完整的姓名和电话号码")
        await page.get_by_role("link", name="2026-11-20").click()
        await expect(page.locator("audio")).to_have_count(3)
        await expect(page.locator("body")).to_contain_text(CITIZEN)
        await page.locator(f'a[href*="{made.seeded.full}"]').click()
        await expect(page.locator("table")).to_contain_text(DIALOGUE[1][3])
        await expect(page.locator("table")).to_contain_text(HOSTILE)
        assert await page.locator("audio").evaluate(PLAYED) == pytest.approx(16, abs=0.1)
        for link in await page.locator("a").all():
            target = await link.evaluate("a => a.href")
            assert Path(target.removeprefix("file://")).exists(), target
        assert not complaints
        await browser.close()
