"""保全, 处置, 移交 and 审计日志 in a real browser: two people at two windows, by mouse and by keyboard."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.async_api import Browser, Dialog, Page, expect

from core.settings import Settings
from tests.browser.driving import PATIENCE, House, listen, visitor
from tests.browser.furnishing import write_bags
from tests.web import ORDER

pytestmark = pytest.mark.timeout(300)


async def opened(browser: Browser, house: House, role: str, path: str) -> tuple[Page, list[str]]:
    """The page; every question that it asks is answered with yes, and kept."""
    page = await (await visitor(browser, house.web, role)).new_page()
    asked: list[str] = []

    async def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.accept()

    page.on("dialog", agree)
    await page.goto(path)
    return page, asked


async def test_a_case_is_opened_and_released_by_two(house: House, browser: Browser) -> None:
    page, _ = await opened(browser, house, "auditor", "/keeping")
    errors = listen(page)
    # By keyboard alone.
    await page.locator("summary", has_text="设立保全").focus()
    await page.keyboard.press("Enter")
    for words in ("路灯诉讼", "法院调取证据", ORDER):
        await page.keyboard.press("Tab")
        await page.keyboard.type(words)
    await page.get_by_role("button", name="设立保全").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("路灯诉讼")
    await expect(page.get_by_role("status").first).to_contain_text("从现在起不会被删除")
    await expect(page.get_by_role("progressbar", name="保全进度")).to_be_visible()
    # It can be left and come back to; the worker does it meanwhile, and an open page shows that by itself.
    other, _ = await opened(browser, house, "system", page.url)
    await page.goto("/keeping")
    await house.web.work()
    await expect(other.get_by_role("heading", name="录音（保全中 1 条）")).to_be_visible(timeout=PATIENCE)
    await expect(other.get_by_role("progressbar")).to_have_count(0)
    await page.get_by_role("link", name="路灯诉讼").click()
    await expect(page.get_by_role("heading", name="录音（保全中 1 条）")).to_be_visible()
    await page.get_by_label("解除的理由").fill("诉讼终结")
    await page.get_by_role("button", name="申请解除").click()
    await expect(page.get_by_text("您申请了解除，须由另一人确认。")).to_be_visible()
    await expect(page.get_by_role("button", name="确认解除")).to_have_count(0)
    second, asked = await opened(browser, house, "system", page.url)
    await second.get_by_role("button", name="确认解除").click()
    await expect(second.locator("h1 + p")).to_have_text("已解除")
    assert asked == ["确认解除这个案件的保全？"]
    await house.web.work()
    await expect(second.get_by_role("heading", name="录音（保全中 0 条）")).to_be_visible(timeout=PATIENCE)
    await expect(second.get_by_role("progressbar")).to_have_count(0, timeout=PATIENCE)
    assert errors == []


async def test_a_batch_is_approved_and_confirmed_by_two(house: House, browser: Browser) -> None:
    page, asked = await opened(browser, house, "auditor", f"/keeping/disposals/{house.batch}")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.locator("tbody tr", has_text="待批准").first.get_by_role("checkbox").check()
    # The Enter key in a field decides nothing.
    await page.get_by_label("继续保存或撤回的理由").press("Enter")
    await expect(page.get_by_role("link", name="待批准 2")).to_be_visible()
    await page.get_by_role("button", name="批准处置").click()
    await expect(page.get_by_role("status").first).to_contain_text("已批准 1 项处置")
    assert asked == ["批准删除勾选的录音？"]
    await expect(page.get_by_role("link", name="待另一人确认 2")).to_be_visible()
    second, _ = await opened(browser, house, "system", page.url)
    await second.get_by_label("不逐条勾选").check()
    await second.get_by_role("button", name="确认处置").click()
    await expect(second.get_by_role("status").first).to_contain_text("已确认 2 项处置")
    await expect(second.get_by_role("link", name="已确认，夜间删除 2")).to_be_visible()


async def test_a_bag_is_asked_for_and_fetched(house: House, browser: Browser, tmp_path: Path) -> None:
    page, _ = await opened(browser, house, "auditor", "/handover")
    await page.locator("summary", has_text="制作移交包").click()
    await page.get_by_label("一个工单").check()
    await page.get_by_label("工单编号").fill(ORDER)
    await page.get_by_label("目的").fill("案卷调取")
    await page.get_by_role("button", name="制作", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("已开始制作移交包")
    await expect(page.get_by_role("progressbar")).to_have_count(2)
    # Nobody has to reload the page to see it finished.
    await page.evaluate("document.body.dataset.stays = 'yes'")
    await write_bags(house.web, Settings(data_dir=tmp_path))
    await expect(page.get_by_role("link", name="下载移交包")).to_have_count(2, timeout=PATIENCE)
    # The other one holds the damaged recording: it stops, and says why.
    await expect(page.get_by_text("受阻，自动重试")).to_be_visible(timeout=PATIENCE)
    await expect(page.get_by_role("progressbar")).to_have_count(1)
    assert await page.evaluate("document.body.dataset.stays") == "yes"
    client, _ = await opened(browser, house, "client", "/handover")
    await expect(client.locator("summary", has_text="制作移交包")).to_have_count(0)
    async with client.expect_download() as waiting:
        await client.get_by_role("link", name="下载移交包").first.click()
    file = tmp_path / "taken.zip"
    await (await waiting.value).save_as(file)
    assert any(name.endswith("tagmanifest-sha256.txt") for name in ZipFile(file).namelist())


async def test_the_ledger_is_filtered_and_its_address_shared(house: House, browser: Browser) -> None:
    page, _ = await opened(browser, house, "audit", "/ledger")
    await expect(page.locator("h2 .tag")).to_have_text("前后一致")
    await page.get_by_role("link", name="审计人员做了什么").click()
    await expect(page.locator("tbody tr", has_text="批准整批处置")).to_have_count(1)
    await page.get_by_label("做了什么").select_option("hold placed")
    await page.get_by_role("button", name="筛选").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    again, _ = await opened(browser, house, "auditor", page.url)
    await expect(again.locator("tbody tr")).to_have_count(1)
    await again.goto("/ledger?kind=ledger+seen")
    # That somebody else looked, and for what.
    row = again.locator("tbody tr", has_text="审计管理员").first
    await row.locator("summary").click()
    await expect(row.locator("dl")).to_contain_text("hold placed")
