"""Many sign the ledger at once, in processes of their own: each size has one head, and heads come in order."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from archive.catalogue import StoredObject
from archive.heads import HEAD, newest_head, sign_head
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from archive.trust import verify_heads
from core.clock import utc_now
from core.exclusion import alone
from core.ledger import Entry, LedgerRow, append
from core.note import SigningKey
from service.migrate import migrate
from service.wiring import open_archive
from tests.acceptance.running import ROOT, environment, settings_of

KEY = SigningKey.generate("huiyin.example/ledger")
AT_ONCE, ROUNDS = 4, 3
PATIENCE = 90.0


async def _note(archive: Archive) -> int:
    async with archive.database.write() as session:
        return await append(session, Entry("read", "tester", "thing", {}), archive.clock())


async def _sign(archive: Archive) -> int:
    return (await sign_head(archive, KEY, retain_until=utc_now() + timedelta(days=1))).checkpoint.size


async def _sealed(archive: Archive, kind: str) -> Sequence[str]:
    """The keys of every version, as names."""
    found = [
        version.key
        async for version in archive.store.list_versions("ledger/")
        if f"/{kind}/" in version.key and not version.marker
    ]
    async with archive.database.read() as session:
        known = list(await session.scalars(select(StoredObject.key).where(StoredObject.key.contains(f"/{kind}/"))))
    assert sorted(known) == sorted(found), "no object without a row"
    return [Path(key).stem for key in sorted(found)]


async def test_heads_come_one_by_one_and_leaves_without_overlap(archive: Archive) -> None:
    for _ in range(ROUNDS):
        last = await _note(archive)
        sizes = await asyncio.gather(*(_sign(archive) for _ in range(AT_ONCE)))
        assert min(sizes) > last, "whoever signs covers what was there when he came"
        assert len(set(sizes)) == 1, "nothing but the signing itself happened: one head is enough"
    heads, leaves = await _sealed(archive, "heads"), await _sealed(archive, "leaves")
    assert len(heads) == len(set(heads)) == ROUNDS
    spans = [tuple(map(int, each.split("-"))) for each in leaves]
    assert [first for first, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
    async with archive.database.read() as session:
        said = await session.scalars(
            select(LedgerRow.leaf).where(LedgerRow.kind == "head signed").order_by(LedgerRow.seq)
        )
        signed = [json.loads(leaf)["facts"]["size"] for leaf in said]
    assert signed == sorted(signed) == [int(head) for head in heads]
    assert [fault async for fault in verify_heads(archive, [KEY.verifier])] == []


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "sqlite":
        return environment(tmp_path)
    return environment(tmp_path, HUIYIN_DATABASE_URL=request.getfixturevalue("empty_postgres_url"))


async def test_the_command_waits_for_whoever_signs(variables: dict[str, str]) -> None:
    """It looks at the ledger when its turn has come, and so covers what was added meanwhile."""
    await migrate(settings_of(variables))
    ensure_ledger_key(settings_of(variables))
    async with open_archive(settings_of(variables)) as archive:
        await archive.store.prepare()
        async with alone(archive.database, HEAD):
            command = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service", "ledger", "sign"), env=variables, cwd=ROOT, stdout=PIPE, stderr=PIPE
            )
            await _until_it_says(command, b"another process signs the ledger")
            last = await _note(archive)
            assert await newest_head(archive) is None
        note, complaint = await asyncio.wait_for(command.communicate(), PATIENCE)
        assert command.returncode == 0, complaint.decode()
        head = await newest_head(archive, at_least=last + 1)
        assert head is not None
        assert note.decode() == head.note


async def _until_it_says(command: Process, words: bytes) -> None:
    said = b""
    assert command.stderr
    async with asyncio.timeout(PATIENCE):
        async for line in command.stderr:
            said += line
            if words in line:
                return
    raise AssertionError(f"it ended, and said only {said.decode()}")
