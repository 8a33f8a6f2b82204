"""Accounts, first logins, second factors and revealing, by mouse and by keyboard alone."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from playwright.async_api import Browser, Page, expect

from api.access.accounts import create_user
from tests.browser.driving import PATIENCE, listen, tab_to, visitor
from tests.web import CITIZEN, PASSWORD, Web

pytestmark = pytest.mark.timeout(600)
OWN = "a phrase of my own"


async def _page(browser: Browser, web: Web, role: str) -> Page:
    page = await (await visitor(browser, web, role)).new_page()
    page.set_default_timeout(PATIENCE)
    return page


async def _tab_to(page: Page, role: str, name: str) -> None:
    await tab_to(page, page.get_by_role(role, name=name, exact=True), most=60)  # type: ignore[arg-type]


async def test_an_account_is_made_and_its_owner_chooses_a_password(web: Web, browser: Browser) -> None:
    page = await _page(browser, web, "security")
    errors = listen(page)
    await page.goto("/admin/accounts")
    await page.get_by_text("新增账号").click()
    await page.get_by_label("用户名").fill("xiao.li")
    await page.get_by_label("角色").select_option(label="回访专员")
    await page.get_by_role("button", name="新增", exact=True).click()
    password = await page.locator("#made").input_value()
    own = await _page(browser, web, "")
    await own.goto("/recordings")
    await own.get_by_label("用户名").fill("xiao.li")
    await own.get_by_label("密码").fill(password)
    await own.get_by_role("button", name="登录").click()
    await own.wait_for_url("**/account")
    await own.goto("/recordings")
    await own.wait_for_url("**/account")
    # From here with the keyboard alone.
    await own.locator("body").press("Tab")
    for name, text in (("现在的密码", password), ("新密码", OWN), ("再输一次新密码", OWN)):
        await tab_to(own, own.get_by_label(name, exact=True).first, most=40)
        await own.keyboard.type(text)
    await own.keyboard.press("Enter")
    await expect(own.get_by_role("status")).to_contain_text("密码已更改")
    await own.goto("/recordings")
    await expect(own.get_by_role("heading", level=1)).to_have_text("录音")
    assert errors == []


async def test_an_account_is_made_by_keyboard(web: Web, browser: Browser) -> None:
    page = await _page(browser, web, "security")
    await page.goto("/admin/accounts")
    await tab_to(page, page.locator("main summary").first, most=30)
    await page.keyboard.press("Enter")
    await _tab_to(page, "textbox", "用户名")
    await page.keyboard.type("wang.fang")
    await _tab_to(page, "button", "新增")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="wang.fang 的新密码")).to_be_visible()


async def test_a_second_factor_is_set_up_and_asked_for(web: Web, browser: Browser) -> None:
    await create_user(web.archive.database, "xiao.li", PASSWORD, "agent", now=datetime.now(UTC))
    page = await _page(browser, web, "")
    errors = listen(page)
    await _log_in(page, "xiao.li")
    await page.goto("/account")
    await page.locator("#factor-password").fill(PASSWORD)
    await page.get_by_role("button", name="设置第二验证").click()
    await expect(page.get_by_alt_text("二维码；不能扫描时请手工输入密钥")).to_be_visible()
    assert await page.locator(".qr").evaluate("image => image.naturalWidth") > 0
    secret = await page.locator("input[name=secret]").input_value()
    await page.get_by_label("验证码").fill(pyotp.TOTP(secret).now())
    await page.keyboard.press("Enter")
    recovery = await page.locator(".codes li").first.inner_text()
    await page.get_by_role("link", name="已保存，返回我的账号").click()
    await expect(page.get_by_text("还剩 10 个恢复码")).to_be_visible()
    other = await _page(browser, web, "")
    await _log_in(other, "xiao.li", waits_for="**/login/code**")
    later = datetime.now(UTC) + timedelta(seconds=30)
    await other.get_by_label("验证码").fill("000000")
    await other.keyboard.press("Enter")
    await expect(other.get_by_role("alert")).to_contain_text("验证码不正确")
    await other.get_by_label("验证码").fill(pyotp.TOTP(secret).at(later))
    await other.keyboard.press("Enter")
    await other.wait_for_url("**/recordings")
    third = await _page(browser, web, "")
    await _log_in(third, "xiao.li", waits_for="**/login/code**")
    await third.get_by_label("验证码").fill(recovery)
    await third.keyboard.press("Enter")
    await third.wait_for_url("**/recordings")
    assert errors == []


async def test_a_number_is_revealed_by_keyboard(web: Web, browser: Browser) -> None:
    page = await _page(browser, web, "agent")
    await page.goto(f"/recordings/{web.seeded.full}/reveal")
    await expect(page.get_by_text(CITIZEN)).to_have_count(0)
    await expect(page.get_by_label("用途")).to_be_focused()
    await page.keyboard.type("再次回访，拨打市民电话")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text(CITIZEN)).to_be_visible()
    await expect(page.get_by_role("status")).to_contain_text("已记入台账")


async def _log_in(page: Page, name: str, waits_for: str = "**/recordings") -> None:
    await page.goto("/recordings")
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录", exact=True).click()
    await page.wait_for_url(waits_for)
