"""Fixtures that several kinds of test share.  Databases, stores and servers are real."""

import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from archive.connect import connect_store
from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from tests.kept_databases import KeptDatabases
from tests.servers import Missing, Postgres, Seaweed, start_postgres, start_seaweed
from tests.tables import create_all

MUST_RUN_ALL = os.environ.get("REQUIRE_ALL_TESTS") == "1"
# The same inputs every time, however long a busy machine takes over one: new ones are looked for by ``make fuzz``.
settings.register_profile(
    "suite", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


def missing(reason: Missing) -> None:
    """Skip what cannot run here, aloud; where everything must run, fail."""
    if MUST_RUN_ALL:
        pytest.fail(str(reason))
    pytest.skip(f"NOT TESTED: {reason}")


@pytest.fixture(scope="session")
def guided_fuzzer() -> None:
    """atheris, which searches for inputs by coverage."""
    if importlib.util.find_spec("atheris") is None:
        missing(Missing("atheris has no wheel for this machine; inputs are mutated without looking at coverage"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole run."""
    try:
        with start_postgres() as server:
            yield server
    except Missing as reason:
        missing(reason)


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """One S3-compatible server for the whole run."""
    try:
        with start_seaweed() as server:
            yield server
    except Missing as reason:
        missing(reason)


@pytest.fixture(scope="session")
def sipp() -> str:
    """The SIPp program."""
    found = shutil.which("sipp")
    if found is None:
        missing(Missing("SIPp is not installed: apt-get install sip-tester"))
    assert found
    return found


async def create_tables(url: str) -> None:
    database = Database(url)
    async with database.engine.connect() as connection:
        await connection.run_sync(create_all)
        await connection.commit()
    await database.close()


@asynccontextmanager
async def _database_on(postgres: Postgres) -> AsyncIterator[str]:
    """A new PostgreSQL database that is dropped at the end; yields its address."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(host="127.0.0.1", port=postgres.port, user=postgres.user, database="postgres")
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield postgres.url(name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def empty_postgres_url(postgres: Postgres) -> AsyncIterator[str]:
    """The address of a PostgreSQL database without any table, as an operator makes it."""
    async with _database_on(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def _kept_databases(postgres: Postgres) -> KeptDatabases:
    return KeptDatabases(postgres, create_tables)


@pytest.fixture
async def postgres_url(_kept_databases: KeptDatabases) -> str:
    """The address of a PostgreSQL database with every table, as good as new."""
    return await _kept_databases.fresh()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlite") / "template.db"


@pytest.fixture
async def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """The address of a fresh SQLite database with every table."""
    if not _sqlite_template.exists():
        await create_tables(f"sqlite+aiosqlite:///{_sqlite_template}")
    path = tmp_path / "huiyin.db"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    database = Database(sqlite_url)
    yield database
    await database.close()


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[Database]:
    database = Database(postgres_url)
    yield database
    await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database with every table, on SQLite and on PostgreSQL."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    """A fresh local store."""
    local = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await local.prepare()
    yield local
    await local.close()


@pytest.fixture
async def s3_store(seaweed: Seaweed) -> AsyncIterator[ObjectStore]:
    """A fresh bucket with object lock on the real server."""
    s3 = connect_store(seaweed.url(f"test-{uuid4().hex}"), clock=utc_now)
    await s3.prepare()
    yield s3
    await s3.close()


@pytest.fixture(params=["store", "s3_store"], ids=["local", "s3"])
def any_store(request: pytest.FixtureRequest) -> ObjectStore:
    """Both stores, one after the other."""
    found: ObjectStore = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def archive(database: Database, store: ObjectStore) -> Archive:
    """An archive on the local store, on SQLite and on PostgreSQL."""
    return Archive(database, store, utc_now)
