"""Locks that end while a test looks on.

On a local store nobody waits for them: calls are sealed as of a minute ago.  A server has a clock of its own, and what
must happen before a lock ends takes a busy machine longer than an idle one.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from archive.connect import connect_store
from archive.house import Archive
from archive.local import LocalStore
from archive.seal import NewRecording, seal_recording
from archive.store import ObjectStore

A_MINUTE = timedelta(minutes=1)
LEAST, TIMES, LOOKS = timedelta(seconds=4), 30, 10


async def seal_expired(archive: Archive, recordings: Sequence[NewRecording], audio: Path) -> None:
    """Seal calls on a local store whose date has come meanwhile."""
    assert isinstance(archive.store, LocalStore)
    then = archive.clock() - A_MINUTE
    store = connect_store(archive.store.root.as_uri(), clock=lambda: then)
    past = replace(archive, store=store, clock=lambda: then)
    for recording in recordings:
        await seal_recording(past, recording, audio, retain_until=then + A_MINUTE / 2)
    await store.close()


async def short_lock(store: ObjectStore) -> timedelta:
    """A few seconds, and more where the machine has much to do: time for dozens of requests before it ends."""
    began = time.monotonic()
    for _ in range(LOOKS):
        async for _ in store.list_versions("nothing/"):
            pass
    return LEAST + timedelta(seconds=TIMES * (time.monotonic() - began))
