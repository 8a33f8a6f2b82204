"""Search finds what was said, and only that, on both databases."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, inspect, select, text, update

from archive.catalogue import Recording, TurnRow
from archive.folding import fold
from archive.search import MOST, Found, search
from archive.search_index import TABLE, create_index, drop_index, index_turns, indexed, remove_turns
from archive.search_postgres import GATHERED
from archive.search_wanted import Wanted
from core.database import Database
from core.ids import new_id
from core.logging import mask_numbers
from tests.samples import DIALOGUE, RETAIN_UNTIL, STARTED_AT, new_recording

_SECONDS = count(-10_000)


async def index(database: Database, texts: Sequence[str], started_at: datetime | None = None) -> UUID:
    """A recording in the catalogue with these turns; without objects, which search does not need.  The next call begins
    a second after the last one, unless told when."""
    began = started_at or STARTED_AT + timedelta(seconds=next(_SECONDS))
    return await index_as(database, new_id(began), texts, began)


async def index_as(
    database: Database, identifier: UUID, texts: Sequence[str] = ("满意",), began: datetime = STARTED_AT
) -> UUID:
    new = new_recording(id=identifier, started_at=began)
    async with database.write() as session:
        session.add(
            Recording(
                id=new.id,
                sip_call_id=new.sip_call_id,
                started_at=new.started_at,
                ended_at=new.ended_at,
                duration_ms=new.duration_ms,
                flags=[],
                facts={},
                sealed_at=new.ended_at,
                retain_until=RETAIN_UNTIL,
            )
        )
        await session.flush()
        turns = [
            TurnRow(
                recording_id=new.id,
                version=1,
                ordinal=n,
                party="agent",
                start_ms=n * 1000,
                end_ms=n * 1000 + 900,
                text=text,
                confidence=0.9,
                words=[],
            )
            for n, text in enumerate(texts)
        ]
        session.add_all(turns)
        await session.flush()
        await index_turns(session, turns)
    return new.id


async def found_by(database: Database, words: str, *, limit: int = 50, **more: Any) -> Found:
    async with database.read() as session:
        return await search(session, Wanted(words, **more), limit=limit, sentences=1000)


async def find(database: Database, words: str, **more: Any) -> list[tuple[UUID, int]]:
    return [(hit.recording_id, hit.ordinal) for hit in (await found_by(database, words, **more)).hits]


async def calls(database: Database, words: str, **more: Any) -> list[UUID]:
    return [call.recording_id for call in (await found_by(database, words, **more)).calls]


WORDS: dict[str, list[int]] = {
    "灯": [0],
    "您": [0, 2],
    "解决": [0, 1],
    "解决 满意": [0, 1],
    "满意 解决": [0, 1],
    "路灯 再见": [0, 2],
    "路灯问题解决了吗？": [0],
    "了，昨天": [1],
    "了昨天": [1],
    "12345": [0],
    "234": [0],
    "１２３４５热线": [0],
    "您好，我是12345热线回访员，请问您反映的路灯问题解决了吗？": [0],
    "决解": [],
    "路灯 水管": [],
    "吗解决": [],
    "不满意": [],
}


async def test_words_of_any_length_are_found(database: Database) -> None:
    recording_id = await index(database, [text for _, text in DIALOGUE])
    found = {query: await find(database, query) for query in WORDS}
    assert found == {query: [(recording_id, ordinal) for ordinal in ordinals] for query, ordinals in WORDS.items()}


async def test_a_hit_tells_the_second_and_the_place(database: Database) -> None:
    recording_id = await index(database, ["您好", "昨天就修好了，我很满意，真的满意。"])
    (call,) = (await found_by(database, "满意")).calls
    (hit,) = call.hits
    assert (call.recording_id, call.sentences) == (recording_id, 1)
    assert (hit.recording_id, hit.ordinal, hit.start_ms, hit.end_ms, hit.party) == (
        recording_id,
        1,
        1000,
        1900,
        "agent",
    )
    assert [hit.text[start:end] for start, end in hit.marks] == ["满意", "满意"]


async def test_only_the_first_sentences_are_read_and_all_are_counted(database: Database) -> None:
    await index(database, ["满意"] * 7 + ["再见"])
    async with database.read() as session:
        (call,) = (await search(session, Wanted("满意"), sentences=2)).calls
    assert (call.sentences, [hit.ordinal for hit in call.hits]) == (7, [0, 1])


async def test_letters_are_found_whatever_their_case(database: Database) -> None:
    recording_id = await index(database, ["请发 E-mail 到 Support"])
    for query in ("email", "MAIL", "supp", "e-mail support"):
        assert await find(database, query) == [(recording_id, 0)]


async def days(database: Database, texts: Sequence[str]) -> list[UUID]:
    """A recording a day, the newest last."""
    return [await index(database, [said], STARTED_AT + timedelta(days=day)) for day, said in enumerate(texts)]


async def test_pages_follow_each_other_newest_first(database: Database) -> None:
    made = await days(database, ["满意", "不好", "满意", "满意", "满意", "满意"])
    expected = [made[5], made[4], made[3], made[2], made[0]]
    page = await found_by(database, "满意", limit=2)
    pages = [page]
    while page.next is not None:
        page = await found_by(database, "满意", limit=2, before=page.next)
        pages.append(page)
    assert [[call.recording_id for call in each.calls] for each in pages] == [expected[:2], expected[2:4], expected[4:]]
    assert [(each.count, each.more, each.searched_to) for each in pages] == [(n, False, None) for n in (5, 3, 1)]
    assert await find(database, "满意", limit=0) == []


async def test_the_order_is_that_of_the_calls_not_of_indexing(database: Database) -> None:
    """A gateway's file may come a year late."""
    new = await index(database, ["满意"], STARTED_AT)
    late = await index(database, ["满意"], STARTED_AT - timedelta(days=365))
    newest = await index(database, ["满意"], STARTED_AT + timedelta(days=365))
    assert await calls(database, "满意") == [newest, new, late]


