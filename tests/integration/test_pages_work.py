"""我的工作 and the page of a work order: what waits, for whom, in which order; what happened, masked."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from yarl import URL

from api.access.accounts import create_user
from archive.catalogue import Recording
from archive.house import Archive
from archive.seal import seal_recording
from archive.teams import add_team, assign
from core.settings import Settings
from tests.web import CITIZEN, ORDER, PASSWORD, Web, new_recording, order, serving, tones
from workorders.judging import judge_orders, numbered
from workorders.linking import link_by_person, link_recording
from workorders.orders import ACCEPTED, SUGGESTED, Finding, WorkOrder


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    """Without the seed's orders, whose days pass as the years do; its recordings stay."""
    async with serving(archive, tmp_path) as served:
        async with archive.database.write() as session:
            await session.execute(update(WorkOrder).values(closed_at=None))
        yield served


def _days_ago(web: Web, days: float) -> datetime:
    return web.archive.clock() - timedelta(days=days)


async def _close(web: Web, number: str, days: float, **columns: object) -> None:
    async with web.archive.database.write() as session:
        session.add(order(number, closed_at=_days_ago(web, days), **columns))


async def _called(web: Web, directory: Path, number: str, days: float, **answers: str) -> UUID:
    """A call about an order some days ago, with findings that nobody decided."""
    began = _days_ago(web, days)
    made = new_recording(began, citizen_number="13800000999", work_order=number)
    await seal_recording(web.archive, made, tones(directory / "call.flac", 2), retain_until=began + timedelta(days=740))
    await link_recording(web.archive, made.id, window_days=30)
    async with web.archive.database.write() as session:
        session.add_all(
            Finding(
                id=UUID(int=made.id.int ^ place),
                recording_id=made.id,
                question=question,
                answer=said,
                ordinal=0,
                start_ms=1500,
                sentence="请打 13800000998",
                text_version=1,
                standing=SUGGESTED,
                by="rules",
                at=began,
            )
            for place, (question, said) in enumerate(answers.items())
        )
        await judge_orders(session, numbered([number]))
    return made.id


async def _work(web: Web, show: str = "all", role: str = "agent") -> dict[str, Any]:
    answer = await web.get(f"/api/v1/work?show={show}", role)
    assert answer.status == 200, await answer.text()
    return dict(await answer.json())


async def _orders(web: Web, show: str = "all") -> list[str]:
    items = (await _work(web, show))["items"]
    assert isinstance(items, list)
    return [item["order"] for item in items if item["order"]]


async def test_orders_come_by_their_last_day(web: Web, tmp_path: Path) -> None:
    await _close(web, "YOUNG", 1)
    await _close(web, "OLD", 10)
    await _close(web, "UNSOLVED", 8)
    await _close(web, "SOLVED", 8)
    await _close(web, "GONE", 200)
    async with web.archive.database.write() as session:
        session.add(order("OPEN", closed_at=None))
    await _called(web, tmp_path, "UNSOLVED", 4, connected="yes", solved="no")
    await _called(web, tmp_path, "SOLVED", 4, connected="yes", solved="yes")
    assert await _orders(web) == ["OLD", "UNSOLVED", "YOUNG"]
    assert await _orders(web, "late") == ["OLD", "UNSOLVED"]
    assert await _orders(web, "returned") == ["UNSOLVED"]
    assert await _orders(web, "due") == ["OLD", "YOUNG"]
    counts = (await _work(web, "due"))["counts"]
    assert isinstance(counts, dict)
    assert (counts["due"], counts["returned"]) == (2, 1)


async def test_a_second_call_ends_it_and_a_third_begins_it_again(web: Web, tmp_path: Path) -> None:
    await _close(web, "GD", 8)
    await _called(web, tmp_path, "GD", 6, connected="yes", solved="no")
    await _called(web, tmp_path, "GD", 5, connected="yes", solved="yes")
    assert await _orders(web) == []
    await _called(web, tmp_path, "GD", 4, connected="yes", solved="partly")
    assert await _orders(web, "returned") == ["GD"]


