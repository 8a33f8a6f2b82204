"""Finished recordings delivered by gateways: each format, again and again, broken, hostile, huge and slow."""

import asyncio
import gzip
import hashlib
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import numpy as np
import pytest
import soundfile
from aiohttp import ClientResponse
from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from archive.house import Archive
from archive.store import ObjectStore
from core.database import Database
from core.jobs import JobRow
from core.ledger import LedgerRow
from core.settings import Settings
from tests.web import Web, serving

STARTED = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
FACTS = {
    "call_id": "gw7-000123",
    "started_at": "2026-11-20T14:00:00+08:00",
    "direction": "outbound",
    "agent_number": "8001",
    "agent_name": "李示例",
    "citizen_number": "13800000123",
    "citizen_name": "王样本",
    "work_order": "GD20261118-0001",
}


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    settings = Settings(data_dir=tmp_path, upload_max_mb=1, upload_max_hours=1, upload_stall=timedelta(seconds=1))
    async with serving(archive, tmp_path, settings) as served:
        yield served


def sound(container: str = "WAV", channels: int = 2, seconds: float = 2.0, pitch: float = 440) -> bytes:
    time = np.arange(int(8000 * seconds)) / 8000
    tone = np.stack([0.3 * np.sin(2 * np.pi * pitch * time)] * channels, axis=1)
    target = io.BytesIO()
    soundfile.write(target, tone, 8000, format=container)
    return target.getvalue()


async def deliver(
    web: Web, content: bytes, role: str = "supervisor", name: str = "call.wav", **facts: Any
) -> ClientResponse:
    form = aiohttp.FormData()
    form.add_field("metadata", json.dumps({**FACTS, **facts}), content_type="application/json")
    form.add_field("file", content, filename=name, content_type="application/octet-stream")
    return await web.client().post("/api/v1/recordings", data=form, headers=await web.bearer(role))


async def _count(archive: Archive, table: type[Any]) -> int:
    async with archive.database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("container", ["WAV", "MP3", "OGG", "FLAC"])
async def test_each_format_becomes_a_sealed_recording(
    web: Web, archive: Archive, container: str, channels: int
) -> None:
    content = sound(container, channels)
    answer = await deliver(web, content)
    assert answer.status == 201, await answer.text()
    said = await answer.json()
    assert said["new"]
    assert said["sha256"] == hashlib.sha256(content).hexdigest()
    assert said["flags"] == (["uploaded", "mono"] if channels == 1 else ["uploaded"])
    async with archive.database.read() as session:
        row = await session.get(Recording, UUID(said["id"]))
        assert row
        objects = (await session.scalars(select(StoredObject).where(StoredObject.recording_id == row.id))).all()
        jobs = (await session.scalars(select(JobRow.kind).where(JobRow.key == said["id"]))).all()
        rows = (await session.scalars(select(LedgerRow.kind).where(LedgerRow.subject == said["id"]))).all()
    assert (row.started_at, row.sip_call_id, row.citizen_number) == (STARTED, FACTS["call_id"], "13800000123")
    assert row.facts["upload"]["sha256"] == said["sha256"]
    assert row.facts["call"] == {"direction": "outbound"}
    assert sorted(jobs) == ["find_order", "transcribe"]
    assert sorted(rows) == ["kept", "sealed"]
    assert {each.kind for each in objects} == {"audio", "metadata", "remains"}
    kept = next(each for each in objects if each.kind == "remains")
    assert kept.sha256 == said["sha256"], "the original lies beside it"
    assert all(each.lock_until >= row.retain_until for each in objects)
    heard = await web.get(f"/api/v1/recordings/{said['id']}/audio")
    decoded, rate = soundfile.read(io.BytesIO(await heard.read()))
    assert (decoded.shape[1], rate) == (2, 8000 if container != "OGG" else rate)
    assert abs(len(decoded) / rate - 2) < 0.2


