"""``huiyin rebuild``: the catalogue, links, texts, outcomes, search index, reports, holds and ledger from the store.

    ledger ─▶ settings ─▶ orders ─▶ recordings ─▶ tombstones ─▶ rest ─▶ exports ─▶ holds ─▶ held ─▶ missing ─▶ done

Each step goes through the store in the order of its keys and commits how far it came with what it wrote, so that a
killed run goes on where it was; memory holds one batch.  Whatever is damaged is named, and the rest comes back.  Nobody
else writes meanwhile, nor while a killed run waits to be gone on with (``core.rebuilding``).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from sqlalchemy import select, true
from sqlalchemy.ext.asyncio import AsyncSession

from archive import rebuild as recordings
from archive.catalogue import TEXT_DONE, Recording
from archive.events import events_about, events_of_kinds
from archive.house import Archive
from archive.rebuild import Salvage, recording_of
from archive.rebuild_ledger import Loss, leaves, restore_batch
from archive.store import Version
from archive.trust import verify_heads
from core import jobs
from core.dictionaries import CHANGED as WORD_CHANGED
from core.dictionaries import restore_word
from core.errors import Refused
from core.exclusion import alone
from core.ledger import Entry, append
from core.note import VerifierKey
from core.proofs import tree_size
from core.rebuilding import KIND
from core.settings import Settings
from retention.handover.rebuild import restore_exports
from retention.membership import settle_holds
from retention.rebuild import (
    CASE_STATES,
    LISTED,
    MEMBER_STATES,
    SETTING_CHANGED,
    forget_withdrawn,
    restore_hold,
    restore_night,
    restore_setting,
)
from service.kinds import FIND_ORDER, TRANSCRIBE
from service.rebuild_rest import Rest, restore_rest, restore_tombstones
from service.rebuild_state import State, open_state, require_nobody_works
from workorders.exports import PREFIX as IMPORTS
from workorders.importing import IMPORTED
from workorders.judging import judge_orders
from workorders.rebuild import Rows, import_again, read_import, restore_findings, restore_links

# Who may log in, what was to be done and how the house felt: the nightly backup of the database covers these.
NOT_REBUILT = frozenset(
    {
        *("users", "sessions", "jobs", "heartbeats", "alerts", "pause_requests", "live_calls"),
        # What belongs to accounts, and outlines of sound, which are made again when a page asks for them.
        *("teams", "agent_numbers", "shares", "drafts", "listening_places", "review_preferences", "waveforms"),
        *("saved_searches", "asked_persons"),
        *("webhooks", "webhook_deliveries", "webhook_cursor"),
    }
)
BATCH = 32
ALL_DONE = "done"
TOLD_EVERY = 1000
T = TypeVar("T")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Rebuild:
    """What every step works on."""

    archive: Archive
    settings: Settings
    keys: Sequence[VerifierKey]
    state: State
    tell: Tell

    def lose(self, loss: Loss | str) -> None:
        """A loss is told at once, and again at the end."""
        self.tell(f"异常 fault: {self.state.lose(loss)}")


async def rebuild(archive: Archive, settings: Settings, keys: Sequence[VerifierKey], *, by: str, tell: Tell) -> State:
    """Recreate an empty database from the store, or go on with a rebuild that was interrupted; the state's ``losses``
    name what could not be brought back.  ``Refused`` for a database or a store that this cannot be done with."""
    async for _ in archive.store.list_versions(""):
        break
    else:
        raise Refused("存储中没有任何对象 / the store holds no objects", remedy="check HUIYIN_STORE_URL")
    async with alone(archive.database, KIND):
        await require_nobody_works(archive.database, archive.clock())
        state = await open_state(archive.database, next(iter(STEPS)), archive.clock())
        work = Rebuild(archive, settings, keys, state, tell)
        await _go_on(work)
        await _conclude(work, by)
    return state


async def _go_on(work: Rebuild) -> None:
    names = [*STEPS, ALL_DONE]
    for name, following in pairwise(names[names.index(work.state.step) :]):
        work.tell(f"重建 rebuilding: {name}")
        await STEPS[name](work)
        work.state.step, work.state.cursor = following, ""
        async with work.archive.database.write() as session:
            await work.state.save(session)


async def _conclude(work: Rebuild, by: str) -> None:
    now = work.archive.clock()
    async with work.archive.database.write() as session:
        await append(session, Entry(recordings.REBUILT, by, "catalogue", {"counts": dict(work.state.counts)}), now)
        await work.state.finish(session, now)


async def _ledger(work: Rebuild) -> None:
    """The leaves as they were sealed, then every signed head against them."""
    async with work.archive.database.read() as session:
        size = await tree_size(session)
    async for batch in leaves(work.archive, size):
        if isinstance(batch, Loss):
            work.lose(batch)
            continue
        async with work.archive.database.write() as session:
            size = await restore_batch(session, batch)
            work.state.counts["ledger"] = size
            await work.state.save(session)
    async for fault in verify_heads(work.archive, work.keys):
        work.lose(str(fault))
    work.tell(f"台账 ledger: {size} 条，其后的事件只剩对象为证 rows; of what came later only objects tell")


async def _settings(work: Rebuild) -> None:
    """Settings, dictionaries and the nights' lists, which only the ledger tells."""
    async with work.archive.database.write() as session:
        for event in [each async for each in events_of_kinds(session, [SETTING_CHANGED, WORD_CHANGED, LISTED])]:
            if event.kind == SETTING_CHANGED:
                await restore_setting(session, event)
            elif event.kind == WORD_CHANGED:
                await restore_word(session, event.facts, by=event.actor, at=event.at)
            else:
                await restore_night(session, event, work.settings.timezone)


