"""The night's work on what is kept: holds, locks, reconciliation, approved disposals, copies in exports that have
expired, a sample of everything read to the last byte, what has reached its date, and the ledger's signature.

Running it again in the same night finds nothing left to do and writes nothing; a run that was interrupted is finished
by the next one.  However many are started, by schedulers or by hand, one works at a time.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import StoredObject
from archive.faults import Fault as ObjectFault
from archive.faults import in_both
from archive.heads import newest_head, sign_head
from archive.house import Archive
from archive.seal import seal_object
from core.errors import with_cause
from core.exclusion import alone
from core.ledger import Entry, LedgerRow, canonical
from core.note import SigningKey, VerifierKey
from core.settings import Settings
from retention.batches import list_batch, list_eligible
from retention.disposal import APPROVED, CONFIRMED, PROPOSED, SYSTEM, Disposal
from retention.execution import execute_confirmed
from retention.handover.copies import Sweep, remove_expired
from retention.ledger_locks import LONGER, lengthen_ledger, longest_kept
from retention.locks import Fault, LockReport, check_locks
from retention.membership import settle_holds
from retention.night import KIND, LISTED, NightlyResult
from retention.reconcile import reconcile
from retention.rule import keep_until
from retention.sampling import Sampled, read_ledger, read_sample

log = logging.getLogger(__name__)

UNSIGNED = "unsigned"


class _Steps:
    """How long each step took, by the archive's clock."""

    def __init__(self, archive: Archive) -> None:
        self._clock = archive.clock
        self._last = archive.clock()
        self.seconds: dict[str, float] = {}

    def done(self, name: str) -> None:
        now = self._clock()
        self.seconds[name] = round(max(0.0, (now - self._last).total_seconds()), 3)
        self._last = now


async def run_nightly(
    archive: Archive,
    settings: Settings,
    *,
    now: datetime,
    dry_run: bool = False,
    key: SigningKey | None = None,
    verifiers: Sequence[VerifierKey] = (),
) -> NightlyResult:
    """Do the night's work as of ``now``, seal its result under ``nightly/YYYY/MM/DD.json`` and, with a ``key``, sign
    the ledger.  ``verifiers`` are the keys that earlier heads may be signed with; without any they are not checked.

    A ``now`` that the archive's clock has not reached is a rehearsal: always a dry run.  ``Unavailable`` when store or
    database cannot be reached: running again later continues."""
    dry_run = dry_run or now > archive.clock()
    trusted = tuple(verifiers) or ((key.verifier,) if key else ())
    if dry_run:
        return await _work(archive, settings, now, trusted, dry_run=True)
    async with alone(archive.database, KIND, waiting=_tell_waiting) as turn:
        result = await _work(archive, settings, now, trusted, dry_run=False)
        # A lock that was lost on the way lets somebody else seal this night.
        await turn.confirm()
        result = await _seal(archive, settings, result)
        return result if key is None or _is_forged(result) else await _sign(archive, settings, result, key)


def _tell_waiting() -> None:
    log.warning("another process does the night's work: waiting for its end")


async def _work(
    archive: Archive, settings: Settings, now: datetime, trusted: Sequence[VerifierKey], *, dry_run: bool
) -> NightlyResult:
    """Everything but the sealing of the result."""
    night = now.astimezone(settings.timezone).date()
    steps = _Steps(archive)
    locks = await _keep(archive, settings, steps, dry_run=dry_run)
    calls = await reconcile(archive, now=now, dry_run=dry_run)
    steps.done("calls")
    disposed, refused = ((), ()) if dry_run else await _dispose(archive, settings, now)
    steps.done("disposals")
    swept = Sweep() if dry_run else await remove_expired(archive, settings, now=now)
    steps.done("exports")
    sample, altered = Sampled(), list[ObjectFault]()
    if not dry_run and await _find_sealed(archive, night) is None:
        sample, altered = await read_sample(archive, now=now)
    sample, forged = await read_ledger(archive, trusted, sample)
    steps.done("verified")
    async with archive.database.read() as session:
        eligible = await list_eligible(session, settings, now)
        waiting = await _waiting(session)
    steps.done("eligible")
    return NightlyResult(
        night=night,
        started_at=now,
        dry_run=dry_run,
        eligible_count=len(eligible),
        eligible=eligible[:LISTED],
        locks=locks,
        calls=calls,
        sample=sample,
        disposed=disposed,
        exports_removed=tuple(str(export) for export in swept.removed),
        waiting=waiting,
        faults=_all_faults((*locks.faults, *refused, *_of_copies(swept)), (*altered, *forged), unsigned=bool(forged)),
        seconds=steps.seconds,
    )


