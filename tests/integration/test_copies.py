"""A disposal leaves nothing but tombstones, in any table that there is or will be."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, Date, LargeBinary, String, Table, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, Recording
from core.database import Base, UtcDateTime
from core.ids import new_id
from retention.batches import approve_batch, confirm_batch, list_batch
from retention.copies import REMOVED, STAYING, of_recording
from retention.execution import execute_confirmed
from service.migrate import METADATA
from tests.integration.kept import NOON, SETTINGS, House

SPOKEN = "我家的水管还在漏"
PRIVATE = (SPOKEN, "13800000000", "测试市民", "回访员甲", "8001")
# Words that a tombstone keeps: a new column of words in such a table must be blanked, or be named here.
WORDS_THAT_STAY: Mapping[str, set[str]] = {
    "calls": {"sip_call_id", "team", "state", "work_order", "note"},
    "recordings": {"sip_call_id", "team", "work_order", "flags", "text_state", "life"},
    "objects": {"kind", "key", "version_id", "sha256"},
    "findings": {"question", "answer", "rule", "standing", "by"},
    "pause_requests": {"action", "by", "outcome"},
    "disposals": {
        "copies",
        *("state", "reason", "proposed_by", "approved_by", "confirmed_by", "stopped_by", "stopped_why"),
        *("plan", "rule"),
    },
    "hold_members": {"state"},
}


def about_recordings() -> set[str]:
    """Tables whose rows are each about one recording, told by their columns."""
    return {
        table.name
        for table in METADATA.sorted_tables
        if "recording_id" in table.c or any(key.target_fullname == "recordings.id" for key in table.foreign_keys)
    }


def table_of(model: type[Base]) -> Table:
    found = model.__table__
    assert isinstance(found, Table)
    return found


def test_every_table_about_recordings_says_what_a_disposal_does_to_it() -> None:
    named = {table_of(model).name for model in (*REMOVED, *STAYING)}
    assert about_recordings() <= named
    assert named - about_recordings() == {"recordings", "calls"}
    assert not {*REMOVED} & {*STAYING}


def test_every_column_of_words_in_a_tombstone_is_blanked_or_named() -> None:
    for model, stays in STAYING.items():
        table = table_of(model)
        words = {column.name for column in table.c if isinstance(column.type, String | Text | JSON)}
        assert set(stays.blank) <= words, table.name
        assert words - set(stays.blank) <= WORDS_THAT_STAY.get(table.name, set()), table.name


async def fill(session: AsyncSession, table: Table, known: Mapping[str, Any], words: set[str]) -> None:
    """A row of a table: private words in the columns ``words``, and whatever else it needs, parents included."""
    values = dict(known)
    for column in table.c:
        if column.name in values or column.nullable or (column.autoincrement is True and column.primary_key):
            continue
        for key in column.foreign_keys:
            if key.column.table.name != "recordings":
                values[column.name] = _value(key.column, private=False)
                await fill(session, key.column.table, {key.column.name: values[column.name]}, set())
        values.setdefault(column.name, _value(column, private=column.name in words))
    await session.execute(insert(table).values(**values))


def _value(column: Column[Any], *, private: bool) -> Any:
    kind, text = column.type, SPOKEN if private else f"{new_id()}"
    if isinstance(kind, JSON):
        return {"words": text}
    if isinstance(kind, String | Text):
        return text[: getattr(kind, "length", None) or 99]
    if isinstance(kind, LargeBinary):
        return text.encode()
    if isinstance(kind, UtcDateTime | Date):
        return NOON if isinstance(kind, UtcDateTime) else NOON.date()
    return new_id() if kind.python_type is UUID else kind.python_type(7)


async def furnish(house: House) -> Recording:
    """A recording with a row in every table that can hold one of it."""
    house.turns = [*house.turns, *house.turns]
    for one in house.turns:
        object.__setattr__(one, "text", SPOKEN)
    recording = await house.seal()
    async with house.archive.database.write() as session:
        for model in (*REMOVED, *STAYING):
            table = table_of(model)
            if await session.scalar(select(of_recording(model)).where(of_recording(model) == recording.id).limit(1)):
                continue
            words = {column.name for column in table.c} if model in REMOVED else set(STAYING[model].blank)
            if table.name not in ("disposals", "hold_members"):  # these are the decisions themselves
                await fill(session, table, {"recording_id": recording.id}, words)
    return recording


async def dispose(house: House) -> None:
    house.clock.now = NOON + timedelta(days=800)
    settings = replace(SETTINGS, data_dir=house.directory)
    # An export holds the recording, and our copies can be looked for.
    settings.exports.mkdir()
    batch = await list_batch(house.archive, settings, now=house.clock.now)
    assert batch
    async with house.archive.database.write() as session:
        await approve_batch(session, batch.id, by="anna", now=house.clock.now)
        await confirm_batch(session, batch.id, by="bo", now=house.clock.now)
    done = await execute_confirmed(house.archive, settings, now=house.clock.now)
    assert (len(done.disposed), done.refused) == (1, ())


async def everything(session: AsyncSession) -> dict[str, list[str]]:
    """Every row of every table that the database has, the search's own tables among them, as text."""
    dialect = session.get_bind().dialect.name
    listing = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if dialect == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    connection = await session.connection()
    found = {}
    for (name,) in (await connection.exec_driver_sql(listing)).all():
        rows = (await connection.exec_driver_sql(f'SELECT * FROM "{name}"')).all()  # noqa: S608
        found[name] = [" ".join(str(_shown(value)) for value in row) for row in rows]
    return found


def _shown(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


async def test_a_disposal_leaves_only_tombstones(house: House) -> None:
    recording = await furnish(house)
    async with house.archive.database.read() as session:
        before = await everything(session)
    for private in PRIVATE:
        assert any(private in row for rows in before.values() for row in rows), "the test hides nothing"
    index = {name for name in before if name.startswith(("turn_search", "spoken", "search", "words"))}
    assert index, "the search has no table: look for it under its new name"
    await dispose(house)
    async with house.archive.database.read() as session:
        after = await everything(session)
        for model in REMOVED:
            assert (await session.scalars(select(of_recording(model)))).all() == [], table_of(model).name
        for model, stays in STAYING.items():
            for name, blank in stays.blank.items():
                assert (await session.scalars(select(table_of(model).c[name]))).all() == [blank], (model, name)
        assert (await session.get_one(Recording, recording.id)).life == DISPOSED
    told = [
        (name, private, row) for name, rows in after.items() for row in rows for private in PRIVATE if private in row
    ]
    assert told == []
    assert [version async for version in house.archive.store.list_versions("recordings/")] == []