async def test_a_range_of_time_bounds_what_is_found(database: Database) -> None:
    made = await days(database, ["满意"] * 5)
    since, until = STARTED_AT + timedelta(days=1), STARTED_AT + timedelta(days=3)
    assert await calls(database, "满意", since=since, until=until) == [made[2], made[1]]
    assert await calls(database, "满意", since=until) == [made[4], made[3]]
    assert await calls(database, "满意", until=since) == [made[0]]
    assert await calls(database, "满意", since=until, until=since) == []


@pytest.mark.parametrize("narrow", [False, True])
async def test_conditions_on_recordings_hold(database: Database, narrow: bool) -> None:
    made = await days(database, ["满意", "满意", "不好", "满意"])
    async with database.write() as session:
        await session.execute(update(Recording).where(Recording.id.in_(made[1:3])).values(held=True))
    asked = {"conditions": (Recording.held.is_(True),), "narrow": narrow}
    assert await calls(database, "满意", **asked) == [made[1]]
    assert await calls(database, "好", **asked) == [made[2]]
    assert await calls(database, "满意", **asked, until=STARTED_AT) == []


async def test_what_only_looks_like_a_hit_is_passed_over(database: Database) -> None:
    """These turns hold every pair of the query's characters but not the query, or its beginning and its end apart."""
    made = await days(database, ["意满意", "满意满意", "意满意"])
    assert await calls(database, "满意满意") == [made[1]]
    recording_id = await index(database, ["很满", "意满"])
    assert await find(database, "满意") == [(made[2], 0), (made[1], 0), (made[0], 0)]
    assert await find(database, "满") == [*await find(database, "满意"), (recording_id, 0), (recording_id, 1)]


async def index_many(database: Database, moments: Sequence[datetime], said: str = "满意") -> list[UUID]:
    """A call of one sentence at each of these moments, all in one transaction."""
    like, made = new_recording(), [new_id(moment) for moment in moments]
    async with database.write() as session:
        session.add_all(
            Recording(
                id=identifier,
                sip_call_id=str(identifier),
                started_at=moment,
                ended_at=like.ended_at,
                duration_ms=1,
                flags=[],
                facts={},
                sealed_at=like.ended_at,
                retain_until=RETAIN_UNTIL,
            )
            for identifier, moment in zip(made, moments, strict=True)
        )
        await session.flush()
        rest = {"version": 1, "ordinal": 0, "party": "agent", "start_ms": 0, "end_ms": 1, "confidence": 1, "words": []}
        turns = [TurnRow(recording_id=identifier, text=said, **rest) for identifier in made]
        session.add_all(turns)
        await session.flush()
        await index_turns(session, turns)
    return made


