"""The main job of pages without a mouse: disposal, handover, ledger, reports, orders, retrieval.  Other pages' tests by
keyboard stand beside those by mouse."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.async_api import Browser, Dialog, Locator, Page, expect
from sqlalchemy import select

from core.ledger import LedgerRow
from core.settings import Settings
from tests.browser.driving import PATIENCE, House, listen, tab_to, visitor
from tests.browser.furnishing import write_bags
from tests.web import ORDER

pytestmark = pytest.mark.timeout(600)
# A recording's page has a step for every sentence, answer and comment.
MOST = 200


async def opened(browser: Browser, house: House, role: str, path: str) -> Page:
    """The page; every question that it asks is answered with yes, as the Enter key does."""
    page = await (await visitor(browser, house.web, role)).new_page()

    async def agree(dialog: Dialog) -> None:
        await dialog.accept()

    page.on("dialog", agree)
    await page.goto(path)
    return page


async def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    await tab_to(page, wanted, most=MOST)
    await page.keyboard.press(key)


async def write(page: Page, wanted: Locator, text: str) -> None:
    await tab_to(page, wanted, most=MOST)
    await page.keyboard.insert_text(text)


async def fetched(page: Page, wanted: Locator, file: Path) -> Path:
    """The file that pressing Enter on it brings."""
    async with page.expect_download() as waiting:
        await press(page, wanted)
    await (await waiting.value).save_as(file)
    return file


async def test_a_disposal_is_approved_and_confirmed(house: House, browser: Browser) -> None:
    page = await opened(browser, house, "auditor", f"/keeping/disposals/{house.batch}")
    errors = listen(page)
    await press(page, page.locator("tbody tr", has_text="待批准").first.get_by_role("checkbox"), "Space")
    await press(page, page.get_by_role("button", name="批准处置"))
    await expect(page.get_by_role("status").first).to_contain_text("已批准 1 项处置")
    second = await opened(browser, house, "system", page.url)
    await press(second, second.get_by_label("不逐条勾选"), "Space")
    await press(second, second.get_by_role("button", name="确认处置"))
    await expect(second.get_by_role("link", name="已确认，夜间删除 2")).to_be_visible()
    assert errors == []


async def test_a_bag_is_asked_for_and_fetched(house: House, browser: Browser, tmp_path: Path) -> None:
    page = await opened(browser, house, "auditor", "/handover")
    await press(page, page.locator("summary", has_text="制作移交包"))
    await press(page, page.get_by_label("全部录音"), "ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_label("一个工单")).to_be_checked()
    await write(page, page.get_by_label("工单编号"), ORDER)
    await write(page, page.get_by_label("目的"), "案卷调取")
    await press(page, page.get_by_role("button", name="制作", exact=True))
    await expect(page.get_by_role("status").first).to_contain_text("已开始制作移交包")
    await write_bags(house.web, Settings(data_dir=tmp_path))
    done = page.get_by_role("link", name="下载移交包")
    await expect(done).to_have_count(2, timeout=PATIENCE)
    file = await fetched(page, done.first, tmp_path / "taken.zip")
    assert any(name.endswith("tagmanifest-sha256.txt") for name in ZipFile(file).namelist())


async def test_the_ledger_is_filtered(house: House, browser: Browser) -> None:
    page = await opened(browser, house, "audit", "/ledger")
    await tab_to(page, page.get_by_label("做了什么"))
    while await page.get_by_label("做了什么").input_value() != "hold placed":
        before = await page.get_by_label("做了什么").input_value()
        await page.keyboard.press("ArrowDown")
        assert await page.get_by_label("做了什么").input_value() != before, "the list ends without it"
    await press(page, page.get_by_role("button", name="筛选"))
    await page.wait_for_url("**/ledger?*kind=hold+placed*")
    await expect(page.locator("tbody tr")).to_have_count(1)


@pytest.mark.parametrize("by_mouse", [True, False])
async def test_a_report_is_read_and_taken(house: House, browser: Browser, tmp_path: Path, by_mouse: bool) -> None:
    page = await opened(browser, house, "client", "/reports")
    document, sheet = page.get_by_role("link", name="DOCX").first, page.get_by_role("link", name="查看").first
    if by_mouse:
        async with page.expect_download() as waiting:
            await document.click()
        await (await waiting.value).save_as(tmp_path / "daily.docx")
        await sheet.click()
    else:
        await fetched(page, document, tmp_path / "daily.docx")
        await page.reload()
        await press(page, sheet)
    assert "word/document.xml" in ZipFile(tmp_path / "daily.docx").namelist()
    await expect(page.get_by_text("满意率").first).to_be_visible()


async def test_from_the_orders_to_the_second_of_a_sentence(house: House, browser: Browser) -> None:
    page = await opened(browser, house, "agent", "/orders")
    errors = listen(page)
    await press(page, page.get_by_role("link", name=ORDER).first)
    await page.wait_for_url(f"**/orders/{ORDER}")
    await press(page, page.locator("summary", has_text="文字").first)
    await press(page, page.locator("details a.sentence", has_text="请问您对办理结果满意吗"))
    await page.wait_for_url(f"**/recordings/{house.web.seeded.full}?t=5.9#turn-2")
    assert errors == []


async def test_an_auditor_says_why_hears_and_takes_the_evidence(house: House, browser: Browser, tmp_path: Path) -> None:
    page = await opened(browser, house, "auditor", f"/recordings/{house.web.seeded.full}")
    await write(page, page.locator("#purpose"), "季度抽查第三组")
    await press(page, page.get_by_role("button", name="开始调阅"))
    await press(page, page.get_by_role("button", name="播放", exact=True))
    await page.wait_for_function("() => document.getElementById('audio')?.currentTime > 0.3")
    await write(page, page.locator("#evidence-purpose"), "检察建议")
    file = await fetched(page, page.get_by_role("button", name="下载取证包"), tmp_path / "evidence.zip")
    assert any(name.endswith(".flac") for name in ZipFile(file).namelist())
    async with house.web.archive.database.read() as session:
        leaves = await session.scalars(select(LedgerRow.leaf).where(LedgerRow.subject == str(house.web.seeded.full)))
        told = [json.loads(leaf) for leaf in leaves]
    purposes = [leaf["facts"].get("purpose") for leaf in told if leaf["actor"] == "auditor"]
    assert {"季度抽查第三组", "检察建议"} <= set(purposes)


async def test_a_link_is_made_and_ended(house: House, browser: Browser) -> None:
    page = await opened(browser, house, "auditor", f"/recordings/{house.web.seeded.full}/shares")
    await write(page, page.locator("#purpose"), "区残联复核")
    await press(page, page.get_by_role("button", name="建立链接"))
    await expect(page.get_by_role("heading", name="链接已建立")).to_be_visible()
    address = await page.locator("#address").input_value()
    stranger = await opened(browser, house, "", address)
    await expect(stranger.locator("audio")).to_have_count(1)
    await press(page, page.get_by_role("button", name="立即停用").first)
    await expect(page.locator("section.share").first).to_contain_text("已停用")
    await stranger.reload()
    await expect(stranger.locator("audio")).to_have_count(0)