async def test_closed_again_it_is_called_again(web: Web, tmp_path: Path) -> None:
    await _close(web, "GD", 8)
    await _called(web, tmp_path, "GD", 6, connected="yes", solved="yes")
    assert await _orders(web) == []
    async with web.archive.database.write() as session:
        await session.execute(update(WorkOrder).where(WorkOrder.number == "GD").values(closed_at=_days_ago(web, 1)))
    assert await _orders(web, "due") == ["GD"]


async def test_findings_wait_until_somebody_decides(web: Web, tmp_path: Path) -> None:
    await _close(web, "GD", 2)
    called = await _called(web, tmp_path, "GD", 1, connected="yes", solved="yes")
    [item] = [item for item in await _items(web, "findings") if item["recording"] == str(called)]
    assert (item["count"], item["late"], item["citizen"]["number"]) == (2, False, "138****0999")
    async with web.archive.database.write() as session:
        found = list(await session.scalars(select(Finding.id).where(Finding.recording_id == called)))
    assert len(found) == 2
    for identifier, answer in zip(found, ("yes", "no"), strict=True):
        assert (await web.post(f"/api/v1/findings/{identifier}", {"answer": answer})).status == 200
    assert str(called) not in {item["recording"] for item in await _items(web, "findings")}


async def _items(web: Web, show: str, role: str = "agent") -> list[dict[str, Any]]:
    items = (await _work(web, show, role))["items"]
    assert isinstance(items, list)
    return items


async def test_doubtful_text_waits_until_a_person_touched_it(web: Web, tmp_path: Path) -> None:
    await _close(web, "GD", 2)
    called = await _called(web, tmp_path, "GD", 1, connected="yes", solved="yes")
    for confidence, waits in ((0.9, False), (0.5, True)):
        await _text(web, called, confidence, 1)
        assert (str(called) in {item["recording"] for item in await _items(web, "text")}) == waits
    await _text(web, called, 0.5, 2)  # corrected
    assert str(called) not in {item["recording"] for item in await _items(web, "text")}
    await _text(web, called, 0.5, 1)
    async with web.archive.database.write() as session:
        await session.execute(update(Finding).where(Finding.recording_id == called).values(standing=ACCEPTED))
    assert str(called) not in {item["recording"] for item in await _items(web, "text")}


async def _text(web: Web, called: UUID, confidence: float, version: int) -> None:
    changed = {"text_state": "done", "text_confidence": confidence, "text_version": version}
    async with web.archive.database.write() as session:
        await session.execute(update(Recording).where(Recording.id == called).values(**changed))


async def test_link_questions_wait_until_they_are_answered(web: Web) -> None:
    [item] = await _items(web, "link")
    assert (item["recording"], item["reason"]) == (str(web.seeded.pending), "several")
    await link_by_person(web.archive, web.seeded.pending, ORDER, by="agent")
    assert await _items(web, "link") == []


async def test_another_teams_work_is_not_shown(web: Web, tmp_path: Path) -> None:
    now = web.archive.clock()
    async with web.archive.database.write() as session:
        for name in ("一组", "二组"):
            await add_team(session, name, by="security", now=now)
        await assign(session, "8001", team="一组", holder="", since=_days_ago(web, 400), by="security", now=now)
    for name, team in (("first", "一组"), ("second", "二组")):
        await create_user(web.archive.database, name, PASSWORD, "agent", team=team, now=now)
    await _close(web, "NOBODYS", 1)
    await _close(web, "FIRSTS", 2)
    called = await _called(web, tmp_path, "FIRSTS", 1, connected="yes", solved="no")
    seen = {}
    for name in ("first", "second"):
        login = await web.client().post("/api/v1/login", json={"name": name, "password": PASSWORD})
        headers = {"Authorization": f"Bearer {(await login.json())['token']}"}
        said = await (await web.client().get("/api/v1/work", headers=headers)).json()
        seen[name] = {item["order"] for item in said["items"] if item["order"]}
        recordings = {item["recording"] for item in said["items"]}
        assert (str(called) in recordings) == (name == "first")
        told = await (await web.client().get("/api/v1/work-orders/FIRSTS/timeline", headers=headers)).json()
        assert (told["stage"], str(called) in str(told)) == (("returned", True) if name == "first" else ("", False))
    assert seen == {"first": {"NOBODYS", "FIRSTS"}, "second": {"NOBODYS"}}


