"""The ledger, its heads and its key: altered, rewritten, reordered, cut, replaced."""

import json

from sqlalchemy import select

from core.clock import utc_now
from core.ledger import Entry, LedgerRow, append
from core.note import SigningKey
from tests.attacked import KEY, House, leaves, rewrite


async def test_an_altered_ledger_row_is_named(house: House) -> None:
    async with house.archive.database.write() as session:
        row = await session.get_one(LedgerRow, 2)
        row.leaf = row.leaf.replace('"system"', '"nobody"')
    found = await house.faults()
    assert found[0].startswith("ledger row 2: a ledger row was altered: expected")
    assert any(fault.startswith("ledger row 2: another leaf than was sealed: expected") for fault in found)


async def test_a_row_that_is_no_entry_is_named_and_hides_nothing_else(house: House) -> None:
    async with house.archive.database.write() as session:
        row = (await session.scalars(select(LedgerRow).where(LedgerRow.kind == "linked"))).one()
        row.leaf = "[]"
    before, after = house.vandal.change(house.key(house.second, "audio.flac"))
    found = await house.faults()
    assert found[0].startswith(f"ledger row {row.seq}: a ledger row was altered: expected")
    assert f"{house.key(house.second, 'audio.flac')}: altered: expected {before}, found {after}" in found


async def test_a_ledger_with_rows_that_are_no_entries_is_named(house: House) -> None:
    """Everything behind them computed anew."""
    before = await leaves(house.archive)
    place = next(seq for seq, leaf in enumerate(before) if '"kind":"suggested"' in leaf)
    other = before[place].replace('"answers":{', '"others":{')
    await rewrite(house.archive, [*before[:place], other, *before[place + 1 :]])
    found = await house.kinds()
    assert f"ledger row {place}: another leaf than was sealed" in found
    subject = json.loads(before[place])["subject"]
    assert f"recording {subject}: unreadable" in found


async def test_a_ledger_rewritten_as_a_whole_is_named_by_head_and_row(house: House) -> None:
    before = await leaves(house.archive)
    await rewrite(house.archive, [leaf.replace('"agent"', '"nobody"') for leaf in before])
    changed = next(seq for seq, leaf in enumerate(before) if '"agent"' in leaf)
    found = await house.kinds()
    assert found[0].startswith("ledger/heads/")
    assert found[0].endswith(": the ledger was rewritten")
    assert found[1] == f"ledger row {changed}: another leaf than was sealed"
    assert found[2:] == [f"{house.link}: the catalogue links to another order"]


async def test_a_reordered_ledger_is_named(house: House) -> None:
    before = await leaves(house.archive)
    await rewrite(house.archive, [before[1], before[0], *before[2:]])
    found = await house.kinds()
    assert any(fault.endswith(": the ledger was rewritten") for fault in found)
    assert "ledger row 0: another leaf than was sealed" in found


async def test_a_truncated_ledger_is_named(house: House) -> None:
    await rewrite(house.archive, (await leaves(house.archive))[:3])
    found = await house.faults()
    assert any(": the ledger is shorter than its signed head: expected" in fault for fault in found)
    assert any(fault.startswith("ledger row 3: missing: expected a leaf") for fault in found)
    missing = f"{house.key(house.second, 'transcript.v1.json')}: not in the ledger: expected an entry, found none"
    assert missing in found


async def test_an_altered_head_is_named(house: House) -> None:
    heads = [version.key async for version in house.archive.store.list_versions("ledger/heads/")]

    def other_root(content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines[2] = (b"B" if lines[2][:1] == b"A" else b"A") + lines[2][1:]
        return b"\n".join(lines)

    house.vandal.change(heads[0], other_root)
    found = await house.faults()
    assert any(f"{heads[0]}: the signature does not fit the text: expected" in fault for fault in found)
    assert any(fault.startswith(f"{heads[0]}: altered: expected") for fault in found)


async def test_a_replaced_signing_key_is_named(house: House) -> None:
    """The attacker's own key under the same name, with which he signs on; the auditor has pinned the right one."""
    other = SigningKey.generate(KEY.name)
    async with house.archive.database.write() as session:
        await append(session, Entry("read", "agent", str(house.first), {}), utc_now())
    await house.sign(other)
    found = await house.faults()
    name, right = (f"{key.name}+{key.verifier.number.hex()}" for key in (other, KEY))
    assert any(fault.endswith(f": signed by an unknown key: expected {right}, found {name}") for fault in found)
    assert any(fault.endswith(f": a key that is not trusted here: expected {right}, found {name}") for fault in found)
    assert await house.faults(KEY.verifier, other.verifier) == []
