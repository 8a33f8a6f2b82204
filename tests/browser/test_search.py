"""检索 in a real browser: by mouse, by keyboard alone, and without script."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from openpyxl import load_workbook
from playwright.async_api import Browser, Page, expect

from core.settings import Settings
from tests.browser.driving import House, listen, tab_to, visitor
from tests.browser.furnishing import write_bags
from tests.web import CITIZEN

pytestmark = pytest.mark.timeout(600)


async def opened(browser: Browser, house: House, role: str = "auditor") -> tuple[Page, list[str]]:
    page = await (await visitor(browser, house.web, role)).new_page()
    errors = listen(page)
    await page.goto("/search")
    return page, errors


async def test_words_are_found_and_lead_to_their_second(house: House, browser: Browser) -> None:
    page, errors = await opened(browser, house)
    await page.evaluate("document.body.dataset.stays = 'yes'")
    await page.get_by_label("检索说过的话").fill("路灯 满意")
    await page.get_by_role("button", name="检索", exact=True).click()
    await expect(page.locator("#found .count")).to_have_text("1 通电话")
    await expect(page.locator("#found mark").first).to_have_text("路灯")
    # Read out where it stood before the search.
    await expect(page.locator("#found-said[role=status]")).to_have_text("1 通电话")
    # Only what was found changed, and the address holds the words and no empty filter.
    assert await page.evaluate("document.body.dataset.stays") == "yes"
    assert parse_qs(urlsplit(page.url).query) == {"q": ["路灯 满意"]}
    assert (await page.title()).startswith("检索 路灯 满意")
    await page.get_by_text("筛选条件").click()
    await page.get_by_label("诉求是否解决").select_option("no")
    await page.get_by_role("button", name="筛选", exact=True).click()
    await expect(page.get_by_role("heading", name="没有符合条件的通话")).to_be_visible()
    await page.go_back()
    await expect(page.locator("#found mark").first).to_have_text("路灯")
    await page.locator("a.sentence", has_text="第二天就修好了").click()
    await page.wait_for_url(f"**/recordings/{house.web.seeded.full}?t=3.5#turn-1")
    assert errors == []


async def test_everything_goes_by_keyboard(house: House, browser: Browser) -> None:
    page, errors = await opened(browser, house)
    await tab_to(page, page.locator("#q"), most=40)
    await page.keyboard.type("满意")
    await page.keyboard.press("Enter")
    await expect(page.locator("#found mark").first).to_have_text("满意")
    await tab_to(page, page.locator("a.sentence").first, most=40)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/recordings/*?t=*")
    assert errors == []


async def test_the_address_alone_brings_everything_back(house: House, browser: Browser) -> None:
    page, errors = await opened(browser, house)
    await page.goto("/search?q=路灯&solved=yes&from=2026-11-01")
    await expect(page.get_by_label("检索说过的话")).to_have_value("路灯")
    await page.get_by_text("筛选条件").click()
    await expect(page.get_by_label("诉求是否解决")).to_have_value("yes")
    await expect(page.locator(".chip")).to_have_count(2)
    assert errors == []


async def test_results_are_saved_exported_and_held(house: House, browser: Browser, tmp_path: Path) -> None:
    page, errors = await opened(browser, house)
    await page.get_by_label("检索说过的话").fill("路灯")
    await page.keyboard.press("Enter")
    await expect(page.locator("#found mark").first).to_be_visible()
    await page.get_by_label("保存这次检索，名称").fill("路灯专案")
    await page.get_by_role("button", name="保存", exact=True).click()
    await expect(page.get_by_role("link", name="路灯专案")).to_be_visible()
    await page.get_by_role("heading", name="导出结果").click()
    await page.get_by_label("导出目的").fill("季度检查")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="导出 XLSX").click()
    sheet = tmp_path / "found.xlsx"
    await (await download.value).save_as(sheet)
    assert [row[-1] for row in load_workbook(sheet).active.values][1:] == [str(house.web.seeded.full)]  # type: ignore[union-attr]
    await page.get_by_role("heading", name="保全全部结果").click()
    await page.get_by_label("案件名称").fill("路灯专案")
    await page.get_by_label("理由").fill("投诉复核")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="保全", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("已设立保全“路灯专案”")
    await write_bags(house.web, Settings(data_dir=tmp_path))
    await page.goto("/search?q=路灯")
    await expect(page.locator("#found .tag-held")).to_have_count(1)
    assert errors == []


async def test_a_number_stays_out_of_the_address(house: House, browser: Browser) -> None:
    page, errors = await opened(browser, house, "agent")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.get_by_label("市民电话或专员工号（完整号码）").fill(CITIZEN)
    await page.get_by_role("button", name="按号码查").click()
    await expect(page.locator(".chip")).to_contain_text("138****1234")
    await expect(page.locator("article.hit")).not_to_have_count(0)
    assert requested
    assert not [address for address in requested if CITIZEN in address]
    assert errors == []


async def test_it_works_without_script(house: House, browser: Browser) -> None:
    headers = await house.web.bearer("agent")
    base = str(house.web.server.make_url("/"))
    context = await browser.new_context(base_url=base, java_script_enabled=False)
    token = headers["Authorization"].removeprefix("Bearer ")
    await context.add_cookies([{"name": "huiyin_session", "value": token, "url": base}])
    page = await context.new_page()
    await page.goto("/search")
    await page.get_by_label("检索说过的话").fill("第二天")
    await page.keyboard.press("Enter")
    await expect(page.locator("#found mark").first).to_have_text("第二天")
    await page.locator("a.sentence").first.click()
    await page.wait_for_url("**/recordings/*?t=3.5*")
