"""The house that is attacked, on SQLite with the local store, and on PostgreSQL with a real S3 server."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from minio import Minio

from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from tests.attacked import House, furnish
from tests.ports import LOOPBACK
from tests.s3_relay import Relay
from tests.servers import Seaweed
from tests.tampering import LocalVandal, ServerVandal


@pytest.fixture
async def local_house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    yield await furnish(Archive(sqlite_database, store, utc_now), LocalVandal(tmp_path / "store"), tmp_path)
    await store.close()


@pytest.fixture
async def server_house(postgres_database: Database, seaweed: Seaweed, tmp_path: Path) -> AsyncIterator[House]:
    bucket = f"test-{uuid4().hex}"
    client = Minio(f"{LOOPBACK}:{seaweed.port}", access_key=seaweed.key, secret_key=seaweed.secret, secure=False)
    with Relay(seaweed.port).running() as relay:
        url = seaweed.url(bucket).replace(f":{seaweed.port}/", f":{relay.port}/") + "&region=us-east-1"
        store = connect_store(url, clock=utc_now)
        await store.prepare()
        vandal = ServerVandal(relay, client, bucket)
        yield await furnish(Archive(postgres_database, store, utc_now), vandal, tmp_path)
        await store.close()


@pytest.fixture(params=["local_house", "server_house"], ids=["sqlite-local", "postgres-s3"])
def house(request: pytest.FixtureRequest) -> House:
    found: House = request.getfixturevalue(request.param)
    return found
