"""我的工作 in a real browser: one key to the next thing, by keyboard alone, by mouse, and with single keys off."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.driving import House, listen, visitor
from tests.web import ORDER

pytestmark = pytest.mark.timeout(600)
# Whether the key does nothing here.
LEFT_ALONE = """() => document.body.dispatchEvent(
    new KeyboardEvent("keydown", { key: "j", bubbles: true, cancelable: true }))"""
FOCUSED = "() => [...document.querySelectorAll('a[data-work]')].indexOf(document.activeElement)"


async def _press(page: Page, keys: str) -> list[int]:
    """Which thing has the focus after each key; -1: none."""
    places = []
    for key in keys:
        await page.keyboard.press(key)
        places.append(int(await page.evaluate(FOCUSED)))
    return places


async def test_one_key_leads_to_the_next(house: House, browser: Browser) -> None:
    page = await (await visitor(browser, house.web, "agent")).new_page()
    errors = listen(page)
    await page.goto("/")
    await page.wait_for_url("**/work")
    await expect(page.locator(".work-keys")).to_be_visible()
    count = await page.locator("a[data-work]").count()
    assert count > 3
    assert await _press(page, "njpk") == [0, 1, 0, 0]
    assert (await _press(page, "n" * count))[-1] == count - 1
    assert await _press(page, "k") == [count - 2]
    there = await page.evaluate("() => document.activeElement.getAttribute('href')")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{there}")
    assert errors == []


async def test_single_keys_stay_off(house: House, browser: Browser) -> None:
    page = await (await visitor(browser, house.web, "agent")).new_page()
    await page.goto("/work")
    async with page.expect_response("**/api/v1/me/review") as kept:
        await page.get_by_label("使用单键快捷键").uncheck()
    assert (await kept.value).status == 200
    assert await _press(page, "nj") == [-1, -1]
    await page.reload()
    await expect(page.get_by_label("使用单键快捷键")).not_to_be_checked()
    assert await _press(page, "nj") == [-1, -1]
    await page.get_by_label("使用单键快捷键").check()
    assert await _press(page, "n") == [0]


async def test_tiles_narrow_the_list_by_mouse(house: House, browser: Browser) -> None:
    page = await (await visitor(browser, house.web, "agent")).new_page()
    await page.goto("/work")
    everything = await page.locator("a[data-work]").count()
    await page.get_by_role("link", name="已逾期").click()
    await page.wait_for_url("**/work?show=late")
    late = await page.locator("a[data-work]").count()
    assert 0 < late < everything
    assert late == int(await page.locator('[aria-current="true"] strong').inner_text())
    assert late == await page.locator("#work .tag-failed").count()
    await page.get_by_role("link", name="打回访电话").first.click()
    await expect(page.get_by_role("heading", name="经过")).to_be_visible()


async def test_an_orders_text_opens_the_recording_at_its_second(house: House, browser: Browser) -> None:
    page = await (await visitor(browser, house.web, "agent")).new_page()
    errors = listen(page)
    await page.goto(f"/orders/{ORDER}")
    await page.get_by_text("文字", exact=True).click()
    await page.locator("details a.sentence", has_text="请问您对办理结果满意吗").click()
    await page.wait_for_url(f"**/recordings/{house.web.seeded.full}?t=5.9#turn-2")
    assert errors == []


async def test_the_same_key_leads_on_from_an_order_and_from_a_recording(house: House, browser: Browser) -> None:
    page = await (await visitor(browser, house.web, "agent")).new_page()
    errors = listen(page)
    for kind in ("orders", "recordings"):
        await page.goto("/work")
        await page.locator(f"a[data-work][href^='/{kind}/']").first.click()
        led = page.locator("#onward")
        await expect(led).to_be_visible()
        there = await led.get_attribute("href")
        assert there
        await page.keyboard.press("j")
        await expect(page).to_have_url(re.compile(re.escape(there) + "$"))
    await page.goto(f"/recordings/{house.web.seeded.full}?from=work&place=9999-01-01 due last")
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_contain_text("我的工作的下一件")
    async with page.expect_response("**/api/v1/me/review") as kept:
        await page.get_by_label("使用单键快捷键").uncheck()
    assert (await kept.value).status == 200
    await page.get_by_role("button", name="关闭", exact=True).click()
    assert await page.evaluate(LEFT_ALONE)
    await page.goto(f"/orders/{ORDER}?from=work")
    await expect(page.locator("#onward kbd")).to_have_count(0)
    assert await page.evaluate(LEFT_ALONE)
    await page.goto("/work")
    async with page.expect_response("**/api/v1/me/review"):
        await page.get_by_label("使用单键快捷键").check()
    assert errors == []


async def test_an_unknown_order_is_said_where_its_number_was_typed(house: House, browser: Browser) -> None:
    page = await (await visitor(browser, house.web, "agent")).new_page()
    errors = listen(page)
    here = f"/recordings/{house.web.seeded.failed}"
    await page.goto(here)
    field = page.get_by_label("工单编号", exact=True)
    await field.fill("GD-NONE")
    async with page.expect_navigation():
        await field.press("Enter")
    await expect(page.locator("#problem")).to_be_focused()
    await expect(page.locator("#problem")).to_contain_text("没有这个编号的工单")
    await expect(field).to_have_value("GD-NONE")
    await expect(field).to_have_accessible_description(re.compile("没有这个编号的工单"))
    await expect(page).to_have_url(re.compile(f"{here}$"))
    assert [each for each in errors if "422" not in each] == []
