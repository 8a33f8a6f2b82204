"""Orders from sealed exports, links from objects and ledger, outcomes from the text and from what people decided."""

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.events import Event
from archive.house import Archive
from archive.rebuild import Salvage, Text
from archive.rebuild_ledger import Loss
from archive.retrieve import read_verified
from core.errors import Damaged, NotFound
from core.ids import new_id
from workorders.exports import PREFIX, columns_key
from workorders.findings import SpokenTurn, Told, read_findings, store_findings, told_by
from workorders.importing import ExportRefused, apply_rows, read_rows
from workorders.orders import RISK, Finding, Link, WorkOrder
from workorders.risks import OWN, risk_words
from workorders.rows import OrderRow, RefusedRow

# Stands in for an order that no sealed export brings back, so that its links are not lost; an import fills it.
UNKNOWN_ORDER = "（重建时未找到导入文件，仅存编号）"

Rows = Sequence[OrderRow | RefusedRow]


async def read_import(archive: Archive, digest: str, facts: Mapping[str, Any], zone: ZoneInfo) -> Rows | Loss:
    """The rows of a sealed export, read as its import read them; what is wrong where that cannot be done."""
    expected = f"the export {digest}"
    content = await _find(archive, f"{PREFIX}{digest}/export", digest)
    mapping: bytes | None = None
    if wanted := facts.get("columns_sha256"):
        mapping = await _find(archive, columns_key(digest, str(wanted)), str(wanted))
        if mapping is None:
            return Loss(columns_key(digest, str(wanted)), "the column mapping of an import", "nothing sound")
    if content is None:
        return Loss(f"{PREFIX}{digest}/", expected, "nothing sound")
    try:
        return await asyncio.to_thread(_rows, content, mapping, ZoneInfo(facts.get("timezone") or zone.key))
    except ExportRefused as error:
        return Loss(f"{PREFIX}{digest}/", expected, str(error))


def _rows(content: bytes, mapping: bytes | None, zone: ZoneInfo) -> Rows:
    with tempfile.TemporaryDirectory(prefix="huiyin-") as directory:
        source, columns = Path(directory) / "export", Path(directory) / "columns.toml"
        source.write_bytes(content)
        if mapping is not None:
            columns.write_bytes(mapping)
        return read_rows(source, None if mapping is None else columns, zone)


async def _find(archive: Archive, key: str, digest: str) -> bytes | None:
    """A sound version under a key (or one that begins with it) with this hash."""
    async for listed in archive.store.list_versions(key):
        if listed.marker:
            continue
        try:
            content = await read_verified(archive, await archive.store.head(listed.key, listed.version_id))
        except (Damaged, NotFound):
            continue
        if hashlib.sha256(content).hexdigest() == digest:
            return content
    return None


async def import_again(session: AsyncSession, rows: Rows, at: datetime) -> None:
    """Bring the rows of an export into the database, in the caller's transaction."""
    await apply_rows(session, rows, at)


async def restore_links(session: AsyncSession, recording_id: UUID, events: Sequence[Event]) -> bool:
    """The links that the ledger tells of; returns whether there are any."""
    linked = [event for event in events if event.kind == "linked"]
    for event in linked:
        identifier = UUID(event.facts["link"]) if "link" in event.facts else new_id()
        await add_link(session, recording_id, event.facts, by=event.actor, at=event.at, identifier=identifier)
    return bool(linked)


async def add_link(
    session: AsyncSession,
    recording_id: UUID,
    facts: Mapping[str, Any],
    *,
    by: str,
    at: datetime,
    identifier: UUID | None = None,
) -> None:
    """One link, unless it is there; an order that is unknown gets a row that holds its number."""
    number = str(facts["work_order"])
    there = select(Link.id).where(Link.recording_id == recording_id, Link.work_order == number)
    if await session.scalar(there) is not None:
        return
    if await session.get(WorkOrder, number) is None:
        session.add(WorkOrder(number=number, title=UNKNOWN_ORDER, raw={}, row_sha256="", imported_at=at, updated_at=at))
        await session.flush()
    link = Link(id=identifier or new_id(), recording_id=recording_id, work_order=number, how=facts["how"], by=by, at=at)
    session.add(link)
    await session.flush()


async def restore_findings(session: AsyncSession, found: Salvage, zone: ZoneInfo) -> None:
    """The answers that the ledger tells of; where it tells of none, what the rules read from the first text."""
    told = told_by(found.events)
    risks: Sequence[str] = ()
    if not told or (RISK in told and told[RISK].rule == OWN):
        risks = await risk_words(session, found.recording.started_at.astimezone(zone).date())
    if not told and found.texts:
        first = found.texts[0]
        findings = read_findings(_spoken(first), risks)
        await store_findings(session, found.recording.id, findings, text_version=first.number, now=first.at)
    texts = {text.number: text for text in found.texts}
    for question, each in told.items():
        values = {**asdict(each), "id": UUID(each.finding) if each.finding else new_id()}
        del values["seq"], values["finding"]
        sentence = _sentence(question, each, texts.get(each.text_version), risks)
        session.add(Finding(recording_id=found.recording.id, question=question, sentence=sentence, **values))
    await session.flush()


def _sentence(question: str, told: Told, text: Text | None, risks: Sequence[str]) -> str:
    """What the rules read at that place; where other rules pointed there, the whole turn."""
    if text is None:
        return ""
    read = next((each for each in read_findings(_spoken(text), risks) if each.question == question), None)
    if read is not None and (read.ordinal, read.start_ms) == (told.ordinal, told.start_ms):
        return read.sentence
    return text.turns[told.ordinal].text if 0 <= told.ordinal < len(text.turns) else ""


def _spoken(text: Text) -> list[SpokenTurn]:
    return [
        SpokenTurn(ordinal, turn.party, turn.start_ms, turn.end_ms, turn.text)
        for ordinal, turn in enumerate(text.turns)
    ]


async def restore_answers(session: AsyncSession, recording_id: UUID, answers: Sequence[Mapping[str, Any]]) -> None:
    """The answers that outlive a recording that was disposed of, without the sentences that they were read from."""
    for told in answers:
        values = {**told, "id": UUID(told["id"]), "at": datetime.fromisoformat(told["at"])}
        session.add(Finding(recording_id=recording_id, sentence="", **values))
    await session.flush()
