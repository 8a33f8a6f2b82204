"""The night as the service runs it: with the key of this host, and an alert where something is wrong."""

from datetime import datetime
from typing import Any

from api.idempotency import forget_old
from archive.house import Archive
from archive.ledger_key import ledger_key, trusted_keys
from core.alerts import EVIDENCE_FAULTS, STORE_EXPIRES, clear_alert, raise_alert
from core.errors import SettingsError
from core.settings import Settings
from retention.night import NightlyResult
from retention.nightly import run_nightly

# What is wrong with the evidence is wrong on every host: whichever runs the next night clears it.
EVERYWHERE = "archive"


async def run_night(archive: Archive, settings: Settings, *, now: datetime, dry_run: bool = False) -> NightlyResult:
    """Do the night's work.  Without its signing key a host does all but the signature, and then says so
    (``SettingsError``)."""
    try:
        key, missing = ledger_key(settings), None
    except SettingsError as error:
        key, missing = None, error
    verifiers = settings.ledger_verifiers if key is None else trusted_keys(settings)
    result = await run_nightly(archive, settings, now=now, dry_run=dry_run, key=key, verifiers=verifiers)
    if not result.dry_run:
        facts = {"faults": len(result.faults), "night": result.night.isoformat()}
        await _alert(archive, EVIDENCE_FAULTS, facts if result.faults else None)
        await warn_of_expiry(archive)
        async with archive.database.write() as session:
            await forget_old(session, archive.clock())
    if missing is not None:
        raise missing
    return result


async def warn_of_expiry(archive: Archive) -> None:
    """An alert while the store has rules by which it hides or removes what grows old."""
    rules = await archive.store.expiring_rules()
    await _alert(archive, STORE_EXPIRES, {"rules": ", ".join(rules)} if rules else None)


async def _alert(archive: Archive, name: str, facts: dict[str, Any] | None) -> None:
    key, now = (name, "nightly", EVERYWHERE), archive.clock()
    async with archive.database.write() as session:
        if facts is None:
            await clear_alert(session, key, at=now)
        else:
            await raise_alert(session, key, facts, since=now, now=now)
