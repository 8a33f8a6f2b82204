"""Odd ranges of sound against RFC 9110, sections 13 and 14, in every form in which sound is sent."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientResponse
from multidict import CIMultiDict

from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from tests.web import Web, serving

FORMS = ("", "?form=wav", "shared")


@dataclass(frozen=True)
class Sound:
    """One form of a recording's sound: its whole, and where it is."""

    web: Web
    path: str
    whole: bytes
    etag: str
    role: str

    async def ask(self, method: str = "GET", *headers: tuple[str, str]) -> ClientResponse:
        who = await self.web.bearer(self.role) if self.role else {}
        answer = await self.web.client().request(method, self.path, headers=CIMultiDict([*who.items(), *headers]))
        await answer.read()
        return answer


@pytest.fixture(params=FORMS, ids=["flac", "wav", "shared"])
async def sound(request: pytest.FixtureRequest, sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Sound]:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path) as web:
        base = f"/api/v1/recordings/{web.seeded.full}"
        path, role = f"{base}/audio{request.param if request.param.startswith('?') else ''}", "agent"
        if request.param == "shared":
            made = await (await web.post(f"{base}/shares", {"purpose": "核对", "hours": 1}, "supervisor")).json()
            path, role = "/s/" + made["address"].rpartition("/")[2] + "/audio", ""
        answer = await Sound(web, path, b"", "", role).ask()
        assert answer.status == 200, await answer.text()
        yield Sound(web, path, await answer.read(), answer.headers["ETag"], role)
    await store.close()


async def test_the_range_that_is_asked_for_is_answered(sound: Sound) -> None:
    size, whole = len(sound.whole), sound.whole
    for header, start, stop in (
        ("bytes=0-0", 0, 1),
        ("Bytes=0-9", 0, 10),
        ("bytes=0-", 0, size),
        (f"bytes={size - 1}-", size - 1, size),
        (f"bytes={size - 1}-{'9' * 30}", size - 1, size),
        ("bytes=-1", size - 1, size),
        (f"bytes=-{'9' * 30}", 0, size),
        ("bytes=000-0007", 0, 8),
    ):
        part = await sound.ask("GET", ("Range", header))
        assert (part.status, await part.read()) == (206, whole[start:stop]), header
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert (part.headers["ETag"], part.headers["Content-Length"]) == (sound.etag, str(stop - start))


async def test_a_range_beyond_the_end_is_not_satisfiable(sound: Sound) -> None:
    size = len(sound.whole)
    for header in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0", f"bytes={'9' * 40}-"):
        refused = await sound.ask("GET", ("Range", header))
        assert (refused.status, refused.headers["Content-Range"]) == (416, f"bytes */{size}"), header
        assert "problem+json" in refused.headers["Content-Type"] or sound.role == ""


async def test_what_is_no_single_range_is_answered_with_the_whole(sound: Sound) -> None:
    for header in ("bytes=0-1,4-5", "bytes=5-1", "bytes=-", "bytes=", "bytes", "lines=0-1", "bytes=a-b", "bytes=1 - 2"):
        whole = await sound.ask("GET", ("Range", header))
        assert (whole.status, await whole.read()) == (200, sound.whole), header
        assert "Content-Range" not in whole.headers
    twice = await sound.ask("GET", ("Range", "bytes=0-1"), ("Range", "bytes=4-5"))
    assert twice.status == 200, "two lines are a list"


async def test_if_range_counts_for_the_very_same_sound_only(sound: Sound) -> None:
    for value, status in (
        (sound.etag, 206),
        (f"W/{sound.etag}", 200),
        ('"another"', 200),
        ("Sat, 21 Nov 2026 00:00:00 GMT", 200),
        ("nonsense", 200),
    ):
        part = await sound.ask("GET", ("Range", "bytes=0-9"), ("If-Range", value))
        assert part.status == status, value
        assert await part.read() == (sound.whole[:10] if status == 206 else sound.whole)
    beyond = await sound.ask("GET", ("Range", f"bytes={len(sound.whole)}-"), ("If-Range", '"another"'))
    assert beyond.status == 200, "a range that does not apply cannot be wrong"


async def test_head_tells_of_the_whole_and_knows_no_ranges(sound: Sound) -> None:
    for headers in ((), (("Range", "bytes=0-9"),), (("Range", "bytes=999999999-"),)):
        head = await sound.ask("HEAD", *headers)
        assert (head.status, await head.read()) == (200, b"")
        assert (head.headers["Content-Length"], head.headers["ETag"]) == (str(len(sound.whole)), sound.etag)
        assert (head.headers["Accept-Ranges"], "Content-Range" in head.headers) == ("bytes", False)


async def test_preconditions_come_before_ranges(sound: Sound) -> None:
    for value in (sound.etag, f"W/{sound.etag}", f'"x", {sound.etag}', "*"):
        same = await sound.ask("GET", ("If-None-Match", value), ("Range", "bytes=0-9"))
        assert (same.status, await same.read(), same.headers["ETag"]) == (304, b"", sound.etag), value
    for value, status in ((sound.etag, 206), ("*", 206), ('"another"', 412), (f"W/{sound.etag}", 412)):
        asked = await sound.ask("GET", ("If-Match", value), ("Range", "bytes=0-9"))
        assert asked.status == status, value
