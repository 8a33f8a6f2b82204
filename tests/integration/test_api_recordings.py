"""Recordings over HTTP: lists, facts, dialogue, search, and sound by ranges after the ledger row."""

import hashlib
import io
from pathlib import Path
from uuid import uuid4

import pytest
import soundfile
from sqlalchemy import select

from archive.catalogue import StoredObject
from archive.house import Archive
from core.ledger import LedgerRow
from tests.web import HOSTILE, ORDER, OTHER_ORDER, Web


async def _ids(web: Web, query: str) -> list[str]:
    answer = await web.get(f"/api/v1/recordings{query}")
    assert answer.status == 200
    return [each["id"] for each in (await answer.json())["items"]]


async def test_recordings_are_listed_newest_first(web: Web) -> None:
    seeded = web.seeded
    newest_first = [str(seeded.failed), str(seeded.pending), str(seeded.full)]
    assert await _ids(web, "") == newest_first
    assert await _ids(web, "?day=2026-11-20") == newest_first
    assert await _ids(web, "?day=2026-11-21") == []
    assert await _ids(web, "?from=2026-11-20&to=2026-11-20") == newest_first
    assert await _ids(web, "?to=2026-11-19") == []
    assert await _ids(web, f"?order={ORDER}") == [str(seeded.full)]
    assert await _ids(web, "?text_state=failed") == [str(seeded.failed)]


async def test_a_person_is_found_by_the_whole_number(web: Web) -> None:
    everything = await _ids(web, "")
    agent, citizen = await _who(web, "8001"), await _who(web, "13900005678")
    assert await _ids(web, f"?who={agent}") == everything
    assert await _ids(web, f"?who={citizen}") == [str(web.seeded.failed)]
    assert await _ids(web, f"?who={citizen}&day=2026-11-21") == []
    # Part of a number would let anybody ask for what is masked, digit by digit.
    parts = [await _who(web, part) for part in ("1390000567", "5678")]
    assert [await _ids(web, f"?who={part}") for part in parts] == [[], []]
    page = await (await web.get(f"/api/v1/recordings?who={agent}&limit=2")).json()
    following = await _ids(web, f"?who={agent}&limit=2&cursor={page['next']}")
    assert [each["id"] for each in page["items"]] + following == everything
    # An address never holds a number: it is no filter, and a word that nobody was given stands for none.
    assert (await web.get("/api/v1/recordings?person=13900005678")).status == 400
    assert (await web.get("/api/v1/recordings?who=13900005678")).status == 404


@pytest.mark.parametrize("typed", ["139-0000-5678", "139 0000 5678", "+86 13900005678", "１３９００００５６７８"])
async def test_a_citizen_is_found_however_the_number_is_typed(web: Web, typed: str) -> None:
    """As it is pasted from a telephone, a table or through a Chinese input method."""
    who = await _who(web, typed)
    assert await _ids(web, f"?who={who}") == [str(web.seeded.failed)]
    found = await (await web.get(f"/api/v1/search?who={who}")).json()
    assert [call["recording"]["id"] for call in found["items"]] == [str(web.seeded.failed)]


async def test_an_order_is_found_by_a_number_in_wide_letters(web: Web) -> None:
    wide = "ＧＤ２０２６１１１８－０００１"
    for path in (f"/orders?q={wide}", f"/recordings?order={wide}"):
        assert f"/orders/{ORDER}" in await (await web.get(path)).text(), path
    client = await web.browser("agent")
    own = await (await client.get("/api/v1/account")).json()
    form = {"csrf": own["form_token"], "work_order": f" {wide} "}
    answer = await client.post(f"/recordings/{web.seeded.failed}/link", data=form, allow_redirects=False)
    assert answer.status == 303
    assert (await (await web.get(f"/api/v1/recordings/{web.seeded.failed}")).json())["work_orders"] == [ORDER]