def _of_copies(swept: Sweep) -> list[Fault]:
    return [Fault("copy", name, what) for name, what in swept.faults.items()]


def _is_forged(result: NightlyResult) -> bool:
    """Whether the ledger is not what was signed before: nothing is signed on top of that."""
    return any(fault.kind == UNSIGNED for fault in result.faults)


async def _keep(archive: Archive, settings: Settings, steps: _Steps, *, dry_run: bool) -> LockReport:
    if not dry_run:
        await settle_holds(archive, settings)
    steps.done("holds")
    report = await check_locks(archive, settings, dry_run=dry_run)
    report += LockReport(repaired=await lengthen_ledger(archive, dry_run=dry_run))
    steps.done("locks")
    return report


def _all_faults(first: Iterable[Fault], verified: Iterable[ObjectFault], *, unsigned: bool) -> tuple[Fault, ...]:
    """One for each kind and thing, though two steps may see the same."""
    found = [*first, *(Fault(fault.kind, fault.subject, in_both(fault)) for fault in verified)]
    if unsigned:
        found.append(Fault(UNSIGNED, "ledger", "台账有异常，今夜不签名 / the ledger has faults: not signed this night"))
    return tuple({(fault.kind, fault.subject): fault for fault in reversed(found)}.values())[::-1]


async def _waiting(session: AsyncSession) -> dict[str, int]:
    rows = await session.execute(
        select(Disposal.state, func.count())
        .where(Disposal.state.in_((PROPOSED, APPROVED, CONFIRMED)))
        .group_by(Disposal.state)
    )
    return dict(rows.all())


async def _dispose(archive: Archive, settings: Settings, now: datetime) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """Carry out what two people decided; a refusal is a fault of the night, and is tried again the next."""
    done = await execute_confirmed(archive, settings, now=now)
    await list_batch(archive, settings, now=now)
    faults = [
        Fault("disposal", str(recording), with_cause("处置未能完成", "not disposed of", error))
        for recording, error in done.refused
    ]
    return tuple(str(recording) for recording in done.disposed), tuple(faults)


async def _find_sealed(archive: Archive, night: date) -> UUID | None:
    async with archive.database.read() as session:
        query = select(StoredObject.id).where(StoredObject.key == _key(night)).limit(1)
        return await session.scalar(query)


def _key(night: date) -> str:
    return f"nightly/{night:%Y/%m/%d}.json"


async def _seal(archive: Archive, settings: Settings, result: NightlyResult) -> NightlyResult:
    if await _find_sealed(archive, result.night) is not None and not result.changed:
        return result
    stored = await seal_object(
        archive,
        key=_key(result.night),
        kind=KIND,
        content=canonical(result.to_json()).encode(),
        retain_until=keep_until(settings, archive.clock()),
        entry=Entry(KIND, SYSTEM, result.night.isoformat(), result.facts()),
    )
    return replace(result, sealed_object=stored.id)


async def _sign(archive: Archive, settings: Settings, result: NightlyResult, key: SigningKey) -> NightlyResult:
    """Last of all, so that the head covers the night itself; a night that is covered already is not signed again."""
    async with archive.database.read() as session:
        last = await session.scalar(select(func.max(LedgerRow.seq)).where(LedgerRow.kind == KIND))
        longest = await longest_kept(session, archive.clock())
    covered = await newest_head(archive, at_least=(last or 0) + 1)
    if covered is None:
        until = keep_until(settings, archive.clock())
        covered = await sign_head(archive, key, retain_until=max(until, longest + LONGER) if longest else until)
    return replace(result, head=covered.checkpoint.size)
