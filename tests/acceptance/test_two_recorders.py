"""Two recorders with spools of their own on one database: each speaks of its own calls only, also after a crash."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from archive.catalogue import SIGNALLED, Call
from archive.live_calls import LiveCall
from core.database import Database
from service.migrate import migrate
from tests.acceptance.calling import OFFER, a_client
from tests.acceptance.running import HOP_SECONDS, Service, environment, running, settings_of, until_well
from tests.ports import free_port


@asynccontextmanager
async def recorder(variables: Mapping[str, str]) -> AsyncIterator[Service]:
    home = Path(variables["HUIYIN_DATA_DIR"]).parent
    home.mkdir(exist_ok=True)
    async with running(variables, home, "recorder") as service:
        await until_well(service, "recorder")
        yield service


async def call(service: Service) -> None:
    """A call that lasts: nobody speaks and nobody hangs up."""
    async with a_client(service.settings.sip_bind, patience=HOP_SECONDS) as client:
        await client.invite((("Content-Type", "application/sdp"),), OFFER.encode())


async def shown(database: Database) -> Set[UUID]:
    async with database.read() as session:
        return set(await session.scalars(select(LiveCall.recording_id)))


async def until_others_are_shown(database: Database, before: Set[UUID]) -> Set[UUID]:
    async with asyncio.timeout(HOP_SECONDS):
        while (found := await shown(database)) == before:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.1)
    return found


async def going_on(database: Database) -> Set[UUID]:
    async with database.read() as session:
        query = select(Call.id).where(Call.state == SIGNALLED, Call.ended_at.is_(None))
        return set(await session.scalars(query))


async def until_it_has_ended(database: Database, identifier: UUID) -> None:
    async with asyncio.timeout(HOP_SECONDS):
        while identifier in await going_on(database):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.1)


async def test_a_recorders_start_takes_away_its_own_calls_and_no_others(
    tmp_path: Path, empty_postgres_url: str
) -> None:
    shared = {
        "HUIYIN_DATABASE_URL": empty_postgres_url,
        "HUIYIN_STORE_URL": f"file://{tmp_path / 'store'}",
        "HUIYIN_MEDIA_TIMEOUT": "3600",
    }
    one, two = (environment(tmp_path / name, **shared) for name in ("one", "two"))
    await migrate(settings_of(one))
    database = Database(empty_postgres_url)
    async with recorder(one) as first:
        await call(first)
        mine = await until_others_are_shown(database, set())
        async with recorder(two) as second:
            await call(second)
            both = await until_others_are_shown(database, mine)
            assert both > mine, "the second one's start took nothing away"
            second.kill_all()
        assert await shown(database) == both
        # Where nothing can be sealed, the catalogue learns from the recorder itself that its call was cut short.
        away = f"s3://key:secret@127.0.0.1:{free_port()}/away?secure=false"
        async with recorder({**two, "HUIYIN_STORE_URL": away}) as second:
            assert await until_others_are_shown(database, both) == mine
            (cut,) = both - mine
            await until_it_has_ended(database, cut)
            assert await going_on(database) == mine
            second.kill_all()
    await database.close()
