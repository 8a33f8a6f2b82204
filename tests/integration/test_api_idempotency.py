"""A write that is sent again under its key: answered again, not done again; on both databases and over a restart."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import func, select, update

from api.access.secret import digest
from api.app import ENDPOINTS, build_app
from api.idempotency import KEPT_FOR, LEASE, IdempotencyKey, forget_old
from api.openapi import document
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from core.clock import utc_now
from core.ledger import LedgerRow
from core.settings import Settings
from retention.holds import HoldCase
from service.night import run_night
from tests.web import Web

CASE = {"name": "示例案件", "reason": "审计抽查", "orders": ["GD20261118-0001"]}


async def send(
    web: Web, key: str, body: object = CASE, role: str = "auditor", path: str = "/api/v1/holds"
) -> ClientResponse:
    headers = {**await web.bearer(role), "Idempotency-Key": key}
    return await web.client().post(path, json=body, headers=headers)


async def count(archive: Archive, table: type[Any]) -> int:
    async with archive.database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_the_same_again_is_answered_again(web: Web, archive: Archive) -> None:
    first = await send(web, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    assert first.status == 202
    assert "Idempotency-Replayed" not in first.headers
    said, ledger = await first.json(), await count(archive, LedgerRow)
    for key in ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"):
        again = await send(web, key)
        assert (again.status, await again.json()) == (202, said)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.content_type == "application/json"
    assert await count(archive, HoldCase) == 1
    assert await count(archive, LedgerRow) == ledger
    assert (await send(web, "another")).status == 202
    assert (await web.post("/api/v1/holds", CASE, "auditor")).status == 202
    assert await count(archive, HoldCase) == 3


async def test_another_request_under_a_used_key_is_refused(web: Web, archive: Archive) -> None:
    assert (await send(web, "k")).status == 202
    assert (await send(web, "k", {**CASE, "reason": "另一个理由"})).status == 422
    assert (await send(web, "k", path="/api/v1/disposals")).status == 422
    assert (await send(web, "k", role="system")).status == 202, "a key is its account's own"
    assert await count(archive, HoldCase) == 2


@pytest.mark.parametrize("key", ["", " ", '"', '""', "a b", "a" * 256, "键", 'a"b', '"a\\"', "a,b"])
async def test_a_key_that_is_none_is_refused(web: Web, archive: Archive, key: str) -> None:
    assert (await send(web, key)).status == 400
    assert await count(archive, HoldCase) == 0


async def test_many_at_once_do_it_once(web: Web, archive: Archive) -> None:
    await web.bearer("auditor")
    answers = await asyncio.gather(*(send(web, "once") for _ in range(8)))
    assert {answer.status for answer in answers} <= {202, 409}
    made = {(await answer.json())["id"] for answer in answers if answer.status == 202}
    assert len(made) == 1
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 409)
    assert await count(archive, HoldCase) == 1


async def test_while_the_first_is_under_way_and_after_it_died(web: Web, archive: Archive) -> None:
    """The row is put back to how a process that dies leaves it."""
    assert (await send(web, "k")).status == 202
    for lease, status in ((LEASE, 409), (timedelta(seconds=-1), 202)):
        async with archive.database.write() as session:
            await session.execute(update(IdempotencyKey).values(status=0, lease_until=utc_now() + lease))
        assert (await send(web, "k")).status == status
    assert await count(archive, HoldCase) == 2
    assert (await send(web, "k")).headers["Idempotency-Replayed"] == "true"


async def test_it_survives_a_restart(web: Web, archive: Archive, tmp_path: Path) -> None:
    said = await (await send(web, "k")).json()
    headers = {**await web.bearer("auditor"), "Idempotency-Key": "k"}
    async with TestClient(TestServer(build_app(archive, Settings(data_dir=tmp_path)))) as client:
        answer = await client.post("/api/v1/holds", json=CASE, headers=headers)
        assert (answer.status, await answer.json()) == (202, said)
    assert await count(archive, HoldCase) == 1


async def test_a_refusal_is_an_answer_and_being_away_is_none(web: Web, archive: Archive, tmp_path: Path) -> None:
    refused = await send(web, "k", {**CASE, "orders": []})
    assert refused.status == 403, "a rule of the house: it needs a scope"
    again = await send(web, "k", {**CASE, "orders": []})
    assert await again.json() == await refused.json(), "the very same problem, with its identifier"
    path = f"/api/v1/recordings/{web.seeded.full}/versions"
    body = {"base_version": 1, "reason": "听错一个字", "texts": {"0": "您好"}}
    shutil.move(tmp_path / "store", tmp_path / "away")
    (tmp_path / "store").write_bytes(b"no directory")
    assert (await send(web, "c", body, "agent", path)).status == 503
    (tmp_path / "store").unlink()
    shutil.move(tmp_path / "away", tmp_path / "store")
    answer = await send(web, "c", body, "agent", path)
    assert answer.status in (200, 201), await answer.text()
    assert "Idempotency-Replayed" not in answer.headers


async def test_what_only_reads_is_read_anew(web: Web, archive: Archive) -> None:
    path, body = f"/api/v1/recordings/{web.seeded.full}/reveal", {"purpose": "核对回访对象"}
    before = await count(archive, LedgerRow)
    for _ in range(2):
        answer = await send(web, "k", body, "auditor", path)
        assert answer.status == 200, await answer.text()
        assert "Idempotency-Replayed" not in answer.headers
    assert await count(archive, LedgerRow) >= before + 2
    assert await count(archive, IdempotencyKey) == 0


async def test_the_database_tells_neither_key_nor_answer(web: Web, archive: Archive) -> None:
    body = {"label": "gateway", "scopes": ["recordings.upload"], "days": 30}
    made = await (await send(web, "my-own-key", body, "system", "/api/v1/account/tokens")).json()
    async with archive.database.read() as session:
        (row,) = (await session.scalars(select(IdempotencyKey))).all()
    told = " ".join(str(getattr(row, column.key)) for column in IdempotencyKey.__table__.columns)
    assert made["secret"] not in told
    assert "my-own-key" not in told
    again = await (await send(web, "my-own-key", body, "system", "/api/v1/account/tokens")).json()
    assert again["secret"] == made["secret"]


async def test_keys_are_forgotten_after_a_day(web: Web, archive: Archive) -> None:
    assert (await send(web, "k")).status == 202
    async with archive.database.write() as session:
        assert await forget_old(session, utc_now()) == 0
        await session.execute(update(IdempotencyKey).values(begun_at=utc_now() - KEPT_FOR))
    assert (await send(web, "k", {**CASE, "reason": "第二天的事"})).status == 202, "its day is over"
    async with archive.database.write() as session:
        assert await forget_old(session, utc_now() + KEPT_FOR + LEASE) == 1


async def test_the_night_forgets_them(web: Web, archive: Archive, tmp_path: Path) -> None:
    ensure_ledger_key(Settings(data_dir=tmp_path))
    for key in ("old", "new"):
        assert (await send(web, key)).status == 202
    async with archive.database.write() as session:
        old = update(IdempotencyKey).where(IdempotencyKey.key == digest("old"))
        await session.execute(old.values(begun_at=utc_now() - KEPT_FOR, lease_until=utc_now() - KEPT_FOR))
    await run_night(archive, Settings(data_dir=tmp_path), now=utc_now())
    async with archive.database.read() as session:
        assert (await session.scalars(select(IdempotencyKey.key))).all() == [digest("new")]


def test_the_document_says_which_writes_take_a_key() -> None:
    paths = document(ENDPOINTS, "1")["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            named = "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
            read = path.endswith("/reveal") or path in ("/api/v1/persons", "/api/v1/search/export", "/api/v1/login")
            files = "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
            assert named == (method == "post" and not read and not files), (method, path)
