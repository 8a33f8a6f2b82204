"""Facts met with S3 servers: lost answers, dropped and broken locks, other error codes, fractions, rot inside."""

import asyncio
import hashlib
import io
import logging
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, CopySource, Filter
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.retention import Retention

from archive.connect import connect_store
from archive.house import Archive
from archive.inspection import Inspector, Reading
from archive.s3 import SMALLEST_PART, S3Store
from archive.store import ObjectStore, Version
from core.clock import utc_now
from core.database import Database
from core.errors import Damaged, Refused, Unavailable
from core.settings import load
from service.readiness import make_ready
from tests.certificates import Authority
from tests.ports import LOOPBACK
from tests.s3_relay import Answer, Cut, Fate, Forward, Relay, Request
from tests.servers import Seaweed, start_seaweed

YEAR = timedelta(days=365)
MODE, DATE = "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def put(store: ObjectStore, key: str = "a", content: bytes = b"evidence") -> Version:
    return await store.put(key, content, sha256=sha256(content), lock_until=utc_now() + YEAR)


async def listed(store: ObjectStore, prefix: str = "") -> list[Version]:
    return [version async for version in store.list_versions(prefix)]


@pytest.fixture
def bucket() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def client(seaweed: Seaweed) -> Minio:
    """The server behind our back."""
    return Minio(f"{LOOPBACK}:{seaweed.port}", access_key=seaweed.key, secret_key=seaweed.secret, secure=False)


@pytest.fixture
def relay(seaweed: Seaweed) -> Iterator[Relay]:
    with Relay(seaweed.port).running() as between:
        yield between


def through(relay: Relay, seaweed: Seaweed, bucket: str) -> str:
    return seaweed.url(bucket).replace(f":{seaweed.port}/", f":{relay.port}/") + "&region=us-east-1"


@pytest.fixture
async def relayed(seaweed: Seaweed, relay: Relay, bucket: str) -> AsyncIterator[S3Store]:
    """A store that is reached through the relay."""
    store = connect_store(through(relay, seaweed, bucket))
    assert isinstance(store, S3Store)
    await store.prepare()
    yield store
    await store.close()


@pytest.fixture
async def direct(seaweed: Seaweed, relayed: S3Store, bucket: str) -> AsyncIterator[ObjectStore]:
    """The same bucket without the relay."""
    store = connect_store(seaweed.url(bucket))
    yield store
    await store.close()


def writes(request: Request) -> bool:
    """Whether a request puts an object, and not a bucket or one of its settings."""
    return request.method == "PUT" and request.path.count("/") == 2 and not request.query


async def test_a_write_that_never_arrived_is_tried_again(relay: Relay, relayed: S3Store) -> None:
    tried: list[str] = []

    def fate(request: Request, forward: Forward) -> Answer:
        if writes(request):
            tried.append(request.path)
            if len(tried) == 1:
                raise Cut
        return forward(request)

    relay.fate = fate
    written = await put(relayed)
    assert await listed(relayed) == [written]
    assert len(tried) == 2


