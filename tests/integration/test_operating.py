"""Settings with days and dictionaries, on both databases: what holds when, what is refused, what a lost house keeps."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, select, text

from archive.events import events_of_kinds
from core import dictionaries
from core.database import Database
from core.dictionaries import DictionaryEntry, NewWord, add_word, end_word, follow_word, restore_word, same_as, words
from core.effective import EffectiveValue
from core.errors import Conflict, NotFound, Refused
from core.in_force import InForce
from core.ledger import check
from core.operating import CHANGED, Change, change_setting, load_operating, settings_at
from core.settings import Settings
from retention.rebuild import restore_setting
from tests.integration.kept import NOON

INSTALLED = Settings()
TODAY = date(2026, 11, 22)
TOMORROW = TODAY + timedelta(days=1)
UNITS = dictionaries.UNITS


def change(value: str | None, day: date = TODAY, name: str = "callback_days", reason: str = "合同约定") -> Change:
    return Change(name, value, day, "cai", reason)


async def test_a_setting_holds_from_its_day_until_the_next(database: Database) -> None:
    async with database.write() as session:
        for value, day in (("5", TODAY), ("7", TODAY + timedelta(days=9)), (None, TODAY + timedelta(days=20))):
            await change_setting(session, INSTALLED, change(value, day), now=NOON)
    async with database.read() as session:
        found = await load_operating(session, INSTALLED)
        assert (await settings_at(session, INSTALLED, NOON)).callback_days == 5
    days = [found.on(TODAY + timedelta(days=each)).callback_days for each in (-1, 0, 8, 9, 19, 20)]
    assert days == [INSTALLED.callback_days, 5, 5, 7, 7, INSTALLED.callback_days]
    assert found.on(TODAY - timedelta(days=1)) is INSTALLED


async def test_a_value_of_today_is_corrected_today_and_the_ledger_keeps_both(database: Database) -> None:
    async with database.write() as session:
        await change_setting(session, INSTALLED, change("50"), now=NOON)
        await change_setting(session, INSTALLED, change("5", reason="误输入"), now=NOON + timedelta(minutes=1))
    async with database.read() as session:
        told = [event async for event in events_of_kinds(session, [CHANGED])]
        assert (await load_operating(session, INSTALLED)).on(TODAY).callback_days == 5
        await check(session)
    assert [(event.facts["value"], event.facts["reason"]) for event in told] == [("50", "合同约定"), ("5", "误输入")]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (change("three"), "whole number"),
        (change("61"), "0 to 60"),
        (change("5", TODAY - timedelta(days=1)), "追溯"),
        (change("5", reason=" "), "理由"),
        (change("x", name="database_url"), "安装"),
        (change("x", name="no_such"), "安装"),
        (change("agent nobody", name="second_factor_roles"), "expected some of"),
    ],
)
async def test_what_cannot_be_set_is_refused(sqlite_database: Database, wrong: Change, why: str) -> None:
    async with sqlite_database.write() as session:
        with pytest.raises(Refused, match=why):
            await change_setting(session, INSTALLED, wrong, now=NOON)
        assert (await session.scalars(select(EffectiveValue))).all() == []


async def test_a_value_that_this_version_cannot_read_does_not_count(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        for name, value in (("setting.callback_days", "many"), ("setting.of_later", "1")):
            session.add(EffectiveValue(name=name, effective_from=TODAY, value=value, set_by="cai", set_at=NOON))
    async with sqlite_database.read() as session:
        assert (await load_operating(session, INSTALLED)).on(TODAY) == INSTALLED


async def test_entries_are_ended_and_followed_and_the_past_reads_as_it_did(database: Database) -> None:
    async with database.write() as session:
        old = await add_word(
            session, UNITS, NewWord("城管委", "", ("市容委",), 0, TODAY), by="cai", now=NOON, today=TODAY
        )
        new = NewWord("城市管理委员会", "Urban management", ("城管委", "市容委"), 0, TOMORROW)
        await follow_word(session, UNITS, old.id, new, by="cai", now=NOON, today=TODAY)
    async with database.read() as session:
        assert await dictionaries.names_on(session, UNITS, TODAY) == {"市容委": "城管委"}
        later = {"城管委": "城市管理委员会", "市容委": "城市管理委员会"}
        assert await dictionaries.names_on(session, UNITS, TOMORROW) == later
        assert set(await same_as(session, UNITS, "市容委")) == {"城管委", "市容委", "城市管理委员会"}
        assert [word.valid_until for word in await words(session, UNITS)] == [None, TODAY]


async def test_a_name_stands_for_one_entry_on_any_day(database: Database) -> None:
    async with database.write() as session:
        first = await add_word(session, UNITS, NewWord("甲", "", ("乙",), 0, TODAY), by="cai", now=NOON, today=TODAY)
        for taken in (NewWord("甲", valid_from=TODAY), NewWord("丙", "", ("乙",), 0, TOMORROW)):
            with pytest.raises(Conflict, match="另一条目"):
                await add_word(session, UNITS, taken, by="cai", now=NOON, today=TODAY)
        await end_word(session, UNITS, first.id, TODAY, by="cai", now=NOON, today=TODAY)
        await add_word(session, UNITS, NewWord("乙", valid_from=TOMORROW), by="cai", now=NOON, today=TODAY)
        with pytest.raises(Conflict, match="已经终止"):
            await end_word(session, UNITS, first.id, TOMORROW, by="cai", now=NOON, today=TOMORROW)


@pytest.mark.parametrize(
    ("new", "dictionary"),
    [
        (NewWord(" ", valid_from=TODAY), UNITS),
        (NewWord("甲" * 161, valid_from=TODAY), UNITS),
        (NewWord("甲", "", ("乙",), 0, TODAY), dictionaries.PURPOSES),
        (NewWord("甲", valid_from=TODAY - timedelta(days=1)), UNITS),
        (NewWord("甲", valid_from=TODAY, valid_until=TODAY - timedelta(days=1)), UNITS),
    ],
)
async def test_an_entry_that_cannot_be_is_refused(sqlite_database: Database, new: NewWord, dictionary: str) -> None:
    async with sqlite_database.write() as session:
        with pytest.raises(Refused):
            await add_word(session, dictionary, new, by="cai", now=NOON, today=TODAY)


async def test_what_the_product_brings_along_can_be_ended(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        before = await words(session, dictionaries.PAUSES)
        first = before[0].id
        yesterday = TODAY - timedelta(days=1)
        await end_word(session, dictionaries.PAUSES, first, yesterday, by="cai", now=NOON, today=TODAY)
    async with sqlite_database.read() as session:
        after = await words(session, dictionaries.PAUSES)
        assert [word.value for word in after] == [word.value for word in before]
        assert [word.valid_on(TODAY) for word in after] == [False, True, True]
        assert after[0].valid_on(yesterday)
        with pytest.raises(NotFound):
            await words(session, "nothing")
    async with sqlite_database.write() as session:
        with pytest.raises(NotFound):
            await end_word(session, UNITS, UUID(int=1), TODAY, by="cai", now=NOON, today=TODAY)


async def test_the_ledger_tells_a_lost_database_again(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        await change_setting(session, INSTALLED, change("50"), now=NOON)
        await change_setting(session, INSTALLED, change("5"), now=NOON)
        made = await add_word(session, UNITS, NewWord("甲", "A", ("乙",), 3, TODAY), by="cai", now=NOON, today=TODAY)
        await end_word(session, UNITS, made.id, TOMORROW, by="li", now=NOON, today=TODAY)
        expected = await words(session, UNITS), await load_operating(session, INSTALLED)
        await session.execute(delete(DictionaryEntry))
        await session.execute(delete(EffectiveValue))
    async with sqlite_database.write() as session:
        for event in [each async for each in events_of_kinds(session, [CHANGED, dictionaries.CHANGED])]:
            if event.kind == CHANGED:
                await restore_setting(session, event)
            else:
                await restore_word(session, event.facts, by=event.actor, at=event.at)
    async with sqlite_database.read() as session:
        assert (await words(session, UNITS), await load_operating(session, INSTALLED)) == expected


async def test_another_process_sees_a_change_when_it_looks_again(database: Database) -> None:
    other = InForce(database, INSTALLED)
    await other.look()
    assert other.settings_on(TODAY) is INSTALLED
    async with database.write() as session:
        await change_setting(session, INSTALLED, change("5"), now=NOON)
    await other.look()
    assert other.settings_on(TODAY).callback_days == INSTALLED.callback_days, "it looks every few seconds only"
    other.forget()
    await other.look()
    assert other.settings_on(TODAY).callback_days == 5


async def test_what_was_read_last_holds_while_the_database_is_away(sqlite_database: Database) -> None:
    here = InForce(sqlite_database, INSTALLED)
    async with sqlite_database.write() as session:
        await change_setting(session, INSTALLED, change("5"), now=NOON)
    await here.look()
    async with sqlite_database.write() as session:
        await session.execute(delete(EffectiveValue))
        await session.execute(text(f"DROP TABLE {EffectiveValue.__tablename__}"))
    here.forget()
    await here.look()
    assert here.settings_on(TODAY).callback_days == 5