async def _who(web: Web, number: str) -> str:
    answer = await web.post("/api/v1/persons", {"number": number})
    assert answer.status == 201
    return str((await answer.json())["who"])


async def test_the_list_goes_on_from_its_cursor(web: Web) -> None:
    seen, query = [], "?limit=1"
    for _ in range(3):
        page = await (await web.get(f"/api/v1/recordings{query}")).json()
        seen += [each["id"] for each in page["items"]]
        query = f"?limit=1&cursor={page['next']}"
    assert page["next"] is None
    assert seen == await _ids(web, "")


@pytest.mark.parametrize("query", ["?cursor=nonsense", "?day=yesterday", "?limit=0", "?colour=red", "?cursor=5L2g"])
async def test_wrong_filters_are_named(web: Web, query: str) -> None:
    answer = await web.get(f"/api/v1/recordings{query}")
    assert answer.status == 400
    assert query[1:].split("=")[0] in (await answer.json())["detail"]


async def test_one_recording_with_its_facts(web: Web) -> None:
    said = await (await web.get(f"/api/v1/recordings/{web.seeded.full}")).json()
    assert said["citizen"] == {"number": "138****1234", "name": "王**"}
    assert said["agent"] == {"number": "8001", "name": "李**"}
    assert [each["kind"] for each in said["objects"]][:2] == ["audio", "metadata"]
    assert all(len(each["sha256"]) == 64 for each in said["objects"])
    assert [link["work_order"] for link in said["links"]] == [ORDER]
    assert {each["question"] for each in said["findings"]} >= {"connected", "solved", "satisfied"}
    assert said["streams"] == [{"label": "1", "role": "agent", "packets": 800, "lost": 0}]
    (pause,) = said["pauses"]
    assert (pause["by"], pause["reason"]) == ("agent", "市民正在说出证件号码")
    page = await (await (await web.browser("agent")).get(f"/recordings/{web.seeded.full}")).text()
    assert "agent：市民正在说出证件号码" in page
    assert "文字定稿" in said["retention"]["reason"]
    assert "2 个日历年" in said["retention"]["reason"]


@pytest.mark.parametrize("path", ["", "/transcript", "/audio"])
@pytest.mark.parametrize("identifier", ["01890000-0000-7000-8000-000000000000", "not-an-identifier"])
async def test_unknown_recordings(web: Web, identifier: str, path: str) -> None:
    assert (await web.get(f"/api/v1/recordings/{identifier}{path}")).status == 404


async def test_transcript(web: Web) -> None:
    said = await (await web.get(f"/api/v1/recordings/{web.seeded.full}/transcript")).json()
    assert said["version"] == 1
    assert said["sample_model"] is True
    assert [turn["party"] for turn in said["turns"]][:3] == ["agent", "citizen", "agent"]
    assert said["turns"][-1]["text"] == HOSTILE
    pending = await (await web.get(f"/api/v1/recordings/{web.seeded.pending}/transcript")).json()
    assert (pending["text_state"], pending["turns"]) == ("pending", [])


async def test_search_tells_the_second_and_the_place(web: Web) -> None:
    said = await (await web.get("/api/v1/search?q=路灯第二天")).json()
    (call,) = said["items"]
    (hit,) = call["hits"]
    assert (call["recording"]["id"], hit["start_ms"], hit["party"]) == (str(web.seeded.full), 3500, "citizen")
    (start, end), *_ = hit["marks"]
    assert hit["text"][start:end] == "路灯第二天"
    assert (await (await web.get("/api/v1/search?q=水管")).json())["items"] == []
    assert (await web.get("/api/v1/search")).status == 400


async def _reads(archive: Archive) -> list[LedgerRow]:
    async with archive.database.read() as session:
        return list(await session.scalars(select(LedgerRow).where(LedgerRow.kind == "read")))


