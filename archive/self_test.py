"""The start-up check of a store: write a probe under a short lock, and try to break that lock."""

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from archive.store import PROBE_LOCK, PROBES, ObjectStore, Version
from core.clock import Clock
from core.errors import HuiyinError, NotFound, Refused

log = logging.getLogger(__name__)

# What a store promises, and what tries to break it on a probe; being refused is right.
Attacks = Mapping[str, Callable[[Version], Awaitable[object]]]
UNDELETED, UNSHORTENED = "a locked version cannot be deleted", "a lock cannot be shortened"


async def attack_probe(store: ObjectStore, clock: Clock, attacks: Attacks, **named: object) -> None:
    """``Refused`` names the first promise that does not hold: whatever an attack was answered, the probe must stand as
    it did before."""
    if rules := await store.expiring_rules():
        log.warning(
            "the store lets objects expire, which hides evidence behind delete markers",
            extra={"facts": {**named, "rules": rules, "remedy": "remove these rules from the bucket"}},
        )
    await _remove_old_probes(store, clock)
    content = secrets.token_bytes(32)
    probe = await store.put(
        f"{PROBES}/{secrets.token_hex(8)}",
        content,
        sha256=hashlib.sha256(content).hexdigest(),
        lock_until=clock() + PROBE_LOCK,
    )
    for promise, attack in attacks.items():
        with suppress(Refused):
            await attack(probe)
        if await _head(store, probe) != probe:
            raise Refused("this store cannot keep evidence", broken_promise=promise, **named)


async def _head(store: ObjectStore, probe: Version) -> Version | None:
    try:
        return await store.head(probe.key, probe.version_id)
    except NotFound:
        return None


async def _remove_old_probes(store: ObjectStore, clock: Clock) -> None:
    async for old in store.list_versions(f"{PROBES}/"):
        if old.marker or old.lock_until is None or old.lock_until < clock():
            with suppress(HuiyinError):  # another process tidies up too
                await store.delete_version(old.key, old.version_id)
