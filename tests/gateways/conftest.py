"""A recorder and a way to it, for every gateway."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.sip.transport import Link
from tests.recording import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture(params=["UDP", "TCP"])
async def link(request: pytest.FixtureRequest, house: House) -> AsyncIterator[Link]:
    opened = await Link.open(house.address, request.param)
    yield opened
    opened.close()