async def test_sound_whole_and_by_ranges(web: Web, tmp_path: Path) -> None:
    whole = (tmp_path / "tones.flac").read_bytes()
    path, size = f"/api/v1/recordings/{web.seeded.full}/audio", len(whole)
    answer = await web.get(path)
    assert answer.status == 200
    assert await answer.read() == whole
    assert answer.headers["Content-Type"] == "audio/flac"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(whole).hexdigest()}"'
    for header, expected in (
        ("bytes=0-0", whole[:1]),
        ("bytes=1-", whole[1:]),
        ("bytes=777-1776", whole[777:1777]),
        (f"bytes={size - 1}-{size + 99}", whole[-1:]),
        ("bytes=-5", whole[-5:]),
        (f"bytes=-{size * 2}", whole),
    ):
        part = await web.get(path, Range=header)
        assert (part.status, await part.read()) == (206, expected), header
        start = size - len(expected) if header.startswith("bytes=-") else int(header[6:].split("-")[0])
        assert part.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{size}"
        assert part.headers["Content-Length"] == str(len(expected))
    for header in ("bytes=0-1,4-5", "bytes=5-1", "lines=0-1"):
        ignored = await web.get(path, Range=header)
        assert (ignored.status, await ignored.read()) == (200, whole)


async def test_ranges_outside_the_sound(web: Web, tmp_path: Path) -> None:
    size = (tmp_path / "tones.flac").stat().st_size
    answer = await web.get(f"/api/v1/recordings/{web.seeded.full}/audio", Range=f"bytes={size}-")
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{size}"
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"


async def test_conditional_requests(web: Web, tmp_path: Path) -> None:
    whole, path = (tmp_path / "tones.flac").read_bytes(), f"/api/v1/recordings/{web.seeded.full}/audio"
    etag = f'"{hashlib.sha256(whole).hexdigest()}"'
    same = await web.get(path, **{"Range": "bytes=0-9", "If-Range": etag})
    assert (same.status, await same.read()) == (206, whole[:10])
    for other in ('"other"', f"W/{etag}", "Sat, 21 Nov 2026 00:00:00 GMT"):
        changed = await web.get(path, **{"Range": "bytes=0-9", "If-Range": other})
        assert (changed.status, await changed.read()) == (200, whole)
    unchanged = await web.get(path, **{"If-None-Match": etag})
    assert (unchanged.status, await unchanged.read()) == (304, b"")


async def test_one_ledger_row_for_one_listening(web: Web) -> None:
    path = f"/api/v1/recordings/{web.seeded.full}/audio?purpose=quality"
    assert await _reads(web.archive) == []
    for header in ("bytes=0-9", "bytes=10-99", "bytes=0-"):
        assert (await web.get(path, Range=header)).status == 206
    rows = await _reads(web.archive)
    assert [(row.actor, row.subject) for row in rows] == [("agent", str(web.seeded.full))]
    assert "quality" in rows[0].leaf
    await web.get(path, role="auditor")
    await web.get(f"/api/v1/recordings/{web.seeded.full}/audio")
    assert [row.actor for row in await _reads(web.archive)] == ["agent", "auditor", "agent"]


async def test_no_sound_without_its_ledger_row(web: Web) -> None:
    """Where the ledger cannot be written, nothing is heard."""
    await web.bearer("agent")  # a login is in the ledger, too
    async with web.archive.database.write() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("ALTER TABLE ledger RENAME COLUMN leaf TO unwritable")
    answer = await web.get(f"/api/v1/recordings/{web.seeded.full}/audio")
    assert answer.status in (500, 503)
    assert b"fLaC" not in await answer.read()


