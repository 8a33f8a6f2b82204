"""Handovers through the API: asked for, written by a worker, downloaded by whoever may, each step on record."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import FormData
from sqlalchemy import select

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from core.ledger import LedgerRow
from core.settings import Settings
from retention.handover.copies import remove_expired
from retention.handover.tables import Receipt
from service import pipeline, worker
from tests.bags import verify
from tests.web import ORDER, Web


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
    assert (done["state"], done["written"], done["job"], done["failure"]) == ("done", 3, "done", None)
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
    failure = shown["failure"]
    assert (failure["kind"], failure["final"]) == ("settings", False)
    assert "HUIYIN_LEDGER_KEY_FILE" in failure["text"]


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


# Receipts, and what may be proposed after them

PAPER = b"%PDF-1.7 signed by the receiver"


async def sign_for(
    web: Web, export: str, words: dict[str, str], role: str = "client", signed: bytes | None = PAPER
) -> Any:
    form = FormData(default_to_multipart=True)
    for name, value in words.items():
        form.add_field(name, value)
    if signed is not None:
        form.add_field("signed", signed, filename="receipt.pdf", content_type="application/pdf")
    path = f"/api/v1/exports/{export}/receipt"
    return await web.client().post(path, data=form, headers=await web.bearer(role), allow_redirects=False)


@pytest.fixture
async def handed(web: Web, settings: Settings) -> dict[str, Any]:
    """A finished handover."""
    ensure_ledger_key(settings)
    said = await (await ask(web, {"kind": "all"})).json()
    await work(web, settings)
    done: dict[str, Any] = await (await web.get(f"/api/v1/exports/{said['id']}", role="auditor")).json()
    assert done["state"] == "done"
    return done


async def test_a_receipt_with_the_signed_paper(web: Web, handed: dict[str, Any]) -> None:
    answer = await sign_for(
        web,
        handed["id"],
        {
            "tag_manifest": handed["tag_manifest"].upper(),
            "receiver": "甲方 档案室",
            "received_at": "2026-11-22T15:00:00+08:00",
        },
    )
    assert answer.status == 201, await answer.text()
    said = await answer.json()
    assert (said["export"], said["signed"], said["recorded_by"]) == (handed["id"], True, "client")
    assert said["received_at"] == "2026-11-22T07:00:00Z"
    shown = await (await web.get(f"/api/v1/exports/{handed['id']}", role="auditor")).json()
    assert [each["id"] for each in shown["receipts"]] == [said["id"]]
    async with web.archive.database.read() as session:
        receipt = await session.get_one(Receipt, UUID(said["id"]))
        paper = await session.get_one(StoredObject, receipt.signed)
        record = await session.get_one(StoredObject, receipt.record)
    content = b"".join([part async for part in web.archive.store.read(paper.key, paper.version_id)])
    assert (content, paper.key.rpartition("/")[2]) == (PAPER, "signed.pdf")
    assert paper.lock_until == record.lock_until
    [row] = await ledger(web, "received")
    assert handed["tag_manifest"] in row.leaf
    assert "档案室" not in row.leaf


async def test_what_is_no_receipt(web: Web, handed: dict[str, Any]) -> None:
    right = {"tag_manifest": handed["tag_manifest"], "receiver": "甲方"}
    for words, status in (
        (right | {"tag_manifest": "0" * 64}, 409),
        (right | {"tag_manifest": "short"}, 422),
        ({"tag_manifest": handed["tag_manifest"]}, 422),
        (right | {"received_at": "yesterday"}, 422),
        (right | {"received_at": "2026-11-22T15:00:00"}, 422),
        (right | {"signed": "not a file"}, 422),
        (right | {"more": "x"}, 422),
    ):
        answer = await sign_for(web, handed["id"], words, signed=None if "signed" in words else PAPER)
        assert answer.status == status, (words, await answer.text())
    assert (await sign_for(web, handed["id"], right, signed=b"")).status == 403
    assert (await sign_for(web, str(UUID(int=1)), right)).status == 404
    path = f"/api/v1/exports/{handed['id']}/receipt"
    assert (await web.post(path, right, role="auditor")).status == 415
    for role in ("agent", "supervisor", "system", "security", "audit"):
        assert (await sign_for(web, handed["id"], right, role)).status == 403
    assert not await ledger(web, "received")


async def purge(web: Web, export: str, role: str = "auditor") -> Any:
    return await web.post(f"/api/v1/exports/{export}/purge", role=role)


async def test_nothing_is_purged_without_the_signed_receipt_nor_before_two_years(
    web: Web, handed: dict[str, Any]
) -> None:
    right = {"tag_manifest": handed["tag_manifest"], "receiver": "甲方"}
    unsigned = await purge(web, handed["id"])
    assert (unsigned.status, "signed receipt" in await unsigned.text()) == (403, True)
    assert (await sign_for(web, handed["id"], right, signed=None)).status == 201
    assert (await purge(web, handed["id"])).status == 403
    assert (await sign_for(web, handed["id"], right)).status == 201
    early = await purge(web, handed["id"])
    said = await early.json()
    assert (early.status, said["proposed"], said["refused"]) == (200, 0, 3)
    assert "未到保存期限" in said["reasons"][0]
    listed = await (await web.get("/api/v1/disposals", role="auditor")).json()
    assert listed["items"] == []
    assert (await purge(web, handed["id"], "client")).status == 403
    assert (await purge(web, str(UUID(int=1)))).status == 404


async def test_an_expired_bag_cannot_be_fetched_and_says_why(
    web: Web, settings: Settings, handed: dict[str, Any]
) -> None:
    expires = datetime.fromisoformat(handed["expires_at"])
    assert expires - datetime.fromisoformat(handed["finished_at"]) == timedelta(days=settings.export_days)
    later = Archive(web.archive.database, web.archive.store, lambda: expires)
    swept = await remove_expired(later, settings, now=expires)
    assert [str(each) for each in swept.removed] == [handed["id"]]
    gone = await web.get(f"/api/v1/exports/{handed['id']}/download", role="client")
    assert (gone.status, "expired" in await gone.text()) == (404, True)
    shown = await (await web.get(f"/api/v1/exports/{handed['id']}", role="client")).json()
    assert (shown["removed_why"], shown["removed_at"] is not None) == ("expired", True)
    assert not await ledger(web, "handed out")
    # What was received before stays received.
    right = {"tag_manifest": handed["tag_manifest"], "receiver": "甲方"}
    assert (await sign_for(web, handed["id"], right)).status == 201
