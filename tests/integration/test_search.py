"""Search finds what was said, and only that, on both databases."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, inspect, select

from archive.catalogue import Recording, TurnRow
from archive.search import TABLE, create_index, drop_index, fold, index_turns, indexed, remove_turns, search
from core.database import Database
from tests.samples import DIALOGUE, RETAIN_UNTIL, new_recording


async def index(database: Database, texts: Sequence[str]) -> UUID:
    """A recording in the catalogue with these turns; without objects, which search does not need."""
    new = new_recording()
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


async def find(database: Database, query: str, *, limit: int = 50, offset: int = 0) -> list[tuple[UUID, int]]:
    async with database.read() as session:
        return [(hit.recording_id, hit.ordinal) for hit in await search(session, query, limit=limit, offset=offset)]


WORDS: dict[str, list[int]] = {
    "灯": [0],
    "您": [0, 2],
    "解决": [0, 1],
    "解决 满意": [1],
    "满意 解决": [1],
    "路灯问题解决了吗？": [0],
    "了，昨天": [1],
    "了昨天": [1],
    "12345": [0],
    "234": [0],
    "１２３４５热线": [0],
    "决解": [],
    "路灯 再见": [],
    "不满意": [],
}


async def test_words_of_any_length_are_found(database: Database) -> None:
    recording_id = await index(database, [text for _, text in DIALOGUE])
    found = {query: await find(database, query) for query in WORDS}
    assert found == {query: [(recording_id, ordinal) for ordinal in ordinals] for query, ordinals in WORDS.items()}


async def test_a_hit_tells_the_second_and_the_place(database: Database) -> None:
    recording_id = await index(database, ["您好", "昨天就修好了，我很满意，真的满意。"])
    async with database.read() as session:
        (hit,) = await search(session, "满意")
    assert (hit.recording_id, hit.ordinal, hit.start_ms, hit.end_ms, hit.party) == (
        recording_id,
        1,
        1000,
        1900,
        "agent",
    )
    assert [hit.text[start:end] for start, end in hit.marks] == ["满意", "满意"]


async def test_letters_are_found_whatever_their_case(database: Database) -> None:
    recording_id = await index(database, ["请发 E-mail 到 Support"])
    for query in ("email", "MAIL", "supp", "e-mail support"):
        assert await find(database, query) == [(recording_id, 0)]


async def test_pages_follow_each_other(database: Database) -> None:
    first = await index(database, ["满意"] * 3)
    second = await index(database, ["满意", "不好", "满意"])
    everything = [(second, 0), (second, 2), (first, 0), (first, 1), (first, 2)]
    assert await find(database, "满意") == everything
    pages = [await find(database, "满意", limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert pages == [everything[:2], everything[2:4], everything[4:], []]
    assert await find(database, "满意", limit=0) == []


async def test_what_only_looks_like_a_hit_is_passed_over(database: Database) -> None:
    """These turns hold every pair of the query's characters, but not the query; there are more than one batch."""
    recording_id = await index(database, ["意满意"] * 250 + ["满意满意"])
    assert await find(database, "满意满意") == [(recording_id, 250)]
    assert await find(database, "满意满意", offset=1) == []
    assert len(await find(database, "满意", limit=1000)) == 251


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
        seen = [TABLE in inspect(connection).get_table_names()]
        create_index(connection)
        return [*seen, TABLE in inspect(connection).get_table_names()]

    async with database.engine.connect() as connection:
        assert await connection.run_sync(remake) == [False, True]


TEXTS = st.lists(st.text(st.sampled_from("满意不解决路灯，。 aB1２é𠮷'\"*"), max_size=12), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, data=st.data())
async def test_every_part_of_what_was_said_is_found(database: Database, texts: list[str], data: st.DataObject) -> None:
    recording_id = await index(database, texts)
    ordinal = data.draw(st.integers(0, len(texts) - 1))
    start = data.draw(st.integers(0, len(texts[ordinal])))
    query = texts[ordinal][start : data.draw(st.integers(start, len(texts[ordinal])))]
    found = [number for identifier, number in await find(database, query, limit=1000) if identifier == recording_id]
    parts = [fold(part).text for part in query.split()]
    expected = [n for n, text in enumerate(texts) if all(part in fold(text).text for part in parts)]
    assert found == (expected if any(parts) else [])
    async with database.write() as session:
        await remove_turns(session, recording_id)
