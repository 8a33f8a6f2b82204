"""The papers of a handover besides its recordings: what orders were imported from, reports, certificates of disposal.

Each is a sealed object; ``ledger/papers.jsonl`` holds, a line each, the ledger's rows that name them, with audit paths.
An imported file holds orders of many citizens, so it goes with everything or a period, not with one order or case.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select

from archive.catalogue import DISPOSED, Recording, StoredObject
from archive.evidence import Proofs
from archive.house import Archive
from archive.retrieve import read_verified
from core.ledger import LedgerRow, canonical
from retention.handover.asking import members
from retention.handover.orders import belongs
from retention.handover.pages import paper_row, papers_foot, papers_head
from retention.handover.scope import ALL, CASE, PERIOD, Scope, condition
from retention.handover.tables import Export
from retention.handover.writing import Payload
from workorders.exports import KIND as IMPORT
from workorders.exports import PREFIX as IMPORTS
from workorders.importing import IMPORTED
from workorders.orders import WorkOrder

REPORT, CERTIFICATE = "report", "certificate"
PROOFS, PAGE = "data/ledger/papers.jsonl", "data/papers.html"
BATCH = 200


@dataclass(frozen=True)
class Papers:
    """Writes the papers of one export."""

    archive: Archive
    payload: Payload
    proofs: Proofs
    export: Export
    scope: Scope
    zone: ZoneInfo

    async def write(self) -> list[tuple[str, str]]:
        """Every paper that was sealed before the export's head, their proofs, and a page that lists them; path and name
        for the index."""
        temporary = self.payload.bag.parent / "papers"
        with _opened(temporary.with_suffix(".jsonl")) as lines, _opened(temporary.with_suffix(".html")) as page:
            page.write(papers_head().encode())
            async for batch in self._chosen():
                for stored, line in await self._proved(batch):
                    await self.payload.copy(self.archive, stored, f"data/{stored.key}")
                    lines.write(line)
                    page.write(paper_row(stored.kind, stored.key, stored.created_at.astimezone(self.zone)).encode())
            page.write(papers_foot().encode())
        await self.payload.adopt(PROOFS, temporary.with_suffix(".jsonl"))
        await self.payload.adopt(PAGE, temporary.with_suffix(".html"))
        return [
            ("papers.html", "导入文件、报表、处置证书 imported files, reports, certificates of disposal"),
        ]

    async def _chosen(self) -> AsyncIterator[list[StoredObject]]:
        """The papers of the scope in the order of their keys."""
        wanted = [await self._imports(), await self._certificates(), StoredObject.kind == REPORT]
        last = ("", "")
        while True:
            place = or_(StoredObject.key > last[0], (StoredObject.key == last[0]) & (StoredObject.version_id > last[1]))
            query = select(StoredObject).where(or_(*wanted), place)
            async with self.archive.database.read() as session:
                rows = await session.scalars(query.order_by(StoredObject.key, StoredObject.version_id).limit(BATCH))
                batch = list(rows)
            if not batch:
                return
            last = (batch[-1].key, batch[-1].version_id)
            yield [row for row in batch if row.kind != REPORT or _day_covered(row.key, self.scope)]

    async def _imports(self) -> ColumnElement[bool]:
        if self.scope.kind == ALL:
            return StoredObject.kind == IMPORT
        digests = await self._imported_from() if self.scope.kind == PERIOD else []
        digest = func.substr(StoredObject.key, len(IMPORTS) + 1, 64)
        return (StoredObject.kind == IMPORT) & digest.in_(digests)

    async def _imported_from(self) -> list[str]:
        """The files that the export's orders came from and were last changed by, by the moments of their imports."""
        orders = belongs(self.export, self.scope)
        moments = select(WorkOrder.imported_at).where(orders).union(select(WorkOrder.updated_at).where(orders))
        query = select(LedgerRow.subject).where(LedgerRow.kind == IMPORTED, LedgerRow.at.in_(moments))
        async with self.archive.database.read() as session:
            return sorted({subject.removeprefix("sha256:") for subject in await session.scalars(query)})

    async def _certificates(self) -> ColumnElement[bool]:
        async with self.archive.database.read() as session:
            held = await members(session, self.scope.name) if self.scope.kind == CASE else ()
        gone = select(Recording.id).where(condition(self.scope, self.zone, held), Recording.life == DISPOSED)
        return (StoredObject.kind == CERTIFICATE) & StoredObject.recording_id.in_(gone)

    async def _proved(self, batch: Sequence[StoredObject]) -> list[tuple[StoredObject, bytes]]:
        """Those that the head covers, each with the line that proves it."""
        subjects = {await self._subject(stored) for stored in batch}
        query = select(LedgerRow.seq, LedgerRow.leaf).where(
            LedgerRow.subject.in_(subjects), LedgerRow.seq < self.proofs.size
        )
        async with self.archive.database.read() as session:
            rows = (await session.execute(query.order_by(LedgerRow.seq))).all()
        named = {
            (item["key"], item["version_id"]): (seq, leaf)
            for seq, leaf in rows
            for item in json.loads(leaf)["facts"].get("objects", ())
        }
        found = []
        for stored in batch:
            if row := named.get((stored.key, stored.version_id)):
                entry = await self.proofs.entry(*row)
                found.append((stored, canonical(entry).encode() + b"\n"))
        return found

    async def _subject(self, stored: StoredObject) -> str:
        """What the ledger calls the thing that a paper belongs to."""
        if stored.kind == IMPORT:
            return f"sha256:{stored.key.removeprefix(IMPORTS).partition('/')[0]}"
        if stored.kind == CERTIFICATE:
            return str(stored.recording_id)
        return await self._report(stored)

    async def _report(self, stored: StoredObject) -> str:
        """A report's identifier stands in its figures, beside its documents."""
        query = select(StoredObject).where(StoredObject.key == f"{stored.key.rpartition('.')[0]}.json")
        async with self.archive.database.read() as session:
            figures = await session.scalar(query.order_by(StoredObject.created_at).limit(1))
        if figures is None:
            return ""
        return str(json.loads(await read_verified(self.archive, figures)).get("id", ""))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        yield file


def _day_covered(key: str, scope: Scope) -> bool:
    """Keys of reports are ``reports/<kind>/YYYY/MM/DD/…``."""
    parts = key.split("/")
    try:
        day = date(*(int(part) for part in parts[2:5]))
    except (ValueError, TypeError):
        return scope.kind == ALL
    return scope.covers_day(day)
