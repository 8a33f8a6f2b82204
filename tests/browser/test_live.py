"""Pages that follow events, in a real Chromium: what changes is seen without a reload, and nobody is disturbed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from api.access.sessions import end_sessions
from api.events.streams import STREAMS, Pace
from archive.catalogue import SIGNALLED, Call
from archive.live_calls import Live, show
from core.clock import utc_now
from core.ids import new_id
from core.jobs import enqueue
from tests.browser.driving import PATIENCE, House, furnished, listen, require_chromium, visitor

pytestmark = pytest.mark.timeout(600)
expect.set_options(timeout=PATIENCE)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    require_chromium()
    async with furnished(tmp_path) as served:
        served.web.app[STREAMS].pace = Pace(look=0.05)
        yield served


async def _open(browser: Browser, house: House, role: str, path: str) -> Page:
    page = await (await visitor(browser, house.web, role)).new_page()
    answer = await page.goto(path)
    assert answer
    assert answer.status == 200
    return page


async def _begin(house: House, quality: str = "") -> Call:
    now = utc_now()
    call = Call(id=new_id(), sip_call_id="live@x", state=SIGNALLED, started_at=now - timedelta(seconds=65))
    async with house.web.archive.database.write() as session:
        session.add(call)
        await session.flush()
        seen = Live(citizen_number="13800005678", citizen_name="王样本", quality=quality)
        # No recorder says again that it goes on, and the test may take its time.
        await show(session, new_id(), {call.id: seen}, (), now + timedelta(hours=1))
    return call


async def _a_call_is_seen_from_its_beginning_to_its_end(house: House, browser: Browser) -> None:
    page = await _open(browser, house, "supervisor", "/status")
    errors = listen(page)
    await expect(page.locator("#live-state")).to_have_text("实时更新中")
    call = await _begin(house, quality="poor")
    row = page.locator(f"#call-{call.id}")
    await expect(row).to_contain_text("138****5678")
    await expect(row).to_contain_text("丢包严重")
    lasting = row.locator("[data-since]")
    before = await lasting.text_content()
    await expect(lasting).not_to_have_text(before or "")
    async with house.web.archive.database.write() as session:
        row_now = await session.get_one(Call, call.id)
        row_now.ended_at = utc_now()
    await expect(row).to_have_count(0)
    await expect(page.locator("#calls")).to_contain_text("已结束，等待封存")
    assert errors == []


async def _whoever_writes_a_reason_is_left_alone(house: House, browser: Browser) -> None:
    call = await _begin(house)
    page = await _open(browser, house, "supervisor", "/status")
    row = page.locator(f"#call-{call.id}")
    await row.locator("summary").click()
    await row.get_by_role("combobox").fill("市民正在说")
    other = await _begin(house, quality="good")
    await expect(page.locator(f"#call-{other.id}")).to_contain_text("收音正常")
    await expect(row.get_by_role("combobox")).to_have_value("市民正在说")
    await expect(row.get_by_role("combobox")).to_be_focused()


async def _updates_can_be_paused(house: House, browser: Browser) -> None:
    page = await _open(browser, house, "supervisor", "/status")
    await expect(page.locator("#live-state")).to_have_text("实时更新中")
    await page.get_by_label("实时更新").uncheck()
    await expect(page.locator("#live-state")).to_have_text("已暂停更新")
    call = await _begin(house)
    await page.reload()
    await expect(page.locator("#live-state")).to_have_text("已暂停更新")
    await expect(page.locator(f"#call-{call.id}")).to_be_visible()
    second = await _begin(house)
    await page.get_by_label("实时更新").check()
    await expect(page.locator(f"#call-{second.id}")).to_be_visible()


async def _without_events_the_page_asks_by_itself_and_says_so(house: House, browser: Browser) -> None:
    page = await (await visitor(browser, house.web, "supervisor")).new_page()
    await page.clock.install()
    await page.route("**/events/**", lambda route: route.fulfill(status=503))
    await page.goto("/status")
    await expect(page.locator("#live-state")).to_have_text("没有实时通道，每 15 秒更新一次")
    call = await _begin(house)
    await page.clock.run_for(20_000)
    await expect(page.locator(f"#call-{call.id}")).to_be_visible()


async def _a_login_that_is_over_is_said(house: House, browser: Browser) -> None:
    page = await _open(browser, house, "supervisor", "/status")
    await expect(page.locator("#live-state")).to_have_text("实时更新中")
    async with house.web.archive.database.write() as session:
        await end_sessions(session, "supervisor")
    await expect(page.locator("#live-state")).to_have_text("登录已过期，请重新登录")


async def _without_a_script_the_page_is_as_it_was_opened(house: House, browser: Browser) -> None:
    base = str(house.web.server.make_url("/"))
    token = (await house.web.bearer("supervisor"))["Authorization"].removeprefix("Bearer ")
    context = await browser.new_context(base_url=base, java_script_enabled=False)
    await context.add_cookies([{"name": "huiyin_session", "value": token, "url": base}])
    page = await context.new_page()
    await page.goto("/status")
    await expect(page.get_by_role("link", name="刷新")).to_be_visible()
    await expect(page.get_by_label("实时更新")).to_be_hidden()
    call = await _begin(house)
    await page.get_by_role("link", name="刷新").click()
    await expect(page.locator(f"#call-{call.id}")).to_be_visible()


async def _a_recording_says_that_somebody_else_corrected_it(house: House, browser: Browser) -> None:
    page = await _open(browser, house, "agent", f"/recordings/{house.web.seeded.full}")
    version = await page.evaluate("() => JSON.parse(document.getElementById('review').textContent).version")
    texts = {"1": "解决了，路灯第二天就修好了，谢谢。"}
    body = {"base_version": version, "reason": "listened again", "texts": texts}
    path = f"/api/v1/recordings/{house.web.seeded.full}/versions"
    assert (await house.web.post(path, body, "supervisor")).status == 201
    notice = page.locator("[role=status] .notice")
    await expect(notice).to_contain_text(f"supervisor 刚刚保存了第 {version + 1} 版文字。")
    await notice.get_by_role("link").click()
    await expect(page.locator("#turns")).to_contain_text("谢谢。")


async def _a_report_that_is_being_made_is_seen_and_can_be_left(house: House, browser: Browser) -> None:
    page = await _open(browser, house, "supervisor", "/reports")
    await expect(page.locator("#live-state")).to_have_text("实时更新中")
    async with house.web.archive.database.write() as session:
        await enqueue(session, "daily", {"day": "2026-11-20"}, now=utc_now())
    await expect(page.locator("#making")).to_contain_text("正在生成 1 份报表")


async def test_the_pipeline_page_lives(house: House, browser: Browser) -> None:
    await _a_call_is_seen_from_its_beginning_to_its_end(house, browser)
    await _whoever_writes_a_reason_is_left_alone(house, browser)
    await _updates_can_be_paused(house, browser)
    await _a_login_that_is_over_is_said(house, browser)


async def test_it_works_without_events_and_without_scripts(house: House, browser: Browser) -> None:
    await _without_events_the_page_asks_by_itself_and_says_so(house, browser)
    await _without_a_script_the_page_is_as_it_was_opened(house, browser)


async def test_recordings_and_reports_say_what_became_of_them(house: House, browser: Browser) -> None:
    await _a_recording_says_that_somebody_else_corrected_it(house, browser)
    await _a_report_that_is_being_made_is_seen_and_can_be_left(house, browser)