async def test_altered_sound_is_not_served(web: Web, tmp_path: Path) -> None:
    async with web.archive.database.read() as session:
        stored = await session.scalar(
            select(StoredObject).where(StoredObject.recording_id == web.seeded.full, StoredObject.kind == "audio")
        )
    assert stored
    altered = 0
    for file in (tmp_path / "store").rglob("*"):
        if file.is_file() and file.stat().st_size == stored.size:
            file.chmod(0o600)
            content = bytearray(file.read_bytes())
            content[500] ^= 1
            file.write_bytes(content)
            altered += 1
    assert altered
    answer = await web.get(f"/api/v1/recordings/{web.seeded.full}/audio")
    assert answer.status == 500
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_link_by_a_person(web: Web) -> None:
    path = f"/api/v1/recordings/{web.seeded.pending}/link"
    assert (await web.post(path, {"work_order": OTHER_ORDER}, role="auditor")).status == 403
    assert (await web.post(path, {"work_order": "unheard of"})).status == 404
    assert (await web.post(path, {"work_order": ""})).status == 422
    linked = await web.post(path, {"work_order": OTHER_ORDER})
    assert linked.status == 201
    assert (await linked.json())["by"] == "agent"
    said = await (await web.get(f"/api/v1/work-orders/{OTHER_ORDER}")).json()
    assert [call["id"] for call in said["calls"]] == [str(web.seeded.pending)]
    assert (await (await web.get("/api/v1/link-questions")).json())["items"] == []


async def test_findings_are_accepted_and_changed(web: Web) -> None:
    said = await (await web.get(f"/api/v1/recordings/{web.seeded.full}")).json()
    solved = next(each for each in said["findings"] if each["question"] == "solved")
    assert (solved["answer"], solved["standing"]) == ("yes", "suggested")
    path = f"/api/v1/findings/{solved['id']}"
    accepted = await (await web.post(path, {"answer": "yes"})).json()
    assert (accepted["standing"], accepted["by"]) == ("accepted", "agent")
    changed = await (await web.post(path, {"answer": "partly"}, role="supervisor")).json()
    assert (changed["standing"], changed["answer"], changed["by"]) == ("changed", "partly", "supervisor")
    assert (await web.post(path, {"answer": "satisfied"})).status == 422
    assert (await web.post(f"/api/v1/findings/{uuid4()}", {"answer": "yes"})).status == 404


async def test_a_clip_is_cut_levelled_and_mixed_after_its_ledger_row(web: Web, archive: Archive) -> None:
    path = f"/api/v1/recordings/{web.seeded.full}/clip"
    answer = await web.get(f"{path}?start=0.2&end=0.7&level=true&mix=true&purpose=复核会")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    sound, rate = soundfile.read(io.BytesIO(await answer.read()), always_2d=True)
    assert sound.shape == (rate // 2, 1)
    assert 0.8 < abs(sound).max() <= 0.9, "raised to a decibel below full scale"
    async with archive.database.read() as session:
        rows = list(await session.scalars(select(LedgerRow).where(LedgerRow.kind == "read")))
    assert "clip 0.2-0.7 s: 复核会" in rows[-1].leaf
    assert (await web.get(f"{path}?start=0.2&end=0.7")).status == 400


@pytest.mark.parametrize("start", ["0.2", "0:00.2", "0:00:00.2", " ０：００．２ "])
async def test_a_clips_times_are_taken_as_people_write_them(web: Web, start: str) -> None:
    path = f"/api/v1/recordings/{web.seeded.full}/clip"
    answer = await web.get(f"{path}?start={start}&end=0:01&purpose=复核会")
    assert answer.status == 200
    sound, rate = soundfile.read(io.BytesIO(await answer.read()))
    assert len(sound) == rate * 8 // 10


@pytest.mark.parametrize(
    "query",
    [
        "start=9000",
        "start=2&end=1",
        "start=-1",
        "end=soon",
        "end=1:60",
        "end=1:60:00",
        "end=:5",
        "end=1:2:3:4",
        "start=-0:05",
    ],
)
async def test_a_clip_that_is_not_there_is_refused(web: Web, query: str) -> None:
    answer = await web.get(f"/api/v1/recordings/{web.seeded.full}/clip?purpose=复核会&{query}")
    assert answer.status == 400
    assert query[1:].split("=")[0] in (await answer.json())["detail"]
