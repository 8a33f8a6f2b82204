"""A furnished house, and what somebody with its database can do to it; with its store: ``tests.tampering``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import delete, select, update

from archive.heads import sign_head
from archive.house import Archive
from archive.seal import seal_object, seal_recording, seal_transcript
from core.ledger import Entry, LedgerHead, LedgerNode, LedgerRow
from core.merkle import Frontier, leaf_hash
from core.note import SigningKey, VerifierKey
from core.settings import Settings, load
from retention.holds import HoldCase, place
from retention.membership import settle_holds
from retention.scope import Scope
from service.verification import verify
from tests.samples import RETAIN_UNTIL, STARTED_AT, new_recording, new_turns, write_audio
from tests.tampering import Vandal
from tests.web import order
from workorders.findings import SpokenTurn, decide_finding, read_findings, store_findings
from workorders.linking import link_by_person, link_key
from workorders.orders import SATISFIED, Finding

KEY = SigningKey.generate("huiyin.example/ledger")
ORDER, OTHER_ORDER = "GD20261120-0001", "GD20261120-0002"
SETTINGS: Settings = load({"HUIYIN_ORGANISATION": "测试回访项目组"})
OBJECTS = ("audio.flac", "metadata.json", "transcript.v1.json")


@dataclass
class House:
    """Two recordings with text and answers; the first is linked to an order, one of its answers is a person's.  Beside
    them a report, and a signed head over all of it."""

    archive: Archive
    vandal: Vandal
    directory: Path
    first: UUID
    second: UUID

    async def faults(self, *keys: VerifierKey) -> list[str]:
        found = await verify(self.archive, keys or (KEY.verifier,), on_progress=lambda _: None, settle=0)
        return [str(fault) for fault in found]

    async def kinds(self) -> list[str]:
        """Each fault up to its kind: ``audio.flac: altered``, ``recording: …`` without identifiers."""
        return [fault.partition(": expected")[0] for fault in await self.faults()]

    async def seal(self) -> UUID:
        return await _seal(self.archive, self.directory)

    async def sign(self, key: SigningKey = KEY) -> None:
        await sign_head(self.archive, key, retain_until=RETAIN_UNTIL)

    async def hold(self, recording: UUID, name: str = "投诉调查") -> HoldCase:
        scope = Scope(recordings=(recording,))
        case = await place(self.archive, SETTINGS, name=name, reason="审计要求保全", scope=scope, by="anna")
        await settle_holds(self.archive, SETTINGS)
        return case

    def key(self, recording: UUID, name: str) -> str:
        return f"recordings/{STARTED_AT:%Y/%m/%d}/{recording}/{name}"

    @property
    def link(self) -> str:
        return link_key(ORDER, self.first)


async def furnish(archive: Archive, vandal: Vandal, directory: Path) -> House:
    """Fill an empty house."""
    first, second = await _seal(archive, directory), await _seal(archive, directory)
    async with archive.database.write() as session:
        session.add_all([order(ORDER), order(OTHER_ORDER)])
    await link_by_person(archive, first, ORDER, by="agent")
    async with archive.database.write() as session:
        row = (await session.scalars(select(Finding).where(Finding.recording_id == first))).all()
        answer = next(each for each in row if each.question == SATISFIED)
        await decide_finding(session, answer.id, answer.answer, by="li", now=archive.clock())
    entry = Entry("reported", "system", "report-1", {})
    report = b"<p>report</p>"
    await seal_object(
        archive, key="reports/1.html", kind="report", content=report, retain_until=RETAIN_UNTIL, entry=entry
    )
    await sign_head(archive, KEY, retain_until=RETAIN_UNTIL)
    return House(archive, vandal, directory, first, second)


async def _seal(archive: Archive, directory: Path) -> UUID:
    recording, turns = new_recording(), new_turns()
    audio = write_audio(directory / "call.flac", hertz=200 + recording.id.int % 1500)
    await seal_recording(archive, recording, audio, retain_until=RETAIN_UNTIL)
    await seal_transcript(
        archive, recording.id, {}, turns, author="s", reason="", retain_until=RETAIN_UNTIL, expected_version=0
    )
    spoken = [SpokenTurn(n, each.party, each.start_ms, each.end_ms, each.text) for n, each in enumerate(turns)]
    async with archive.database.write() as session:
        await store_findings(session, recording.id, read_findings(spoken), text_version=1, now=archive.clock())
    return recording.id


async def leaves(archive: Archive) -> list[str]:
    """The ledger as it stands."""
    async with archive.database.read() as session:
        return list(await session.scalars(select(LedgerRow.leaf).order_by(LedgerRow.seq)))


async def rewrite(archive: Archive, written: Sequence[str]) -> None:
    """What somebody with the whole database can do: other leaves, and everything behind them computed anew."""
    async with archive.database.write() as session:
        for model in (LedgerRow, LedgerNode):
            await session.execute(delete(model))
        tree = Frontier()
        for seq, leaf in enumerate(written):
            said = {**json.loads(leaf), "seq": seq}
            text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            tree = tree.append(leaf_hash(text.encode()))
            at = datetime.fromisoformat(said["at"])
            columns = {name: said[name] for name in ("seq", "kind", "actor", "subject")}
            session.add(LedgerRow(**columns, at=at, leaf=text, root=tree.root))
        await session.execute(update(LedgerHead).values(size=tree.size, frontier=bytes(tree)))
