"""What settings and dictionaries change: reports of their day, hot words and risks of the call's day, jobs at once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from archive.catalogue import TurnRow
from core import dictionaries, jobs
from core.database import Database
from core.dictionaries import NewWord, add_word
from core.operating import Change, change_setting
from reporting.daily import issue_daily
from reporting.reports import Report
from service import pipeline
from service.hotwords import hot_words
from tests.integration.kept import NOON, SETTINGS, House, open_house
from transcription.engine import Transcriber
from workorders.orders import RISK, Finding
from workorders.risks import OWN

TODAY = date(2026, 11, 22)
TOMORROW = TODAY + timedelta(days=1)
SOLVED = {"connected": "yes", "contacted": "yes", "solved": "yes", "satisfied": "satisfied", "suggestion": "no"}


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(sqlite_database, tmp_path)
    yield opened
    await opened.archive.store.close()


async def _enter(house: House, dictionary: str, *words: NewWord) -> None:
    async with house.archive.database.write() as session:
        for word in words:
            await add_word(session, dictionary, word, by="cai", now=NOON, today=TODAY)


async def _issue(house: House, day: date) -> Report:
    until = NOON + timedelta(days=740)
    archive = replace(house.archive, clock=lambda: NOON + timedelta(days=3))
    return await issue_daily(archive, SETTINGS, day, by="li", retain_until=until)


async def test_a_report_counts_units_and_bears_the_name_of_its_own_day(house: House) -> None:
    for number, unit in (("G-1", "城管委"), ("G-2", "市容委"), ("G-3", "城管委"), ("G-4", "市容委")):
        await house.order(number, unit=unit, category="路灯", caller="甄市民")
    for number, days in (("G-1", 0), ("G-2", 0), ("G-3", 1), ("G-4", 1)):
        await house.callback(number, SOLVED, started_at=NOON - timedelta(hours=1) + timedelta(days=days))
    await _enter(house, dictionaries.UNITS, NewWord("城市管理委", "", ("城管委", "市容委"), 0, TOMORROW))
    async with house.archive.database.write() as session:
        named = Change("organisation", "示例区热线办", TOMORROW, "cai", "机构改革")
        await change_setting(session, SETTINGS, named, now=NOON)
    later, earlier = await _issue(house, TOMORROW), await _issue(house, TODAY)
    units = [
        [(each["name"], each["counts"]["valid"]["value"]) for each in one.figures["units"]] for one in (earlier, later)
    ]
    assert units == [[("城管委", 1), ("市容委", 1)], [("城市管理委", 2)]]
    assert ("示例区热线办" in later.title, "示例区热线办" in earlier.title) == (True, False)


async def _said(house: House, call: UUID, text: str) -> Finding:
    """The risk that the pipeline's step reads from one sentence of the citizen."""
    async with house.archive.database.write() as session:
        turn = (await session.scalars(select(TurnRow).where(TurnRow.recording_id == call).limit(1))).one()
        turn.party, turn.text = "citizen", text
    context = pipeline.Context(house.archive, SETTINGS, _no_engine)
    job = jobs.Job(UUID(int=1), "findings", "k", {"recording_id": str(call)}, 1, 1)
    await pipeline.findings(context, job)
    async with house.archive.database.read() as session:
        return (
            await session.scalars(select(Finding).where(Finding.recording_id == call, Finding.question == RISK))
        ).one()


def _no_engine() -> Transcriber:
    raise AssertionError("nothing is transcribed here")


async def test_a_teams_words_ask_for_attention_on_the_days_they_are_valid(house: House) -> None:
    await _enter(house, dictionaries.RISKS, NewWord("找区长", valid_from=TOMORROW))
    before = await house.seal(started_at=NOON)
    after = await house.seal(started_at=NOON + timedelta(days=1))
    assert (await _said(house, before.id, "我明天就去找区长。")).answer == "no"
    found = await _said(house, after.id, "我明天就去找区长。")
    assert (found.answer, found.rule, found.sentence) == ("yes", OWN, "我明天就去找区长。")


async def test_the_engine_is_told_the_hot_words_of_the_calls_day(house: House) -> None:
    await _enter(house, dictionaries.HOTWORDS, NewWord("门楼胡同", valid_from=TODAY, valid_until=TODAY))
    await _enter(house, dictionaries.HOTWORDS, NewWord("煤改电", valid_from=TODAY))
    calls = [await house.seal(started_at=NOON + timedelta(days=days)) for days in (0, 1)]
    async with house.archive.database.read() as session:
        told = [await hot_words(session, call, SETTINGS.timezone) for call in calls]
    assert [set(words) for words in told] == [{"门楼胡同", "煤改电"}, {"煤改电"}]
