"""Work that failed, on the pages of those whom it concerns: what happened, what to do, and what the log calls it."""

import logging
import re
from pathlib import Path

import pytest
from sqlalchemy import select, update

from core.failures import KINDS
from core.jobs import FAILED, QUEUED, JobRow
from core.ledger import LedgerRow
from tests.web import ORDER, Web

HOLD = {"name": "甲案", "reason": "乙", "orders": [ORDER]}
NO_ENGINE, NO_ENGINE_ENGLISH = "语音识别引擎或模型不可用。", "The speech engine or its model is not available."


async def page(web: Web, path: str, role: str) -> str:
    answer = await web.get(path, role)
    assert answer.status == 200, path
    return await answer.text()


async def test_a_failed_transcription_is_told_on_both_its_pages(web: Web) -> None:
    for path, role in (("/status", "system"), ("/status", "auditor"), (f"/recordings/{web.seeded.failed}", "agent")):
        chinese, english = await page(web, path, role), await page(web, f"{path}?lang=en", role)
        assert NO_ENGINE in chinese
        assert NO_ENGINE_ENGLISH in english
        for shown in (chinese, english):
            assert str(web.seeded.failed_job) in shown
            assert "could not be loaded" not in shown
    [failed] = (await (await web.get("/api/v1/jobs?state=failed", "system")).json())["items"]
    assert failed["failure"] == {
        "id": str(web.seeded.failed_job),
        "kind": "no engine",
        "said": "",
        "text": "NoEngine: the engine could not be loaded",
        "final": True,
    }


async def test_every_kind_is_told_and_one_of_before_there_were_kinds(web: Web) -> None:
    for kind in (*KINDS, ""):
        async with web.archive.database.write() as session:
            await session.execute(update(JobRow).where(JobRow.id == web.seeded.failed_job).values(error_kind=kind))
        shown = await page(web, "/status", "system")
        assert ("程序出错" in shown) == (kind in ("internal", "")), kind


async def test_the_handovers_page_says_why_one_waits(web: Web) -> None:
    # Nobody made the signing key.
    await web.post("/api/v1/exports", {"scope": {"kind": "all"}, "purpose": "移交"}, "auditor")
    await web.work()
    shown = await page(web, "/handover", "auditor")
    assert "有一项设置不正确。" in shown
    assert "SettingsError" not in shown
    assert "A setting is wrong." in await page(web, "/handover?lang=en", "client")


async def test_a_handover_that_failed_for_good_is_made_again_by_who_may_ask_for_one(web: Web) -> None:
    asked = await web.post("/api/v1/exports", {"scope": {"kind": "all"}, "purpose": "移交"}, "auditor")
    path = f"/handover/{(await asked.json())['id']}/retry"
    await web.work()
    assert path not in await page(web, "/handover", "auditor"), "it is tried again by itself"
    async with web.archive.database.write() as session:
        await session.execute(update(JobRow).where(JobRow.kind == "export").values(state=FAILED))
    assert path in await page(web, "/handover", "auditor")
    assert path not in await page(web, "/handover", "client")
    browser = await web.browser("auditor")
    form = {"csrf": web.form_tokens["auditor"]}
    assert (await browser.post(path, data=form, allow_redirects=False)).status == 303
    async with web.archive.database.read() as session:
        job = (await session.scalars(select(JobRow).where(JobRow.kind == "export"))).one()
    assert (job.state, job.attempts) == (QUEUED, 0)
    assert (await browser.post(path, data=form, allow_redirects=False)).status == 422, "nothing failed now"
    assert (await web.post(f"/api/v1{path.replace('/handover', '/exports')}", role="auditor")).status == 409


async def test_a_hold_that_cannot_go_on_says_so_and_goes_on_when_asked(
    web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    case = (await (await web.post("/api/v1/holds", HOLD, "auditor")).json())["id"]
    path, store, away = f"/keeping/holds/{case}", tmp_path / "store", tmp_path / "away"
    before = await page(web, path, "auditor")
    store.rename(away)
    with caplog.at_level(logging.ERROR, logger="service.worker"):
        await web.work()
    [told] = [record.facts for record in caplog.records if record.message == "a job failed"]  # type: ignore[attr-defined]
    waits = await page(web, path, "auditor")
    assert "需要的存储或服务暂时连接不上。" in waits
    assert "系统会自动重试。" in waits
    assert f">{told['id']}<" in waits, "what the page names is found in the log"
    assert (told["job"], told["kind"]) == ("hold", "unavailable")
    assert _version(before) != _version(waits), "who follows it is told"
    assert "接着处理" not in waits

    async with web.archive.database.write() as session:
        await session.execute(update(JobRow).where(JobRow.kind == "hold").values(state=FAILED))
    away.rename(store)
    assert "接着处理" in await page(web, path, "auditor")
    browser = await web.browser("auditor")
    form = {"csrf": web.form_tokens["auditor"]}
    assert (await browser.post(f"{path}/retry", data=form, allow_redirects=False)).status == 303
    assert (await browser.post(f"{path}/retry", data=form, allow_redirects=False)).status == 422, "nothing failed now"
    assert (await web.post(f"/api/v1/holds/{case}/retry", role="auditor")).status == 409
    await web.work()
    shown = await page(web, path, "auditor")
    assert "需要的存储或服务暂时连接不上。" not in shown
    assert "保全中 1 条" in shown
    async with web.archive.database.read() as session:
        held = (await session.scalars(select(LedgerRow.subject).where(LedgerRow.kind == "held"))).all()
    assert held == [str(web.seeded.full)], "once"


def _version(html: str) -> str:
    [version] = re.findall(r'data-version="([^"]+)"', html)
    return str(version)