async def test_the_same_again_changes_nothing_and_other_bytes_are_a_conflict(web: Web, archive: Archive) -> None:
    first = await (await deliver(web, sound())).json()
    before = await _count(archive, LedgerRow)
    again = await deliver(web, sound(), name="another name.wav", work_order="GD-9")
    assert again.status == 200
    assert await again.json() == {**first, "new": False}
    assert (await deliver(web, sound(pitch=500))).status == 409
    assert await _count(archive, LedgerRow) == before
    assert (await deliver(web, sound(pitch=500), call_id="gw7-000124")).status == 201


async def test_a_call_that_was_recorded_here_is_not_taken_twice(web: Web) -> None:
    assert (await deliver(web, sound(), call_id="023000@gateway.example")).status == 409


async def test_many_at_once_make_one_recording(web: Web, archive: Archive) -> None:
    before = await _count(archive, Recording)
    await web.bearer("supervisor")
    answers = await asyncio.gather(*(deliver(web, sound()) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [201]
    assert await _count(archive, Recording) == before + 1
    mixed = await asyncio.gather(*(deliver(web, sound(pitch=400 + n), call_id="gw7-2") for n in range(4)))
    assert sorted(answer.status for answer in mixed) == [201, 409, 409, 409]


async def test_what_is_no_sound_lies_in_quarantine_with_the_reason(web: Web, archive: Archive, tmp_path: Path) -> None:
    before = await _count(archive, Recording)
    for content, reason in (
        (b"#EXTM3U\nfile:///etc/passwd\n", "neither WAV nor MP3"),
        (b"fLaC" + bytes(4000), ""),
        (b"", "neither"),
    ):
        answer = await deliver(web, content)
        assert answer.status == 422
        assert reason in (await answer.json())["detail"]
        assert (await deliver(web, content)).status == 422, "again is refused again"
    assert await _count(archive, Recording) == before
    listed = (await (await web.get("/api/v1/quarantine", "system")).json())["items"]
    assert len(listed) == 3, "each content once"
    text = next(each for each in listed if each["size"] == 27)
    assert text["call_id"] == FACTS["call_id"]
    assert "neither WAV" in text["reason"]
    assert (tmp_path / "quarantine" / text["name"] / "file").read_bytes().startswith(b"#EXTM3U")
    assert "13800000123" not in json.dumps(listed)
    assert (await deliver(web, sound())).status == 201, "a later try with a good file goes through"


async def test_an_audio_bomb_is_refused_while_it_is_decoded(web: Web, tmp_path: Path) -> None:
    """65 minutes in some kilobytes, where an hour is allowed."""
    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", 8000, 2, "PCM_16", format="FLAC") as file:
        for _ in range(65):
            file.write(np.zeros((8000 * 60, 2), np.int16))
    assert len(target.getvalue()) < 1 << 20
    answer = await deliver(web, target.getvalue())
    assert answer.status == 422
    assert "longer than is allowed" in (await answer.json())["detail"]
    assert not list(tmp_path.glob("intake-*"))
    assert not list((tmp_path / "uploads").iterdir())


async def test_a_huge_body_is_refused_by_its_length_alone(web: Web) -> None:
    bearer = (await web.bearer("supervisor"))["Authorization"]
    reader, writer = await asyncio.open_connection("127.0.0.1", web.server.port)
    head = f"POST /api/v1/recordings HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {bearer}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999999\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(240):
        assert b" 413 " in await reader.readline()
    writer.close()


async def test_a_huge_body_without_a_length_is_cut_off(web: Web, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(48):
            yield bytes(1 << 16)

    headers = {**await web.bearer("supervisor"), "Content-Type": "multipart/form-data; boundary=b"}
    answer = await web.client().post("/api/v1/recordings", data=pieces(), headers=headers)
    assert answer.status == 413
    assert not list((tmp_path / "uploads").iterdir())


async def test_a_compressed_body_is_refused(web: Web) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(30 << 20)
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Encoding": "gzip"}
    async with web.client().session.post(
        web.server.make_url("/api/v1/recordings"),
        data=gzip.compress(body),
        headers={**await web.bearer("supervisor"), **headers},
    ) as answer:
        assert answer.status == 415


async def test_a_slow_client_is_given_up(web: Web, tmp_path: Path) -> None:
    bearer = (await web.bearer("supervisor"))["Authorization"]
    reader, writer = await asyncio.open_connection("127.0.0.1", web.server.port)
    head = f"POST /api/v1/recordings HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {bearer}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
    head += '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF'
    writer.write(head.encode())
    async with asyncio.timeout(240):
        assert b" 408 " in await reader.readline()
    writer.close()
    assert not list((tmp_path / "uploads").iterdir())


async def test_a_file_name_leads_nowhere(web: Web, archive: Archive, tmp_path: Path) -> None:
    for name in ("../../../escaped.wav", "/etc/cron.d/x", "..\\..\\x", "%2e%2e%2fescaped.wav", ""):
        answer = await deliver(web, sound(), name=name)
        assert answer.status in (200, 201), (name, await answer.text())
    assert not list(tmp_path.parent.glob("**/*escaped*"))
    async with archive.database.read() as session:
        keys = (await session.scalars(select(StoredObject.key))).all()
    assert not [key for key in keys if ".." in key or "escaped" in key]


@pytest.mark.parametrize(
    "wrong",
    [
        {"call_id": ""},
        {"call_id": "a\nb"},
        {"call_id": "../../x y"},
        {"started_at": "2026-11-20T14:00:00"},
        {"started_at": "0001-01-01T00:00:00Z"},
        {"started_at": "9999-12-31T23:59:59Z"},
        {"direction": "sideways"},
        {"agent_number": "8001\x00"},
        {"citizen_name": "x" * 121},
        {"surprise": 1},
    ],
)
async def test_facts_that_are_wrong_are_named(web: Web, wrong: dict[str, Any]) -> None:
    answer = await deliver(web, sound(), **wrong)
    assert answer.status == 422
    assert next(iter(wrong)) in (await answer.json())["detail"]


async def test_a_call_of_next_week_lies_in_quarantine(web: Web, archive: Archive) -> None:
    answer = await deliver(web, sound(), started_at=(archive.clock() + timedelta(days=7)).isoformat())
    assert answer.status == 422
    assert "future" in (await answer.json())["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b"not multipart at all",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nRIFF',
        b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
        b"--b\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"A: b\r\n" * 20_000 + b"\r\nx\r\n--b--\r\n",
    ],
)
async def test_bodies_that_are_no_delivery(web: Web, body: bytes) -> None:
    headers = {**await web.bearer("supervisor"), "Content-Type": "multipart/form-data; boundary=b"}
    answer = await web.client().post("/api/v1/recordings", data=body, headers=headers)
    assert answer.status in (400, 413, 422), await answer.text()


async def test_other_content_types_are_refused(web: Web) -> None:
    for kind in ("application/json", "multipart/mixed; boundary=b", "multipart/form-data"):
        headers = {**await web.bearer("supervisor"), "Content-Type": kind}
        answer = await web.client().post("/api/v1/recordings", data=b"{}", headers=headers)
        assert answer.status in (400, 415)


async def test_a_token_of_a_machine_may_upload_and_nothing_else(web: Web) -> None:
    body = {"label": "gateway", "scopes": ["recordings.upload"], "days": 30}
    secret = (await (await web.post("/api/v1/account/tokens", body, "system")).json())["secret"]
    web.tokens["machine"] = secret
    assert (await deliver(web, sound(), role="machine")).status == 201
    assert (await web.get("/api/v1/recordings", "machine")).status == 403
    assert (await web.get("/api/v1/quarantine", "machine")).status == 403


async def test_an_upload_is_the_same_after_a_crash_before_the_original_was_sealed(
    web: Web, archive: Archive, database: Database, store: ObjectStore
) -> None:
    """The row of the original is removed, as if the process had died before it was written."""
    said = await (await deliver(web, sound())).json()
    async with database.write() as session:
        kept = await session.scalar(
            select(StoredObject).where(StoredObject.recording_id == UUID(said["id"]), StoredObject.kind == "remains")
        )
        assert kept
        key = kept.key
        await session.delete(kept)
    assert (await deliver(web, sound())).status == 200
    async with database.read() as session:
        assert await session.scalar(select(func.count()).where(StoredObject.key == key)) == 1
    versions = [version async for version in store.list_versions(key)]
    assert len(versions) == 1
