"""Correcting a recording's text in a real browser: nothing that was written is lost."""

import pytest
from playwright.async_api import expect

from archive.corrections import text_versions
from archive.drafts import Draft
from tests.browser.driving import log_in_beside
from tests.browser.reviewing import REASON, Visitors, open_review, path
from tests.web import DIALOGUE, Web

WHILE_OFFLINE = "net::ERR_INTERNET_DISCONNECTED"
RECORDS = "() => JSON.stringify({...localStorage})"
pytestmark = pytest.mark.timeout(600)


async def _draft(web: Web) -> dict[str, str]:
    async with web.archive.database.read() as session:
        row = await session.get(Draft, ("agent", web.seeded.full))
        return row.texts if row else {}


async def test_a_correction_becomes_a_version_that_shows_what_changed(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web)
        await page.get_by_role("button", name="更正文字").click()
        await page.get_by_label("第 6 句的文字").fill("建议以后坏了早点派人来看看。")
        await expect(page.locator("#draft-state")).to_have_text("草稿已保存")
        assert await _draft(web) == {"5": "建议以后坏了早点派人来看看。"}
        await page.get_by_label("更正理由").fill(REASON)
        await page.get_by_role("button", name="保存为新版本").click()
        await expect(page.get_by_text("第 2 版", exact=False).first).to_be_visible()
        await expect(page.locator("#turn-5 p.bubble")).to_have_text("建议以后坏了早点派人来看看。")
        await expect(page.locator("#turn-5 .tag-warn")).to_have_count(0)
        await page.get_by_text("文字的 2 个版本").click()
        await page.get_by_role("link", name="与上一版的差别").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("第 2 版与上一版的差别")
        await expect(page.locator("ins")).to_contain_text("派")
        await expect(page.get_by_text(REASON)).to_be_visible()
    found = await text_versions(web.archive, web.seeded.full)
    assert [(version.author, version.reason) for version in found] == [
        ("system", "first transcription"),
        ("agent", REASON),
    ]
    assert found[1].replaces == found[0].sha256


async def test_a_lost_connection_and_a_crash_lose_nothing(web: Web, visitors: Visitors) -> None:
    async with visitors.page(allowed=(WHILE_OFFLINE,)) as page:
        await open_review(page, web)
        await page.get_by_role("button", name="更正文字").click()
        await page.get_by_label("第 2 句的文字").fill("联网时写的")
        await expect(page.locator("#draft-state")).to_have_text("草稿已保存")
        await page.context.set_offline(True)
        await page.get_by_label("第 4 句的文字").fill("断网时写的")
        await expect(page.locator("#draft-state")).to_contain_text("草稿存在本机")
        assert await _draft(web) == {"1": "联网时写的"}
        # The browser is gone without a word; only its storage is left, as after a crash.
        assert "断网时写的" in await page.evaluate(RECORDS)
        crashed = page.context
        await page.close(run_before_unload=False)
        await crashed.set_offline(False)
        again = await crashed.new_page()
        await again.goto(path(web))
        await expect(again.get_by_label("第 4 句的文字")).to_have_value("断网时写的")
        await expect(again.get_by_label("第 2 句的文字")).to_have_value("联网时写的")
        await expect(again.locator("#draft-state")).to_have_text("草稿已保存")
        assert await _draft(web) == {"1": "联网时写的", "3": "断网时写的"}
        # Once the server has it, nothing of it stays on the computer.
        assert await again.evaluate("() => localStorage.length") == 0


async def test_a_draft_is_sent_as_soon_as_the_connection_is_back(web: Web, visitors: Visitors) -> None:
    async with visitors.page(allowed=(WHILE_OFFLINE,)) as page:
        await open_review(page, web)
        await page.get_by_role("button", name="更正文字").click()
        await page.context.set_offline(True)
        await page.get_by_label("第 4 句的文字").fill("断网时写的")
        await expect(page.locator("#draft-state")).to_contain_text("草稿存在本机")
        await page.context.set_offline(False)
        await expect(page.locator("#draft-state")).to_have_text("草稿已保存")
        assert await _draft(web) == {"3": "断网时写的"}


async def test_a_draft_is_sent_after_the_next_login(web: Web, visitors: Visitors) -> None:
    """The token of the page's forms is that of the login before."""
    async with visitors.page(allowed=("401", "403")) as page:
        await open_review(page, web)
        await page.get_by_role("button", name="更正文字").click()
        await page.context.clear_cookies(name="huiyin_session")
        await page.get_by_label("第 4 句的文字").fill("过期后写的")
        await expect(page.locator("#draft-state")).to_contain_text("登录已过期")
        await log_in_beside(page, "agent")
        await page.evaluate("() => dispatchEvent(new Event('focus'))")
        await expect(page.locator("#draft-state")).to_have_text("草稿已保存")
        assert await _draft(web) == {"3": "过期后写的"}


async def test_who_saves_second_sees_both_texts(web: Web, visitors: Visitors) -> None:
    async with visitors.page(allowed=("409",)) as page:
        await open_review(page, web)
        await page.get_by_role("button", name="更正文字").click()
        await page.get_by_label("第 2 句的文字").fill("我的第二句")
        await page.get_by_label("第 4 句的文字").fill("我的第四句")
        await page.get_by_label("更正理由").fill(REASON)
        await expect(page.locator("#draft-state")).to_have_text("草稿已保存")
        other = {"base_version": 1, "reason": "复查", "texts": {"1": "主管的第二句", "5": "主管的第六句"}}
        path = f"/api/v1/recordings/{web.seeded.full}/versions"
        assert (await web.post(path, other, "supervisor")).status == 201
        await page.get_by_role("button", name="保存为新版本").click()
        panel = page.get_by_role("region", name="有人先保存了新的一版")
        await expect(panel).to_be_visible()
        await expect(panel.get_by_role("group")).to_have_count(1)
        await expect(panel.get_by_text("我的第二句")).to_be_visible()
        await panel.get_by_label("主管的第二句").check()
        await panel.get_by_role("button", name="按所选继续更正").click()
        await expect(page.get_by_label("第 4 句的文字")).to_have_value("我的第四句")
        await expect(page.get_by_label("第 2 句的文字")).to_have_value("主管的第二句")
        await expect(page.get_by_label("更正理由")).to_have_value(REASON)
        await page.get_by_role("button", name="保存为新版本").click()
        await expect(page.locator("#turn-3 p.bubble")).to_have_text("我的第四句")
    newest = (await text_versions(web.archive, web.seeded.full))[-1]
    assert (newest.number, newest.author) == (3, "agent")
    assert [newest.turns[place].text for place in (1, 3, 5)] == ["主管的第二句", "我的第四句", "主管的第六句"]


async def test_everything_is_replaced_at_once_and_taken_back(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web)
        await page.get_by_role("button", name="更正文字").click()
        await page.get_by_text("全部替换").click()
        await page.get_by_label("查找").fill("路灯")
        await page.get_by_label("换成").fill("街灯")
        await page.get_by_role("button", name="替换", exact=True).click()
        await expect(page.locator("#replaced")).to_contain_text("换了 2 处。")
        await expect(page.get_by_label("第 2 句的文字")).to_have_value("解决了，街灯第二天就修好了。")
        await page.get_by_role("button", name="撤销替换").click()
        await expect(page.get_by_label("第 2 句的文字")).to_have_value(DIALOGUE[1][3])
        await expect(page.locator("#draft-state")).to_have_text("草稿已保存")
        assert await _draft(web) == {}