async def _orders(work: Rebuild) -> None:
    """Every import again, in the order in which they were made; then exports that no ledger row tells of."""
    async with work.archive.database.read() as session:
        after = int(work.state.cursor or -1)
        imports = [event async for event in events_of_kinds(session, [IMPORTED], after)]
        all_of_them = [event async for event in events_of_kinds(session, [IMPORTED])]
    for event in imports:
        rows = await read_import(work.archive, event.facts["file_sha256"], event.facts, work.settings.timezone)
        await _import(work, rows, str(event.seq), event.at)
    known = {event.facts["file_sha256"] for event in all_of_them}
    for digest in sorted({key.split("/")[1] async for key in _keys(work.archive, IMPORTS)} - known):
        rows = await read_import(work.archive, digest, {}, work.settings.timezone)
        await _import(work, rows, work.state.cursor, work.archive.clock())


async def _import(work: Rebuild, rows: Rows | Loss, cursor: str, at: datetime) -> None:
    async with work.archive.database.write() as session:
        if isinstance(rows, Loss):
            work.lose(rows)
        else:
            await import_again(session, rows, at)
            work.state.count("imports")
        work.state.cursor = cursor
        await work.state.save(session)


async def _keys(archive: Archive, prefix: str) -> AsyncIterator[str]:
    async for version in archive.store.list_versions(prefix):
        if not version.marker:
            yield version.key


async def _recordings(work: Rebuild) -> None:
    """Recordings with their calls, objects, texts, links and outcomes, a batch in each transaction."""
    groups = recordings.recordings(work.archive, work.state.cursor)
    async for batch in batches(groups, BATCH):
        sound = [(prefix, versions) for prefix, versions in batch if recording_of(prefix)]
        found = await _salvage(work, sound)
        async with work.archive.database.write() as session:
            await recordings.write(session, found, work.archive.clock())
            for one in found:
                await _join(work, session, one)
            work.state.cursor = batch[-1][0]
            before = work.state.counts.get("recordings", 0)
            work.state.count("recordings", len(found))
            for one in found:
                for loss in one.losses:
                    work.lose(loss)
            await work.state.save(session)
        if before // TOLD_EVERY != work.state.counts["recordings"] // TOLD_EVERY:
            work.tell(f"录音 recordings: {work.state.counts['recordings']}（{batch[-1][0]}）")