async def test_counts_say_when_there_are_more(database: Database) -> None:
    many = await index_many(database, [STARTED_AT + timedelta(minutes=n) for n in range(MOST + 5)])
    page = await found_by(database, "满意", limit=3)
    assert [call.recording_id for call in page.calls] == many[:-4:-1]
    assert (page.count, page.more) == (MOST, True)
    rest = await found_by(database, "满意", until=STARTED_AT + timedelta(minutes=7))
    assert (rest.count, rest.more) == (7, False)


async def test_what_was_said_often_in_another_season_is_found_newest_first(postgres_database: Database) -> None:
    """Too many hits to gather, and none where the search begins: it walks on, shelf by shelf, until it has enough."""
    season = [STARTED_AT - timedelta(days=day, hours=hour) for day in range(100, 350) for hour in range(18)]
    assert len(season) > GATHERED
    made = await index_many(postgres_database, season)
    quiet = await index_many(postgres_database, [STARTED_AT, STARTED_AT - timedelta(days=900)], "不好")
    newest = sorted(zip(season, made, strict=True), reverse=True)
    page = await found_by(postgres_database, "满意", limit=30)
    assert [call.recording_id for call in page.calls] == [identifier for _, identifier in newest[:30]]
    assert (page.count, page.more) == (MOST, True)
    following = await found_by(postgres_database, "满意", limit=30, before=page.next)
    assert [call.recording_id for call in following.calls] == [identifier for _, identifier in newest[30:60]]
    assert await calls(postgres_database, "不好") == quiet


async def test_no_search_walks_through_every_turn(sqlite_database: Database) -> None:
    """Whatever SQLite is asked for a page, it looks up the sentences that are shown."""
    await index(sqlite_database, ["很满意", "解决了", "满意"])
    asked: list[tuple[str, Any]] = []
    engine = sqlite_database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    assert await find(sqlite_database, "满意")
    plans = []
    async with sqlite_database.read() as session:
        connection = await session.connection()
        for statement, values in [each for each in asked if "FROM turns" in each[0]]:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plans += [str(row[-1]) for row in plan]
    assert [plan for plan in plans if "turns" in plan]
    assert not [plan for plan in plans if "SCAN turns" in plan]


async def test_patience_ends_with_a_word_about_how_far_it_came(postgres_database: Database) -> None:
    """The next page goes on where this one stopped, until everything was looked at."""
    asked: dict[str, Any] = {"conditions": (Recording.held.is_(False),), "patience": 0.0}
    made = await days(postgres_database, ["满意", *["不好"] * 8, "满意"])
    found: list[UUID] = []
    before: int | None = None
    told: list[datetime | None] = []
    while before is not None or not told:
        page = await found_by(postgres_database, "满意", **asked, before=before)
        found += [call.recording_id for call in page.calls]
        before = page.next
        told.append(page.searched_to)
        assert page.more == (page.searched_to is not None) == (before is not None)
    assert found == [made[-1], made[0]]
    assert len(told) > 2


async def test_two_calls_of_one_millisecond_are_both_found(database: Database) -> None:
    first = new_id(STARTED_AT)
    second = UUID(int=first.int ^ 1 << 60)
    for identifier in (first, second):
        await index_as(database, identifier)
    assert sorted(await calls(database, "满意")) == sorted([first, second])


# What stands between the words of a query is punctuation, whatever a database makes of it.
HARMLESS = ("满意'", '满意"', "满意*", "满 & !意", "满:*", "(满", "满意\\", "%满意%")
FOUND_NOWHERE = (
    *("", " ", "，。", '"', "'", "(", "\\", "%", "_", "\x00", "\ud800", "𠮷", "٣"),
    *("满意 OR 1", "NOT 满意", "NEAR(满意", "'; DROP TABLE turns; --", "满" * 10_000, "a " * 5_000),
)


async def test_hostile_queries_are_harmless(database: Database) -> None:
    recording_id = await index(database, ["很满意"])
    found = {query: await find(database, query) for query in (*HARMLESS, *FOUND_NOWHERE)}
    assert found == {query: [(recording_id, 0)] if query in HARMLESS else [] for query in found}


