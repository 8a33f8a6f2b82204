"""Rows of the catalogue changed behind everybody's back; each test names the fault that must be found."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from archive.catalogue import DISPOSED, DISPOSING, Recording, StoredObject, TurnRow
from archive.seal import seal_recording
from core.clock import utc_now
from core.ids import new_id
from core.ledger import Entry, append
from retention.holds import LET_GO, RELEASED, HoldCase, HoldMember
from tests.attacked import OBJECTS, ORDER, OTHER_ORDER, House
from tests.samples import RETAIN_UNTIL, new_recording, write_audio
from workorders.linking import link_key
from workorders.orders import SATISFIED, SOLVED, Finding, Link

DAY = timedelta(days=1)


async def change(house: House, statement: object) -> None:
    async with house.archive.database.write() as session:
        await session.execute(statement)  # type: ignore[call-overload]


@pytest.mark.parametrize("column", ["text", "words", "party", "start_ms", "confidence"])
async def test_a_text_that_only_the_catalogue_shows_is_named(house: House, column: str) -> None:
    shown = {"text": "没有解决。", "words": [], "party": "agent", "start_ms": 1, "confidence": 0.1}
    turn = update(TurnRow).where(TurnRow.recording_id == house.first, TurnRow.ordinal == 1)
    await change(house, turn.values({column: shown[column]}))
    assert await house.faults() == [
        f"{house.key(house.first, 'transcript.v1.json')}: the catalogue's text is another: "
        "expected 3 turns as sealed, found turn 1 differs",
        # The answers were read from what was sealed, and the catalogue shows them beside other words.
        *[f"recording {house.first}, {each}: a sentence that was not spoken: expected words of the sealed text, "
          "found others" for each in (await _read_from_turn(house, 1) if column == "text" else ())],
    ]  # fmt: skip


async def _read_from_turn(house: House, ordinal: int) -> list[str]:
    query = select(Finding.question).where(Finding.recording_id == house.first, Finding.ordinal == ordinal)
    async with house.archive.database.read() as session:
        return sorted(await session.scalars(query))


async def test_another_version_of_a_text_is_named(house: House) -> None:
    await change(house, update(Recording).where(Recording.id == house.first).values(text_version=0))
    assert f"recording {house.first}: the catalogue shows another version of the text: expected 1, found 0" in (
        await house.faults()
    )


async def test_words_of_a_recording_without_a_text_are_named(house: House) -> None:
    """The one that was sealed is forgotten, and its words stay."""
    recording, audio = new_recording(), write_audio(house.directory / "call.flac")
    await seal_recording(house.archive, recording, audio, retain_until=RETAIN_UNTIL)
    await change(house, update(TurnRow).where(TurnRow.recording_id == house.first).values(recording_id=recording.id))
    found = await house.faults()
    assert (
        f"recording {recording.id}: the catalogue shows another version of the text: expected 0, found turns" in found
    )
    assert any(fault.endswith("expected 3 turns as sealed, found 0 turns") for fault in found)


async def test_facts_that_only_the_catalogue_shows_are_named_without_their_values(house: House) -> None:
    async with house.archive.database.write() as session:
        row = await session.get_one(Recording, house.first)
        row.citizen_number, row.started_at = "13800000777", row.started_at + DAY
        row.facts, row.flags, row.work_order = {}, ["no sound"], ORDER
    (fault,) = await house.faults()
    assert fault == (
        f"{house.key(house.first, 'metadata.json')}: the catalogue says something else: "
        "expected the sealed values, found others in started_at, citizen_number, work_order, flags, facts"
    )


async def test_rows_swapped_between_recordings_are_named(house: House) -> None:
    async with house.archive.database.write() as session:
        audios = await session.scalars(select(StoredObject).where(StoredObject.kind == "audio"))
        rows = {row.recording_id: row for row in audios}
        rows[house.first].recording_id, rows[house.second].recording_id = house.second, house.first
    assert sorted(await house.faults()) == sorted(
        f"{house.key(owner, 'audio.flac')}: belongs to another recording: expected {owner}, found {said}"
        for owner, said in ((house.first, house.second), (house.second, house.first))
    )


async def test_a_recording_marked_as_disposed_of_is_named(house: House) -> None:
    """A disposal that the ledger knows nothing of."""
    await change(house, update(Recording).where(Recording.id == house.second).values(life=DISPOSED))
    await change(house, delete(StoredObject).where(StoredObject.recording_id == house.second))
    assert set(await house.kinds()) == {
        *(f"{house.key(house.second, name)}: not in the catalogue" for name in OBJECTS),
        f"recording {house.second}: the catalogue tells another life",
    }


async def test_a_deletion_that_nobody_decided_is_named(house: House) -> None:
    """Objects may be missing once a deletion has begun: who decided it stands in the ledger."""
    await change(house, update(Recording).where(Recording.id == house.second).values(life=DISPOSING))
    house.vandal.remove(house.key(house.second, ""))
    assert await house.faults() == [
        f"recording {house.second}: disposed of without two decisions: expected two decisions by two people, found 0"
    ]
    async with house.archive.database.write() as session:
        for kind in ("disposal approved", "disposal confirmed"):
            await append(session, Entry(kind, "anna", str(house.second), {}), utc_now())
    assert (await house.faults())[0].endswith("expected two decisions by two people, found 1")


async def test_a_hold_cleared_in_the_catalogue_and_in_the_store_is_named(house: House) -> None:
    case = await house.hold(house.first)
    await change(house, update(Recording).where(Recording.id == house.first).values(held=False))
    await change(house, update(HoldMember).values(state=LET_GO))
    async with house.archive.database.read() as session:
        rows = (await session.scalars(select(StoredObject).where(StoredObject.recording_id == house.first))).all()
    for row in rows:
        await house.archive.store.hold(row.key, row.version_id, False)
    assert await house.faults() == [
        f"recording {house.first}: the catalogue tells another hold: "
        f"expected held, by case {case.id}, found not held, by no case"
    ]


async def test_a_hold_that_only_the_catalogue_shows_is_named(house: House) -> None:
    await change(house, update(Recording).where(Recording.id == house.second).values(held=True))
    kinds = await house.kinds()
    assert f"recording {house.second}: the catalogue tells another hold" in kinds
    assert f"{house.key(house.second, 'audio.flac')}: not held" in kinds


async def test_a_release_that_nobody_decided_is_named(house: House) -> None:
    """The case is marked as released in the database, and the next run lets its recordings go."""
    case = await house.hold(house.first)
    await change(house, update(HoldCase).values(state=RELEASED, released_by="bo", asked_by="anna"))
    await house.hold(house.second, "another")
    found = await house.faults()
    assert f"case {case.id}: the case is not as it was sealed: expected standing, found released" in found
    assert any(
        fault.startswith(f"recording {house.first}: let go without a decision: expected a decision in the ledger")
        for fault in found
    )


async def test_a_case_that_covers_less_than_was_sealed_is_named(house: House) -> None:
    case = await house.hold(house.first)
    await change(house, update(HoldCase).values(scope={}, reason="无"))
    assert await house.faults() == [
        f"case {case.id}: the case is not as it was sealed: expected the sealed values, found reason, scope"
    ]


async def test_a_case_that_is_gone_is_named(house: House) -> None:
    case = await house.hold(house.first)
    await change(house, delete(HoldMember))
    await change(house, delete(HoldCase))
    kinds = await house.kinds()
    assert f"case {case.id}: not in the catalogue" in kinds
    assert f"recording {house.first}: the catalogue tells another hold" in kinds


async def test_a_link_to_another_order_is_named(house: House) -> None:
    await change(house, update(Link).values(work_order=OTHER_ORDER))
    assert await house.faults() == [
        f"{house.link}: the catalogue links to another order: expected {ORDER}, found {OTHER_ORDER}"
    ]


async def test_a_link_by_somebody_else_is_named(house: House) -> None:
    await change(house, update(Link).values(by="nobody", how="signalled"))
    assert await house.faults() == [
        f"{house.link}: the catalogue links to another order: expected the sealed values, found how, by"
    ]


async def test_a_link_removed_from_the_catalogue_is_named(house: House) -> None:
    await change(house, delete(Link))
    assert await house.faults() == [f"{house.link}: not in the catalogue: expected a sealed link, found none"]


async def test_a_link_that_nobody_sealed_is_named(house: House) -> None:
    """The second time with a row of the ledger, but still without an object."""
    async with house.archive.database.write() as session:
        identifier = new_id()
        link = Link(id=identifier, recording_id=house.second, work_order=OTHER_ORDER, how="person", by="agent")
        link.at = utc_now()
        session.add(link)
    expected = [
        f"{link_key(OTHER_ORDER, house.second)}: a link that was never sealed: "
        "expected a sealed link, found a row of the catalogue"
    ]
    assert await house.faults() == expected
    async with house.archive.database.write() as session:
        facts = {"work_order": OTHER_ORDER, "how": "person", "link": str(identifier), "objects": []}
        await append(session, Entry("linked", "agent", str(house.second), facts), utc_now())
    assert await house.faults() == expected


async def test_an_answer_changed_in_the_catalogue_is_named(house: House) -> None:
    rows = update(Finding).where(Finding.recording_id == house.first)
    await change(house, rows.where(Finding.question == SOLVED).values(answer="no"))
    await change(house, rows.where(Finding.question == SATISFIED).values(by="nobody"))
    satisfied, solved = await house.faults()
    subject = f"recording {house.first}"
    assert solved.startswith(f"{subject}, solved: the answer is another: expected yes (suggested), ledger row")
    assert solved.endswith(", found no (suggested)")
    assert satisfied.startswith(f"{subject}, satisfied: the answer is another: expected ledger row")
    assert satisfied.endswith(", found another by")


async def test_a_suggestion_passed_off_as_a_decision_is_named(house: House) -> None:
    rows = update(Finding).where(Finding.recording_id == house.first, Finding.question == SOLVED)
    await change(house, rows.values(standing="accepted", by="li"))
    (fault,) = await house.faults()
    assert "solved: the answer is another: expected yes (suggested), ledger row" in fault


async def test_answers_added_and_removed_are_named(house: House) -> None:
    await change(house, delete(Finding).where(Finding.recording_id == house.first, Finding.question == SOLVED))
    stray = Finding(id=new_id(), recording_id=house.second, question="stray", answer="yes", ordinal=-1, start_ms=0)
    stray.sentence, stray.text_version, stray.standing, stray.by, stray.at = "", 1, "suggested", "rules", utc_now()
    async with house.archive.database.write() as session:
        session.add(stray)
    removed, added = await house.faults()
    assert removed.startswith(f"recording {house.first}, solved: not in the catalogue: expected yes, ledger row")
    assert added == (
        f"recording {house.second}, stray: an answer that the ledger does not tell of: expected an entry, found yes"
    )


async def test_a_sentence_that_nobody_spoke_is_named(house: House) -> None:
    rows = update(Finding).where(Finding.recording_id == house.first, Finding.question == SOLVED)
    await change(house, rows.values(sentence="没有解决。"))
    assert await house.faults() == [
        f"recording {house.first}, solved: a sentence that was not spoken: "
        "expected words of the sealed text, found others"
    ]