async def _salvage(work: Rebuild, batch: Sequence[tuple[str, list[Version]]]) -> list[Salvage]:
    subjects = [str(recording_of(prefix)) for prefix, _ in batch]
    async with work.archive.database.read() as session:
        told = await events_about(session, subjects)
    return [
        await recordings.salvage(work.archive, prefix, versions, told[subject])
        for (prefix, versions), subject in zip(batch, subjects, strict=True)
    ]


async def _join(work: Rebuild, session: AsyncSession, found: Salvage) -> None:
    """A recording's links and outcomes, and the jobs that it still waits for."""
    now, recording = work.archive.clock(), found.recording
    linked = await restore_links(session, recording.id, found.events)
    await restore_findings(session, found, work.settings.timezone)
    payload = {"recording_id": str(recording.id)}
    if recording.text_state != TEXT_DONE:
        await jobs.enqueue(session, TRANSCRIBE, payload, now=now, key=str(recording.id))
    if not linked:
        await jobs.enqueue(session, FIND_ORDER, payload, now=now, key=str(recording.id))


async def _tombstones(work: Rebuild) -> None:
    await restore_tombstones(Rest(work.archive, work.state, work.lose))


async def _rest(work: Rebuild) -> None:
    await restore_rest(Rest(work.archive, work.state, work.lose))
    # Links and answers are all there now.
    async with work.archive.database.write() as session:
        await judge_orders(session, true())


async def _exports(work: Rebuild) -> None:
    """Handovers, whose sealed objects the step before has put into the catalogue."""
    work.state.count("exports", await restore_exports(work.archive, work.lose))


async def _holds(work: Rebuild) -> None:
    """Which recordings are in which case."""
    async with work.archive.database.read() as session:
        events = events_of_kinds(session, [*MEMBER_STATES, *CASE_STATES], int(work.state.cursor or -1))
        async for batch in batches(events, BATCH):
            async with work.archive.database.write() as writing:
                for event in batch:
                    if not await restore_hold(writing, event):
                        work.lose(Loss(f"ledger row {event.seq}", "its case and recording", "one of them is not there"))
                work.state.cursor = str(batch[-1].seq)
                await work.state.save(writing)


async def _held(work: Rebuild) -> None:
    """The store and the cases agree: what the ledger's last rows did not tell any more joins its case again."""
    async with work.archive.database.write() as session:
        await forget_withdrawn(session)
    await settle_holds(work.archive, work.settings)


async def _missing(work: Rebuild) -> None:
    """Recordings that the ledger says were sealed, and of which the store holds nothing."""
    async with work.archive.database.read() as session:
        sealed = (
            event.subject
            async for event in events_of_kinds(session, ["sealed"])
            if any(item["key"].startswith(recordings.RECORDINGS) for item in event.objects)
        )
        async for subjects in batches(sealed, 500):
            identifiers = [recording_of(subject) for subject in subjects]
            async with work.archive.database.read() as other:
                there = set(await other.scalars(select(Recording.id).where(Recording.id.in_(identifiers))))
            for identifier in identifiers:
                if identifier not in there:
                    work.lose(Loss(f"recording {identifier}", "its objects, or a certificate of disposal", "nothing"))


async def batches(source: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """Lists of up to ``size``."""
    batch: list[T] = []
    async for one in source:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


STEPS: dict[str, Callable[[Rebuild], Awaitable[None]]] = {
    "ledger": _ledger,
    "settings": _settings,
    "orders": _orders,
    "recordings": _recordings,
    "tombstones": _tombstones,
    "rest": _rest,
    "exports": _exports,
    "holds": _holds,
    "held": _held,
    "missing": _missing,
}
