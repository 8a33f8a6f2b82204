"""Houses that several tests begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from archive.house import Archive
from core.database import Database
from core.settings import Settings
from tests.integration.kept import House, open_house
from tests.web import Web, serving


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Every setting as it is when nobody sets it, with the test's own directory."""
    return Settings(data_dir=tmp_path)


@pytest.fixture
async def web(archive: Archive, tmp_path: Path, settings: Settings) -> AsyncIterator[Web]:
    """The seeded house, served."""
    async with serving(archive, tmp_path, settings) as served:
        yield served


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """A house whose clock is in the test's hand."""
    opened = await open_house(database, tmp_path)
    yield opened
    await opened.archive.store.close()