async def test_the_page_leads_to_the_places_to_act(web: Web, tmp_path: Path) -> None:
    await _close(web, "GD/1", 10, title=f"电话 {CITIZEN}")
    called = await _called(web, tmp_path, "GD/1", 9, connected="yes", solved="no")
    browser = await web.browser("agent")
    html = await (await browser.get("/work")).text()
    led = [re.sub(r"\?[^#]*", "", each) for each in re.findall(r'data-work href="([^"]+)"', html)]
    # Its day came before its recording's; what the house was seeded with grows older every day.
    assert next(each for each in led if "GD%2F1" in each or str(called) in each) == "/orders/GD%2F1"
    assert f"/recordings/{called}#findings" in led
    assert f"/links#question-{web.seeded.pending}" in led
    assert f'id="question-{web.seeded.pending}"' in await (await browser.get("/links")).text()
    assert "逾期 6 天" in html
    assert 'data-single-keys="true"' in html
    assert CITIZEN not in html
    for path in re.findall(r'data-work href="([^"#]+)', html):
        assert (await browser.get(path)).status == 200


async def test_single_keys_are_off_for_whoever_switched_them_off(web: Web) -> None:
    headers = await web.bearer("agent")
    answer = await web.client().put("/api/v1/me/review", json={"single_keys": False}, headers=headers)
    assert answer.status == 200
    html = await (await (await web.browser("agent")).get("/work")).text()
    assert 'data-single-keys="false"' in html


async def test_work_is_where_the_day_of_callers_begins(web: Web) -> None:
    for role, place in (("agent", "/work"), ("supervisor", "/work"), ("auditor", "/recordings")):
        assert (await web.get("/", role)).headers["Location"] == place
    assert (await web.get("/work?show=nonsense")).status == 400


async def test_what_to_do_when_there_is_nothing(web: Web) -> None:
    async with web.archive.database.write() as session:
        await session.execute(update(Finding).values(standing=ACCEPTED))
    await link_by_person(web.archive, web.seeded.pending, ORDER, by="agent")
    browser = await web.browser("agent")
    await _close(web, "GD", 0.1)
    assert "这一类没有要做的事" in await (await browser.get("/work?show=late")).text()
    async with web.archive.database.write() as session:
        await session.execute(update(WorkOrder).values(closed_at=None))
    assert "都做完了" in await (await browser.get("/work")).text()


async def test_an_orders_story_in_the_order_of_time(web: Web, tmp_path: Path) -> None:
    await _close(
        web, "GD", 8, created_at=_days_ago(web, 12), imported_at=_days_ago(web, 7), updated_at=_days_ago(web, 6)
    )
    called = await _called(web, tmp_path, "GD", 5, connected="yes", solved="no")
    told = await (await web.get("/api/v1/work-orders/GD/timeline")).json()
    kinds = [step["kind"] for step in told["steps"]]
    assert kinds == ["created", "closed", "imported", "updated", "call", "linked"]
    assert (told["stage"], told["reason"]) == ("returned", "unsolved")
    call = told["steps"][4]["call"]
    assert (call["recording"], call["materials"]["audio"]) == (str(called), 1)
    assert [finding["sentence"] for finding in call["findings"]] == ["请打 138****0998"] * 2
    assert (await web.get("/api/v1/work-orders/none/timeline")).status == 404


async def test_a_question_and_its_answer_are_part_of_the_story(web: Web) -> None:
    await link_by_person(web.archive, web.seeded.pending, ORDER, by="agent")
    told = await (await web.get(f"/api/v1/work-orders/{ORDER}/timeline")).json()
    about = [(step["kind"], step["said"] or step["by"]) for step in told["steps"]
             if step["recording"] == str(web.seeded.pending)]  # fmt: skip
    assert about == [("call", ""), ("asked", "several"), ("answered", "agent"), ("linked", "person")]


