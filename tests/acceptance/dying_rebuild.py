"""The rebuild that ``dying`` kills after each of its steps."""

import json
from typing import Any

from sqlalchemy import select

from archive.catalogue import StoredObject, TurnRow
from archive.heads import sign_head
from archive.house import Archive
from archive.search_index import SPOKEN
from core.database import Base
from core.jobs import DONE, JobRow
from core.ledger import LedgerRow, check
from core.note import SigningKey
from core.rebuilding import KIND
from retention.rule import keep_until
from service.rebuild import rebuild
from tests.integration.kept import SETTINGS
from tests.wiped import wipe
from workorders.orders import Finding

# Forked children have the same.
KEY = SigningKey.generate("huiyin.example/ledger")
APART = ("jobs", "ledger", "ledger_head", "objects", "turns", "findings")


async def lose_database(archive: Archive) -> None:
    """The ledger is signed; then every table is empty."""
    await sign_head(archive, KEY, retain_until=keep_until(SETTINGS, archive.clock()))
    await wipe(archive.database)


async def build_again(archive: Archive) -> None:
    """Go on with a rebuild; one that had just ended is not begun anew."""
    async with archive.database.read() as session:
        ended = await session.scalar(select(JobRow.state).where(JobRow.kind == KIND)) == DONE
    if not ended:
        state = await rebuild(archive, SETTINGS, [KEY.verifier], by="operator", tell=lambda _line: None)
        assert not state.losses, state.losses


async def rebuilt(archive: Archive) -> dict[str, Any]:
    """Every row that a rebuild brings back, but for what it names anew each time."""
    found: dict[str, Any] = {}
    async with archive.database.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in APART:
                found[table.name] = sorted(str(tuple(row)) for row in await session.execute(select(table)))
        for name, columns in (
            ("jobs", (JobRow.kind, JobRow.key, JobRow.state)),
            ("ledger", (LedgerRow.seq, LedgerRow.kind)),
            ("objects", (StoredObject.key, StoredObject.version_id, StoredObject.kind, StoredObject.recording_id)),
            ("turns", (TurnRow.recording_id, TurnRow.ordinal, TurnRow.text)),
            ("findings", (Finding.recording_id, Finding.question, Finding.answer, Finding.standing, Finding.at)),
            ("spoken", (SPOKEN.c.place, SPOKEN.c.recording_id, SPOKEN.c.text)),
        ):
            found[name] = sorted(str(tuple(row)) for row in await session.execute(select(*columns)))
        told = await session.scalar(select(LedgerRow.leaf).order_by(LedgerRow.seq.desc()).limit(1))
        found["counts"] = json.loads(told or "{}")["facts"]["counts"]
        await check(session)
    return found
