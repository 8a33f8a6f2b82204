"""Handovers through the API: asked for, written by a worker, downloaded by whoever may, each step on record."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from core.ledger import LedgerRow
from core.settings import Settings
from service import pipeline, worker
from tests.bags import verify
from tests.web import ORDER, Web, serving


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
async def web(archive: Archive, tmp_path: Path, settings: Settings) -> AsyncIterator[Web]:
    async with serving(archive, tmp_path, settings) as served:
        yield served


async def work(web: Web, settings: Settings) -> None:
    """What a worker process does, until nothing is left."""

    def none() -> Any:
        raise AssertionError("no speech engine is needed")

    await worker.run(pipeline.Context(web.archive, settings, none), lambda: False, until_idle=True)


async def ask(web: Web, scope: dict[str, str], role: str = "auditor", purpose: str = "合同期满移交") -> Any:
    return await web.post("/api/v1/exports", {"scope": scope, "purpose": purpose}, role=role)


async def ledger(web: Web, kind: str) -> list[LedgerRow]:
    async with web.archive.database.read() as session:
        return list(await session.scalars(select(LedgerRow).where(LedgerRow.kind == kind).order_by(LedgerRow.seq)))


async def test_from_asking_to_the_file(web: Web, settings: Settings, tmp_path: Path) -> None:
    key = ensure_ledger_key(settings)
    asked = await ask(web, {"kind": "all"})
    assert asked.status == 202
    said = await asked.json()
    assert (said["state"], said["recordings"], said["written"], said["job"]) == ("listed", 3, 0, "queued")
    early = await web.get(f"/api/v1/exports/{said['id']}/download", role="auditor")
    assert early.status == 409
    assert not await ledger(web, "handed out")
    await work(web, settings)
    done = await (await web.get(f"/api/v1/exports/{said['id']}", role="client")).json()
    assert (done["state"], done["written"], done["job"], done["error"]) == ("done", 3, "done", "")
    answer = await web.get(f"/api/v1/exports/{said['id']}/download", role="auditor")
    assert answer.content_type == "application/zip"
    file = tmp_path / "taken.zip"
    file.write_bytes(await answer.read())
    assert verify(file, key.verifier)[0] == 0
    [row] = await ledger(web, "handed out")
    assert (row.actor, row.subject) == ("auditor", said["id"])
    assert done["tag_manifest"] in row.leaf
    listed = await (await web.get("/api/v1/exports", role="auditor")).json()
    assert [each["id"] for each in listed["items"]] == [said["id"]]


async def test_an_order_and_a_period(web: Web, settings: Settings) -> None:
    ensure_ledger_key(settings)
    order = await (await ask(web, {"kind": "order", "name": ORDER})).json()
    period = await (await ask(web, {"kind": "period", "from": "2026-11-20", "to": "2026-11-20"})).json()
    assert (order["recordings"], period["recordings"]) == (1, 3)
    await work(web, settings)
    for said in (order, period):
        assert (await (await web.get(f"/api/v1/exports/{said['id']}", role="auditor")).json())["state"] == "done"


async def test_why_it_stopped_is_shown(web: Web, settings: Settings) -> None:
    # Nobody made the signing key.
    said = await (await ask(web, {"kind": "all"})).json()
    await work(web, settings)
    shown = await (await web.get(f"/api/v1/exports/{said['id']}", role="auditor")).json()
    assert shown["job"] == "queued"
    assert "HUIYIN_LEDGER_KEY_FILE" in shown["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scope": {"kind": "all"}}, 422),
        ({"scope": {"kind": "all"}, "purpose": ""}, 422),
        ({"scope": {"kind": "some"}, "purpose": "移交"}, 422),
        ({"scope": {"kind": "period", "from": "2026-11-20"}, "purpose": "移交"}, 422),
        ({"scope": {"kind": "period", "from": "2026-11-21", "to": "2026-11-20"}, "purpose": "移交"}, 422),
        ({"scope": {"kind": "order", "name": "unknown"}, "purpose": "移交"}, 404),
        ({"scope": {"kind": "case", "name": "unknown"}, "purpose": "移交"}, 404),
    ],
)
async def test_what_cannot_be_handed_over(web: Web, body: dict[str, Any], status: int) -> None:
    assert (await web.post("/api/v1/exports", body, role="auditor")).status == status
    assert not await ledger(web, "exported")


async def test_an_agent_hands_nothing_over(web: Web) -> None:
    assert (await ask(web, {"kind": "all"}, role="agent")).status == 403
    assert (await web.get("/api/v1/exports", role="agent")).status == 403


async def test_a_bag_that_was_taken_away(web: Web, settings: Settings) -> None:
    ensure_ledger_key(settings)
    said = await (await ask(web, {"kind": "all"})).json()
    await work(web, settings)
    for file in settings.exports.iterdir():
        file.unlink()
    assert (await web.get(f"/api/v1/exports/{said['id']}/download", role="auditor")).status == 404
    assert not await ledger(web, "handed out")