async def test_hostile_terms_of_one_character_and_the_longest_query(database: Database) -> None:
    recording_id = await index(database, ["满意" * 300])
    assert await find(database, "满意" * 200) == [(recording_id, 0)]
    assert await find(database, " ".join("满意")) == [(recording_id, 0)]


async def test_a_number_in_the_text_is_not_found_digit_by_digit(database: Database) -> None:
    """Else whoever sees 138****5678 would only have to ask for each of the hidden digits."""
    recording_id = await index(database, ["请打 13800125678 找我", "编号 12345"])
    (hit,) = (await found_by(database, "找我")).hits
    assert "13800125678" not in hit.text
    for words in ("13800125678", "0012", "8001", "0125"):
        assert await find(database, words) == [], words
    assert await find(database, "5678") == [(recording_id, 0)]
    assert await find(database, "12345") == [(recording_id, 1)]


async def test_removed_turns_are_not_found(database: Database) -> None:
    gone, kept = await index(database, ["满意"]), await index(database, ["满意"])
    async with database.write() as session:
        await remove_turns(session, gone)
    assert await find(database, "满意") == [(kept, 0)]
    async with database.read() as session:
        assert await indexed(session) == 1 == await session.scalar(select(func.count()).select_from(TurnRow))


async def test_the_index_can_be_dropped_and_made_again(database: Database) -> None:
    def remake(connection: Connection) -> list[bool]:
        drop_index(connection)
        seen = [any(name.startswith(TABLE) for name in inspect(connection).get_table_names())]
        create_index(connection)
        return [*seen, TABLE in inspect(connection).get_table_names()]

    async with database.engine.connect() as connection:
        assert await connection.run_sync(remake) == [False, True]


async def test_no_row_of_a_removed_recording_stays_anywhere(database: Database) -> None:
    gone, kept = await index(database, ["满意"]), await index(database, ["不好"])
    async with database.write() as session:
        await remove_turns(session, gone, kept)
    names = ["spoken", "turns", *(["spoken_words", "spoken_words_content"] if database.is_sqlite else [])]
    async with database.read() as session:
        rows = {name: await session.scalar(text(f"SELECT count(*) FROM {name}")) for name in names}  # noqa: S608
    assert set(rows.values()) == {0}


LETTERS = "满意不解决路灯，。 aB1２é𠮷'\"*"
TEXTS = st.lists(
    st.lists(st.text(st.sampled_from(LETTERS), max_size=12), min_size=1, max_size=4), min_size=1, max_size=5
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, gap=st.sampled_from([0, 1, 30, 4000]), data=st.data())
async def test_exactly_what_was_said_is_found(
    database: Database, texts: list[list[str]], gap: int, data: st.DataObject
) -> None:
    """Against brute force, over calls that lie on one shelf or on many."""
    async with database.write() as session:  # what an example before this one left
        await remove_turns(session, *(await session.scalars(select(Recording.id))).all())
        await session.execute(text("DELETE FROM recordings"))
    made = [await index(database, each, STARTED_AT + timedelta(hours=gap * n)) for n, each in enumerate(texts)]
    one = data.draw(st.sampled_from([turn for each in texts for turn in each]))
    start = data.draw(st.integers(0, len(one)))
    query = one[start : data.draw(st.integers(start, len(one)))] + data.draw(
        st.sampled_from(["", " 满", " 路灯", " a"])
    )
    terms = [part for part in (fold(part).text for part in query.split()) if part]
    expected: dict[UUID, list[int]] = {}
    for identifier, each in zip(made, texts, strict=True):
        folded = [fold(mask_numbers(turn)).text for turn in each]
        if terms and all(any(term in turn for turn in folded) for term in terms):
            expected[identifier] = [n for n, turn in enumerate(folded) if any(term in turn for term in terms)]
    found = await found_by(database, query)
    assert {call.recording_id: [hit.ordinal for hit in call.hits] for call in found.calls} == expected
    assert (found.count, found.more) == (len(expected), False)
    if gap:
        assert [call.recording_id for call in found.calls] == [each for each in reversed(made) if each in expected]
