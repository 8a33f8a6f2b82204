"""Which versions a recording has in the store, whether or not the catalogue names them."""

from collections.abc import Iterable
from uuid import UUID

from archive.store import ObjectStore, Version


async def find_versions(store: ObjectStore, keys: Iterable[str], recording_id: UUID) -> list[Version]:
    """All versions under the recording's own directories, and of its other keys (links) exactly."""
    own, others = set[str](), set[str]()
    for key in keys:
        before, separator, _ = key.partition(f"/{recording_id}/")
        (own if separator else others).add(before + separator)
    found = [version for prefix in sorted(own) async for version in store.list_versions(prefix)]
    for key in sorted(others):
        found += await store.versions_of(key)
    return found