async def test_a_write_whose_answer_is_lost_is_found_and_not_repeated(relay: Relay, relayed: S3Store) -> None:
    def fate(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if writes(request):
            raise Cut
        return answer

    relay.fate = fate
    written = await put(relayed)
    assert await listed(relayed) == [written]
    sent = [method for method, path in relay.seen if method == "PUT" and path.count("/") == 2]
    assert len(sent) == 1, "neither we nor the SDK send it again"


async def test_the_sdk_repeats_nothing_by_itself(relay: Relay, relayed: S3Store) -> None:
    def fate(request: Request, forward: Forward) -> Answer:
        return Answer(503, {"Content-Type": "application/xml"}) if writes(request) else forward(request)

    relay.fate = fate
    with pytest.raises(Unavailable):
        await put(relayed)
    # Once, and once after each of our two waits; each time it is looked first whether the write has arrived.
    kinds = [method for method, path in relay.seen if path.count("/") == 2 or method == "GET"]
    assert [kind for kind in kinds if kind == "PUT"] == ["PUT"] * 3
    assert await listed(relayed) == []


async def test_a_lock_that_the_server_dropped_is_set_after_the_write(
    relay: Relay, relayed: S3Store, direct: ObjectStore
) -> None:
    locked: list[str] = []

    def fate(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if request.method == "PUT" and "retention" in request.query:
            locked.append(request.path)
        if request.method == "HEAD" and not locked:
            answer.headers = without_lock(answer.headers)
        return answer

    relay.fate = fate
    written = await put(relayed)
    assert len(locked) == 1
    assert await direct.head(written.key, written.version_id) == written


def without_lock(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in (MODE.lower(), DATE.lower())}


def no_lock(request: Request, forward: Forward) -> Answer:
    answer = forward(request)
    answer.headers = without_lock(answer.headers)
    return answer


def governance(request: Request, forward: Forward) -> Answer:
    answer = forward(request)
    answer.headers = {k: "GOVERNANCE" if k.lower() == MODE.lower() else v for k, v in answer.headers.items()}
    return answer


def shorter(request: Request, forward: Forward) -> Answer:
    answer = forward(request)
    answer.headers = {k: "2027-01-01T00:00:00Z" if k.lower() == DATE.lower() else v for k, v in answer.headers.items()}
    return answer


def other_hash(request: Request, forward: Forward) -> Answer:
    answer = forward(request)
    answer.headers = {k: "0" * 64 if k.lower() == "x-amz-meta-sha256" else v for k, v in answer.headers.items()}
    return answer


def other_length(request: Request, forward: Forward) -> Answer:
    answer = forward(request)
    if request.method == "HEAD" and request.path.count("/") == 2:
        answer.headers = {k: "7" if k.lower() == "content-length" else v for k, v in answer.headers.items()}
    return answer


@pytest.mark.parametrize("fate", [no_lock, governance, shorter, other_hash, other_length])
async def test_what_a_server_kept_otherwise_than_asked_is_refused(relay: Relay, relayed: S3Store, fate: Fate) -> None:
    relay.fate = fate
    with pytest.raises(Refused, match="did not keep what was asked"):
        await put(relayed)


async def test_a_date_with_nine_digits_of_fraction_is_read(relay: Relay, relayed: S3Store) -> None:
    def fate(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if request.method == "HEAD":
            answer.headers = {
                k: re.sub(r"Z$", ".000000000Z", v) if k.lower() == DATE.lower() else v
                for k, v in answer.headers.items()
            }
        return answer

    relay.fate = fate
    written = await put(relayed)
    assert written.lock_until is not None
    assert await relayed.lengthen_lock("a", written.version_id, written.lock_until) == written
    assert await listed(relayed) == [written]


async def test_a_lost_lengthening_and_a_lost_hold_are_not_taken_for_done(relay: Relay, relayed: S3Store) -> None:
    written = await put(relayed)

    def fate(request: Request, forward: Forward) -> Answer:
        swallowed = request.method == "PUT" and {"retention", "legal-hold"} & request.query.keys()
        return Answer(200) if swallowed else forward(request)

    relay.fate = fate
    assert written.lock_until is not None
    with pytest.raises(Refused, match="did not lengthen"):
        await relayed.lengthen_lock("a", written.version_id, written.lock_until + YEAR)
    with pytest.raises(Refused, match="did not change the hold"):
        await relayed.hold("a", written.version_id, True)


class LetsDelete:
    """A server that lets locked versions be deleted."""

    promise = "cannot be deleted"

    def __init__(self) -> None:
        self._gone: set[str] = set()

    def __call__(self, request: Request, forward: Forward) -> Answer:
        version = request.query.get("versionId", "")
        if request.method == "DELETE" and version:
            self._gone.add(version)
            return Answer(204)
        return Answer(404) if version in self._gone else forward(request)


class LetsBypass(LetsDelete):
    """A server that refuses the plain deletion, and gives in to whoever asks to bypass the lock."""

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if request.method == "DELETE":
            return forward(request)
        if request.method == "POST" and "delete" in request.query:
            self._gone |= set(re.findall(r"<VersionId>(.*?)</VersionId>", request.body.decode()))
            return Answer(200, {}, b"<DeleteResult></DeleteResult>")
        return super().__call__(request, forward)


class LetsShorten:
    """A server that takes any later date for a lock, and any earlier one."""

    promise = "cannot be shortened"

    def __init__(self) -> None:
        self._dates: dict[str, str] = {}

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if request.method == "PUT" and "retention" in request.query:
            (date,) = re.findall(r"<RetainUntilDate>(.*?)</RetainUntilDate>", request.body.decode())
            self._dates[request.query["versionId"]] = date
            return Answer(200)
        answer = forward(request)
        if date := self._dates.get(request.query.get("versionId", "")):
            answer.headers = {k: date if k.lower() == DATE.lower() else v for k, v in answer.headers.items()}
        return answer


Broken = type[LetsDelete] | type[LetsBypass] | type[LetsShorten]
BROKEN: list[Broken] = [LetsDelete, LetsBypass, LetsShorten]


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_server_that_lets_locks_be_broken_fails_the_start_up_check(
    relay: Relay, relayed: S3Store, broken: Broken
) -> None:
    await relayed.self_test()
    relay.fate = broken()
    with pytest.raises(Refused, match="cannot keep evidence") as caught:
        await relayed.self_test()
    assert broken.promise in str(caught.value.facts["broken_promise"])


async def test_the_service_does_not_start_on_such_a_server(
    relay: Relay, seaweed: Seaweed, bucket: str, tmp_path: Path
) -> None:
    relay.fate = LetsDelete()
    settings = load({"HUIYIN_DATA_DIR": str(tmp_path), "HUIYIN_STORE_URL": through(relay, seaweed, bucket)})
    with pytest.raises(Refused, match="cannot keep evidence"):
        await make_ready(settings)


async def test_a_copy_does_not_get_the_lock_that_was_asked(client: Minio, relayed: S3Store, bucket: str) -> None:
    """Why nothing here copies on the server: the date that comes of it is another than the one asked for."""
    written = await put(relayed)
    asked = (utc_now() + 2 * YEAR).replace(microsecond=0)
    copy = client.copy_object(bucket, "copy", CopySource(bucket, "a"), retention=Retention(COMPLIANCE, asked))
    assert copy.version_id
    found = await relayed.head("copy", copy.version_id)
    assert found.lock_until != asked, "this server has learnt it: the note in docs/operations.md can go"
    assert found.lock_until in (None, written.lock_until)


async def test_a_key_with_an_empty_part_becomes_another_key(client: Minio, relayed: S3Store, bucket: str) -> None:
    """Why such keys are refused before they reach a server: what was put under one would be looked for under it."""
    client.put_object(bucket, "x//y", io.BytesIO(b"x"), 1)
    keys = [found.object_name for found in client.list_objects(bucket, recursive=True)]
    assert keys == ["x/y"], "this server has learnt it"
    with pytest.raises(ValueError, match="not a key"):
        await put(relayed, "x//y")


async def test_an_upload_in_parts_whose_lock_is_dropped_is_locked_afterwards(
    relay: Relay, relayed: S3Store, direct: ObjectStore, tmp_path: Path
) -> None:
    locked: list[str] = []

    def fate(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if request.method == "PUT" and "retention" in request.query:
            locked.append(request.path)
        return no_lock(request, lambda _: answer) if request.method == "HEAD" and not locked else answer

    relay.fate = fate
    relayed.largest_single, relayed.part = 1 << 20, SMALLEST_PART
    path = tmp_path / "large"
    path.write_bytes(secrets.token_bytes(6 << 20))
    content = path.read_bytes()
    written = await relayed.put("large", path, sha256=sha256(content), lock_until=utc_now() + YEAR)
    assert any(method == "POST" for method, _ in relay.seen), "it did go in parts"
    assert locked
    assert await direct.head("large", written.version_id) == written


async def test_a_version_without_lock_or_hold_is_told_as_such(client: Minio, relayed: S3Store, bucket: str) -> None:
    """Servers have other error codes for "no lock" and "no hold"; we read neither, but the headers of HEAD."""
    bare = client.put_object(bucket, "bare", io.BytesIO(b"x"), 1)
    assert bare.version_id
    for ask in (client.get_object_retention, client.is_object_legal_hold_enabled):
        try:
            assert not ask(bucket, "bare", version_id=bare.version_id)
        except S3Error as error:
            assert str(error.code).startswith(("NoSuchObject", "ObjectLockConfiguration"))  # noqa: PT017
    found = await relayed.head("bare", bare.version_id)
    assert (found.lock_until, found.held) == (None, False)
    assert (await relayed.hold("bare", bare.version_id, True)).held
    assert not (await relayed.hold("bare", bare.version_id, False)).held
    until = (utc_now() + YEAR).replace(microsecond=0)
    assert (await relayed.lengthen_lock("bare", bare.version_id, until)).lock_until == until


async def test_rules_of_expiration_are_warned_of(
    client: Minio, relayed: S3Store, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    await relayed.self_test()
    assert "expire" not in caplog.text
    rule = Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="tidy", expiration=Expiration(days=30))
    client.set_bucket_lifecycle(bucket, LifecycleConfig([rule]))
    with caplog.at_level(logging.WARNING):
        await relayed.self_test()
    assert "expire" in caplog.text
    assert await relayed.expiring_rules() == ["tidy"]


async def test_rot_inside_the_server_shows_when_it_is_read(sqlite_database: Database) -> None:
    content = secrets.token_bytes(300_000)
    with start_seaweed() as server:
        store = connect_store(server.url("evidence"))
        await store.prepare()
        written = await put(store, "a/b", content)
        (volume,) = [path for path in server.directory.rglob("*.dat") if content in path.read_bytes()]
        place = volume.read_bytes().index(content) + 1000
        with volume.open("r+b") as file:
            file.seek(place)
            file.write(bytes(byte ^ 0xFF for byte in content[1000:1010]))
        assert await store.head("a/b", written.version_id) == written, "HEAD knows nothing of it"
        inspector = Inspector(Archive(sqlite_database, store, utc_now))

        async def read() -> None:
            with pytest.raises(Damaged):
                [chunk async for chunk in store.read("a/b", written.version_id)]

        # At once: the server itself tries for a quarter of a minute before it says that it cannot.
        wanted = Reading("a/b", written.version_id, written.size, written.sha256)
        _, ((_, faults),) = await asyncio.gather(read(), inspector.read([wanted]))
        assert [fault.subject for fault in faults] == ["a/b"]
        inspector.close()
        await store.close()


async def test_a_reading_that_breaks_off_goes_on_where_it_was(relay: Relay, relayed: S3Store) -> None:
    content = secrets.token_bytes(700_000)
    written = await put(relayed, "long", content)
    broken: list[int] = []

    def fate(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if request.method == "GET" and request.path.endswith("/long") and not broken:
            broken.append(1)
            answer = Answer(500, {"Content-Type": "application/xml"})
        return answer

    relay.fate = fate
    assert b"".join([chunk async for chunk in relayed.read("long", written.version_id)]) == content
    assert broken


async def test_tls_is_verified_against_the_authorities_that_are_named(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ours"), Authority(tmp_path / "strange")
    with start_seaweed(authority=authority) as server:
        url = server.url("evidence").replace("secure=false", "secure=true")
        trusting = connect_store(f"{url}&ca={authority.file}")
        await trusting.prepare()
        await trusting.self_test()
        await trusting.close()
        for doubtful in (url, f"{url}&ca={stranger.file}"):
            store = connect_store(doubtful)
            with pytest.raises(Unavailable):
                await store.ping()
            await store.close()
