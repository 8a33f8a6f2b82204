"""The frame by keyboard alone, on a desk and on a telephone; colours and language by a press; forms sent once."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.driving import PATIENCE, log_in_beside, visitor
from tests.web import ORDER, Web

pytestmark = pytest.mark.timeout(300)
expect.set_options(timeout=PATIENCE)
FOCUSED = "() => document.activeElement.getAttribute('href') ?? document.activeElement.id"


async def _open(browser: Browser, web: Web, path: str, *, width: int) -> Page:
    context = await visitor(browser, web, "supervisor", theme="auto", width=width)
    page = await context.new_page()
    await page.goto(path)
    return page


async def _tab_to(page: Page, target: str) -> None:
    """Press Tab until ``target`` has the focus; a page on which it is never reached fails."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate(FOCUSED) == target:
            return
    raise AssertionError(f"{target} cannot be reached by keyboard")


async def test_the_main_navigation_by_keyboard_on_a_desk(web: Web, browser: Browser) -> None:
    page = await _open(browser, web, "/recordings", width=1440)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    for path in ("/orders", "/links", "/reports", "/status"):
        await _tab_to(page, path)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{path}")
        await expect(page.locator(f'.nav a[href="{path}"]')).to_have_attribute("aria-current", "page")


async def test_the_main_navigation_by_keyboard_on_a_telephone(web: Web, browser: Browser) -> None:
    page = await _open(browser, web, "/recordings", width=390)
    navigation = page.get_by_role("navigation", name="主导航")
    await expect(navigation).to_be_hidden()
    opener = page.get_by_role("button", name="打开主导航")
    await opener.focus()
    await page.keyboard.press("Enter")
    await expect(navigation).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(navigation).to_be_hidden()
    await expect(opener).to_be_focused()
    await page.keyboard.press("Enter")
    await _tab_to(page, "/orders")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/orders")


@pytest.mark.parametrize("width", [390, 1440])
async def test_colours_and_language_by_keyboard(web: Web, browser: Browser, width: int) -> None:
    page = await _open(browser, web, "/orders?q=路灯", width=width)
    ground = "() => getComputedStyle(document.body).color"
    light = await page.evaluate(ground)
    for name in ("深色", "English"):
        await page.locator("button.who").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name=name)).to_be_visible()
        await page.get_by_role("button", name=name).focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).to_have_attribute(
            *({"深色": ("data-theme", "dark")}.get(name, ("lang", "en")))
        )
    assert await page.evaluate(ground) != light
    await expect(page.get_by_role("searchbox")).to_have_value("路灯")
    await page.goto("/recordings")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Recordings")


async def test_the_machine_s_colours_are_followed_until_others_are_chosen(web: Web, browser: Browser) -> None:
    page = await _open(browser, web, "/orders", width=1440)
    colour = "() => getComputedStyle(document.body).color"
    await page.emulate_media(color_scheme="light")
    light = await page.evaluate(colour)
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(colour) != light
    await page.locator("button.who").click()
    await page.get_by_role("button", name="浅色").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert await page.evaluate(colour) == light


async def test_a_double_click_sends_a_form_once(web: Web, browser: Browser) -> None:
    page = await _open(browser, web, "/reports", width=1440)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    await page.get_by_role("button", name="生成", exact=True).dblclick()
    await expect(page.locator(".notice.good")).to_be_visible()
    assert len(sent) == 1


async def test_on_paper_stands_what_was_asked_for_only(web: Web, browser: Browser) -> None:
    page = await _open(browser, web, "/orders", width=1440)
    await page.emulate_media(media="print")
    await expect(page.locator(".top")).to_be_hidden()
    await expect(page.get_by_role("button", name="查找")).to_be_hidden()
    await expect(page.get_by_role("table")).to_be_visible()


async def test_what_is_written_outlives_a_login_that_expired(web: Web, browser: Browser) -> None:
    context = await visitor(browser, web, "auditor")
    page = await context.new_page()
    await page.goto("/keeping")
    await page.locator("summary", has_text="设立保全").click()
    await page.get_by_label("案件名称").fill("路灯诉讼")
    await page.get_by_label("理由").fill("法院调取证据，写了很久")
    await page.get_by_label("工单编号，每行一个").fill(ORDER)
    await context.clear_cookies(name="huiyin_session")
    # No window of this browser is ever behind another: what it would notice is told to it.
    await page.evaluate("() => dispatchEvent(new Event('blur'))")
    send, told = page.get_by_role("button", name="设立保全"), page.get_by_role("alert")
    await send.click()
    await expect(told).to_contain_text("登录已过期")
    await expect(told.get_by_role("link", name="在新窗口登录")).to_be_visible()
    await log_in_beside(page, "supervisor")
    await send.click()
    await expect(told).to_contain_text("现在登录的是 supervisor")
    await log_in_beside(page, "auditor")
    await expect(page.get_by_label("理由")).to_have_value("法院调取证据，写了很久")
    await send.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("路灯诉讼")