async def test_the_page_of_an_order_opens_recordings_at_the_second(web: Web) -> None:
    html = await (await (await web.browser("agent")).get(f"/orders/{ORDER}")).text()
    assert f'href="/recordings/{web.seeded.full}?t=3.5#turn-1"' in html
    assert html.index("市民来电，工单创建") < html.index("回访通话") < html.index("录音关联到工单")
    assert CITIZEN not in html
    assert f"/orders/{ORDER}/reveal" in html
    assert (await web.get(f"/recordings/{web.seeded.full}?t=3.5")).status == 200


async def test_days_to_act_are_a_setting(archive: Archive, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, callback_days=20)
    async with serving(archive, tmp_path, settings) as served:
        await _close(served, "GD", 10)
        [item] = [each for each in await _items(served, "due") if each["order"] == "GD"]
        assert item["late"] is False


_ONWARD = re.compile(r'id="onward" href="([^"]+)"')


async def test_each_thing_leads_to_the_next_and_the_last_back(web: Web, tmp_path: Path) -> None:
    for number, days in (("GD/1", 10), ("GD 2", 9)):
        await _close(web, number, days)
    await _called(web, tmp_path, "GD 2", 8, connected="yes", solved="no")
    browser = await web.browser("agent")
    for show in ("all", "returned"):
        html = await (await browser.get(f"/work?show={show}")).text()
        led = [unescape(each) for each in re.findall(r'data-work href="([^"]+)"', html)]
        followed = [led[0]]
        while len(followed) < len(led):
            [following] = _ONWARD.findall(await (await browser.get(URL(followed[-1], encoded=True))).text())
            followed.append(unescape(following))
        assert followed == led
        [last] = _ONWARD.findall(await (await browser.get(URL(led[-1], encoded=True))).text())
        assert last == ("/work" if show == "all" else "/work?show=returned")


async def test_a_thing_that_was_done_still_leads_to_the_next(web: Web, tmp_path: Path) -> None:
    for number, days in (("OLD", 10), ("YOUNG", 9)):
        await _close(web, number, days)
    browser = await web.browser("agent")
    html = await (await browser.get("/work?show=due")).text()
    old, young = (unescape(each) for each in re.findall(r'data-work href="([^"]+)"', html))
    await _called(web, tmp_path, "OLD", 5, connected="yes", solved="yes")
    assert await _orders(web, "due") == ["YOUNG"]
    assert [unescape(each) for each in _ONWARD.findall(await (await browser.get(URL(old, encoded=True))).text())] == [
        young
    ]


async def test_only_who_came_from_the_list_is_led_on(web: Web) -> None:
    browser = await web.browser("agent")
    here = f"/recordings/{web.seeded.full}"
    assert not _ONWARD.findall(await (await browser.get(here)).text())
    for place in ("nonsense", "2026-01-01 nothing x", "2026-99-01 due x"):
        asked = await browser.get(here, params={"from": "work", "show": "nowhere", "place": place})
        assert len(_ONWARD.findall(await asked.text())) == 1
    auditor = await web.browser("auditor")
    assert not _ONWARD.findall(await (await auditor.get(f"{here}?from=work")).text())


async def test_a_form_keeps_where_somebody_came_from(web: Web) -> None:
    browser = await web.browser("agent")
    here = f"/recordings/{web.seeded.pending}"
    html = await (await browser.get(f"{here}?from=work&show=link&place=x")).text()
    [action] = re.findall(rf'action="({here}/link[^"]*)"', html)
    form = {"csrf": web.form_tokens["agent"], "work_order": ORDER}
    linked = await browser.post(URL(unescape(action), encoded=True), data=form, allow_redirects=False)
    assert linked.headers["Location"] == f"{here}?from=work&show=link&place=x"
