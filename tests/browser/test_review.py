"""Reviewing a recording in a real browser, by mouse and by keyboard alone."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.async_api import Page, expect
from sqlalchemy import select

from archive.corrections import text_versions
from archive.drafts import place_of
from archive.seal import seal_recording
from core.ledger import LedgerRow
from tests.browser.reviewing import REASON, Visitors, heard, now, open_review, path
from tests.browser.test_walk import AXE, RUN, STANDARDS
from tests.web import DIALOGUE, STARTED, Web, new_recording

pytestmark = pytest.mark.timeout(600)


async def test_both_lanes_are_drawn_and_the_sound_plays(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web)
        await expect(page.locator("#wave.drawn")).to_be_visible()
        drawn = await page.evaluate(
            """() => [...document.querySelector('#wave > div').shadowRoot.querySelectorAll('.canvases canvas')]
                     .filter((canvas) => canvas.getContext('2d')
                     .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)).length"""
        )
        assert drawn == 2
        await page.get_by_role("button", name="播放", exact=True).click()
        await heard(page, 0.5)
        assert await page.evaluate("() => document.getElementById('audio').error") is None
        await page.get_by_role("button", name="暂停").click()


async def test_a_click_on_a_word_or_the_waveform_is_heard(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web)
        await page.locator("#turn-3 .w").click()
        await heard(page, DIALOGUE[3][1] / 1000)
        assert await now(page) < DIALOGUE[5][1] / 1000
        await page.get_by_role("button", name="暂停").click()
        await expect(page.locator("#turn-3")).to_have_attribute("aria-current", "true")
        box = await page.locator("#wave").bounding_box()
        assert box
        await page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 20)
        await page.wait_for_function("() => Math.abs(document.getElementById('audio').currentTime - 12) < 0.3")
        await expect(page.locator("#turn-5")).to_have_attribute("aria-current", "true")


# What is wrong with the stretch of a clip: the kind, at either of its fields.
WRONG = """() => [...document.querySelectorAll("#clip-start, #clip-end")].map(({ validity }) =>
    validity.patternMismatch ? "patternMismatch" : validity.customError ? "customError" : "").join("")"""


async def test_a_stretch_is_dragged_looped_and_taken_as_a_clip(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web)
        await expect(page.locator("#wave.drawn")).to_be_visible()
        box = await page.locator("#wave").bounding_box()
        assert box
        await page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] * 0.28, box["y"] + 20, steps=5)
        await page.mouse.move(box["x"] + box["width"] * 0.3125, box["y"] + 20, steps=5)
        await page.mouse.up()
        await expect(page.locator("#span")).to_have_text("0:04 – 0:05")
        assert float(await page.locator("#clip-start").input_value()) == pytest.approx(4, abs=0.2)
        await page.get_by_role("button", name="循环", exact=True).click()
        await page.get_by_role("button", name="播放", exact=True).click()
        wrapped = """() => { const audio = document.getElementById('audio'); const was = window.was ?? 0;
                             window.was = audio.currentTime; return was > audio.currentTime + 0.2 && was > 4.5; }"""
        await page.wait_for_function(wrapped, polling=20)
        assert await now(page) < 5.3
        start, end = page.locator("#clip-start"), page.locator("#clip-end")
        for typed, wrong in (
            ("0：0４", ""),
            ("4s", "patternMismatch"),
            ("0:09", "customError"),
            ("0:16", "customError"),
        ):
            await start.fill(typed)
            await start.blur()
            assert await page.evaluate(WRONG) == wrong, typed
        await start.fill("0:04")
        await end.fill("0:05")
        await page.get_by_label("用途", exact=True).fill("提交复核会")
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="下载片段（WAV）").click()
        assert (await (await downloading.value).path()).stat().st_size == pytest.approx(44 + 16000 * 2, rel=0.2)
    async with web.archive.database.read() as session:
        leaves = await session.scalars(select(LedgerRow.leaf).where(LedgerRow.kind == "read"))
        assert any("提交复核会" in leaf for leaf in leaves)


async def test_listening_goes_on_where_it_stopped(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web, "?t=5")
        await page.get_by_role("button", name="播放", exact=True).click()
        await heard(page, 5.5)
        async with page.expect_response(lambda answer: answer.url.endswith("/place")):
            await page.get_by_role("button", name="暂停").click()
        async with web.archive.database.read() as session:
            assert await place_of(session, "agent", web.seeded.full) == pytest.approx(await now(page) * 1000, abs=50)
        await open_review(page, web)
        await expect(page.locator("#resume")).to_contain_text("从这里继续")
        assert await now(page) >= 5
        await page.get_by_role("button", name="从头听").click()
        await page.wait_for_function("() => document.getElementById('audio').currentTime < 5")


async def test_silence_is_skipped_when_asked(web: Web, visitors: Visitors, tmp_path: Path) -> None:
    """Two seconds of tone, twenty of silence, two of tone; nobody waits for them here either."""
    sound = np.zeros((24 * 8000, 2), np.int16)
    tone = (8000 * np.sin(np.arange(16000) / 4)).astype(np.int16)
    sound[:16000, 0], sound[-16000:, 1] = tone, tone
    soundfile.write(tmp_path / "quiet.flac", sound, 8000, subtype="PCM_16", format="FLAC")
    quiet = new_recording(STARTED + timedelta(hours=1), duration_ms=24_000)
    await seal_recording(web.archive, quiet, tmp_path / "quiet.flac", retain_until=STARTED + timedelta(days=740))
    async with visitors.page() as page:
        await page.goto(f"/recordings/{quiet.id}?t=1")
        await expect(page.locator("#wave.drawn")).to_be_visible()
        await page.get_by_role("button", name="跳过静音").click()
        await page.evaluate(
            """() => { window.places = [];
                       document.getElementById('audio').addEventListener('timeupdate',
                           (event) => window.places.push(event.target.currentTime)); }"""
        )
        await page.get_by_role("button", name="播放", exact=True).click()
        await heard(page, 22)
        places = await page.evaluate("() => window.places")
    assert not [place for place in places if 3.5 < place < 21]


async def test_a_comment_takes_the_moment_at_which_it_is_written(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web, "?t=9")
        await page.get_by_label("备注内容").fill("市民语气平和")
        await expect(page.get_by_label("时间")).to_have_value("0:09")
        await page.get_by_role("button", name="留下备注").click()
        await expect(page.get_by_label("备注内容")).to_have_value("")
        await page.get_by_role("link", name="市民语气平和").click()
        await heard(page, 9.1)
        assert await now(page) < 12


async def test_answers_are_given_while_the_sound_goes_on(web: Web, visitors: Visitors) -> None:
    """Neither what is heard nor what is being written is lost by a press."""
    async with visitors.page() as page:
        await open_review(page, web)
        await page.get_by_role("button", name="播放", exact=True).click()
        await heard(page, 0.3)
        await page.get_by_label("备注内容").fill("写到一半")
        heard_until = await now(page)
        first = page.locator(".finding").first
        await first.get_by_role("button", name="采纳").press("Enter")
        await expect(first.get_by_text("已采纳")).to_be_visible()
        await expect(page.locator(".finding").nth(1).get_by_role("button", name="采纳")).to_be_focused()
        assert await now(page) >= heard_until
        await expect(page.get_by_label("备注内容")).to_have_value("写到一半")
        # As after another version was saved.
        await page.reload()
        await expect(page.get_by_label("备注内容")).to_have_value("写到一半")


async def test_the_check_is_told_in_words(web: Web, visitors: Visitors) -> None:
    async with visitors.page("auditor") as page:
        await page.goto(path(web))
        await page.get_by_role("button", name="立即核对是否被改动").click()
        await expect(page.locator("#checked")).to_contain_text("与封存时完全一致")


async def test_an_auditor_says_why_before_the_first_byte(web: Web, visitors: Visitors) -> None:
    async with visitors.page("auditor") as page:
        await page.goto(path(web))
        await expect(page.locator("#audio")).to_have_count(0)
        await page.locator("#purpose").fill("季度抽查第三组")
        await page.get_by_role("button", name="开始调阅").click()
        await page.get_by_role("button", name="播放", exact=True).click()
        await heard(page, 0.3)
    async with web.archive.database.read() as session:
        leaves = await session.scalars(select(LedgerRow.leaf).where(LedgerRow.kind == "read"))
        told = [json.loads(leaf) for leaf in leaves]
    assert [(leaf["actor"], leaf["facts"]["purpose"]) for leaf in told] == [("auditor", "季度抽查第三组")]


async def test_a_whole_review_by_keyboard_alone(web: Web, visitors: Visitors) -> None:
    """Listen, step through words and doubts, correct, save, comment: no mouse."""
    async with visitors.page() as page:
        await open_review(page, web)
        await expect(page.locator("#wave.drawn")).to_be_visible()
        press = page.keyboard.press
        await press("Space")
        await heard(page, 0.3)
        await press("Space")
        assert await page.evaluate("() => document.getElementById('audio').paused")
        await page.get_by_role("slider", name="播放位置").focus()
        await press("Home")
        await page.locator("#main").focus()
        await press("]")
        await expect(page.locator("#now")).to_have_text("0:00" if DIALOGUE[0][1] > 0 else "0:03")
        await press("]")
        await expect(page.locator("#turn-1")).to_have_attribute("aria-current", "true")
        await press("ArrowRight")
        await expect(page.locator("#turn-3")).to_have_attribute("aria-current", "true")
        await press(">")
        await expect(page.locator("#speed")).to_have_value("1.25")
        await press("l")
        await expect(page.locator("#span")).to_have_text("0:08 – 0:09")
        await expect(page.get_by_role("button", name="循环", exact=True)).to_have_attribute("aria-pressed", "true")
        await press("l")
        await press("e")
        await expect(page.get_by_label("第 4 句的文字")).to_be_focused()
        # Nothing that is written is taken for a shortcut.
        await page.keyboard.insert_text("e n p ?")
        await expect(page.get_by_label("第 4 句的文字")).to_be_focused()
        await page.locator("#main").focus()
        await press("n")
        field = page.get_by_label("第 6 句的文字")
        await expect(field).to_be_focused()
        assert await page.evaluate("() => getSelection().toString()") == DIALOGUE[5][3]
        await page.keyboard.insert_text("建议早点派人来。")
        await press("Control+s")
        await expect(page.get_by_label("更正理由")).to_be_focused()
        await page.keyboard.insert_text(REASON)
        await press("Enter")
        await expect(page.locator("#turn-5 p.bubble")).to_have_text("建议早点派人来。")
        await press("c")
        await expect(page.get_by_label("备注内容")).to_be_focused()
        await page.keyboard.insert_text("已更正")
        await press("Tab")
        await press("Enter")
        await expect(page.get_by_role("link", name="已更正")).to_be_visible()
    assert (await text_versions(web.archive, web.seeded.full))[-1].turns[5].text == "建议早点派人来。"


async def test_single_keys_can_be_switched_off(web: Web, visitors: Visitors) -> None:
    async with visitors.page() as page:
        await open_review(page, web)
        await page.keyboard.press("?")
        box = page.get_by_role("checkbox", name="使用单键快捷键")
        async with page.expect_response(lambda answer: answer.url.endswith("/me/review")):
            await box.press("Space")
        await page.keyboard.press("Escape")
        await open_review(page, web)
        await page.keyboard.press("?")
        await expect(page.locator("#keys")).to_be_hidden()
        await page.keyboard.press("]")
        assert await now(page) == 0
        await page.get_by_role("button", name="键盘快捷键").press("Enter")
        await expect(page.locator("#keys")).to_be_visible()
        await expect(box).not_to_be_checked()


async def test_without_script_it_is_still_a_page(web: Web, visitors: Visitors) -> None:
    base = str(web.server.make_url("/"))
    context = await visitors.launched.new_context(base_url=base, locale="zh-CN", java_script_enabled=False)
    token = (await web.bearer("agent"))["Authorization"].removeprefix("Bearer ")
    await context.add_cookies([{"name": "huiyin_session", "value": token, "url": base}])
    page = await context.new_page()
    await page.goto(path(web))
    assert await page.locator("audio[controls]").count() == 1
    await page.get_by_label("时间").fill("0:03")
    await page.get_by_label("备注内容").fill("没有脚本")
    await page.get_by_role("button", name="留下备注").click()
    await expect(page.locator("#comment-list")).to_contain_text("没有脚本")
    await page.get_by_role("button", name="立即核对是否被改动").click()
    await expect(page.get_by_text("与封存时完全一致")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_state_of_the_page_is_accessible(web: Web, visitors: Visitors, theme: str) -> None:
    # The inline style is axe's own, where it looks into the waveform.
    async with visitors.page(theme=theme, allowed=("409", "Applying inline style")) as page:
        await open_review(page, web)
        await expect(page.locator("#wave.drawn")).to_be_visible()
        await page.locator("#main").focus()
        for key in ("n", "l", "e"):
            await page.keyboard.press(key)
        await page.get_by_label("第 2 句的文字").fill("我的第二句")
        await page.get_by_text("全部替换").click()
        await expect(page.locator("#draft-state")).to_have_text("草稿已保存")
        assert await _violations(page) == []
        await page.locator("#main").focus()
        await page.keyboard.press("?")
        assert await _violations(page) == []
        await page.keyboard.press("Escape")
        other = {"base_version": 1, "reason": "复查", "texts": {"1": "主管的第二句"}}
        await web.post(f"/api/v1/recordings/{web.seeded.full}/versions", other, "supervisor")
        await open_review(page, web)
        await expect(page.get_by_role("region", name="有人先保存了新的一版")).to_be_visible()
        assert await _violations(page) == []


async def _violations(page: Page) -> list[str]:
    await page.evaluate(AXE)
    found: list[str] = await page.evaluate(RUN, STANDARDS)
    return found
