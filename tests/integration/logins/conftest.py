"""The seeded house by a clock that the test moves: sessions end, locks and codes run out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from archive.house import Archive
from archive.store import ObjectStore
from core.database import Database
from tests.integration.logins.clock import Clock
from tests.web import Web, serving


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def web(database: Database, store: ObjectStore, clock: Clock, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(Archive(database, store, clock), tmp_path) as served:
        yield served
