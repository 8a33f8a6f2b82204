"""系统管理 in a real browser: settings and dictionaries by keyboard and by mouse, and the reference of the API."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.driving import listen, visitor
from tests.web import PASSWORD, Web

pytestmark = pytest.mark.timeout(300)


async def opened(browser: Browser, web: Web, role: str, path: str) -> Page:
    page = await (await visitor(browser, web, role)).new_page()
    await page.goto(path)
    return page


async def test_a_setting_is_changed_by_keyboard_alone(web: Web, browser: Browser) -> None:
    page = await opened(browser, web, "system", "/admin/settings")
    errors = listen(page)
    await page.get_by_role("link", name="回访期限").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("新值").focus()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("5")
    await page.get_by_label("理由").focus()
    await page.keyboard.type("合同约定")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("已设定")
    await expect(page.locator(".facts dd").first).to_have_text("5")
    await expect(page.get_by_role("row", name="合同约定")).to_contain_text("operator")
    await page.goto("/admin/settings")
    await expect(page.get_by_role("row", name="回访期限")).to_contain_text("页面设定")
    assert errors == []


async def test_who_gets_in_is_changed_by_mouse_with_the_password(web: Web, browser: Browser) -> None:
    page = await opened(browser, web, "security", "/admin/settings/second_factor_roles")
    await page.get_by_label("系统管理员").check()
    await page.get_by_label("理由").fill("等级保护要求")
    await page.get_by_label("您的密码").fill("wrong password")
    await page.get_by_role("button", name="设定").click()
    await expect(page.get_by_role("alert")).to_contain_text("密码")
    await expect(page.get_by_label("系统管理员")).to_be_checked()
    await expect(page.get_by_label("理由")).to_have_value("等级保护要求")
    await page.get_by_label("您的密码").fill(PASSWORD)
    await page.get_by_role("button", name="设定").click()
    await expect(page.get_by_role("status")).to_contain_text("已设定")
    await expect(page.locator(".facts dd").first).to_have_text("系统管理员")


async def test_an_entry_is_offered_where_a_purpose_is_asked(web: Web, browser: Browser) -> None:
    page = await opened(browser, web, "supervisor", "/admin/dictionaries")
    await page.get_by_role("link", name="调阅用途").click()
    await page.get_by_text("新增条目").click()
    await page.get_by_label("名称", exact=True).first.fill("区级督办")
    await page.get_by_label("英文名称").first.fill("Asked by the district")
    await page.get_by_role("button", name="新增").click()
    await expect(page.get_by_role("status")).to_contain_text("条目已新增")
    row = page.get_by_role("row", name="质量抽查")
    await row.locator("summary").click()
    await row.get_by_role("button", name="终止条目").click()
    await expect(page.get_by_text("已终止的条目（1）")).to_be_visible()
    await page.goto(f"/recordings/{web.seeded.full}/reveal")
    offered = await page.locator("#purposes option").evaluate_all("all => all.map(each => each.value)")
    assert "区级督办" in offered
    assert "质量抽查" not in offered
    assert await page.locator("input[list=purposes]").count() == 1


async def test_the_reference_leads_from_an_operation_to_its_models(web: Web, browser: Browser) -> None:
    page = await opened(browser, web, "client", "/account")
    await page.get_by_role("contentinfo").get_by_role("link", name="接口文档").click()
    await page.get_by_role("link", name="GET /api/v1/recordings", exact=True).click()
    operation = page.locator("#get_recordings")
    await expect(operation).to_be_in_viewport()
    await expect(operation.get_by_role("row", name="cursor")).to_contain_text("query")
    await operation.get_by_role("link", name="RecordingPage").click()
    await expect(page.locator("#model-RecordingPage")).to_be_in_viewport()
