"""Files in quarantine: seen with the reason, tried again, removed with a reason; by API, page and command."""

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from api.intake import quarantine
from api.intake.deciding import try_again
from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from core.ledger import LedgerRow
from core.settings import Settings
from tests.acceptance.running import ROOT
from tests.integration.test_api_upload import FACTS, deliver, sound
from tests.web import PASSWORD, Web, account, serving


@pytest.fixture
async def web(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Web]:
    settings = Settings(data_dir=tmp_path, upload_max_hours=1, spool_min_free_mb=0)
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path, settings) as served:
        yield served


async def listed(web: Web) -> list[dict[str, Any]]:
    found = (await (await web.get("/api/v1/quarantine", "system")).json())["items"]
    assert isinstance(found, list)
    return found


async def entries(web: Web, kind: str) -> list[dict[str, Any]]:
    async with web.archive.database.read() as session:
        rows = await session.scalars(select(LedgerRow.leaf).where(LedgerRow.kind == kind))
        return [json.loads(row) for row in rows]


async def refuse_long(web: Web) -> dict[str, Any]:
    """65 minutes, where an hour is allowed, so that a setting can let it in later."""
    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", 8000, 2, "PCM_16", format="FLAC") as file:
        for _ in range(65):
            file.write(np.zeros((8000 * 60, 2), np.int16))
    assert (await deliver(web, target.getvalue())).status == 422
    (found,) = await listed(web)
    return found


async def test_it_stays_until_it_can_be_taken_in(web: Web, tmp_path: Path) -> None:
    found = await refuse_long(web)
    path = f"/api/v1/quarantine/{found['name']}/retry"
    assert (await web.post(path, {}, "system")).status == 422
    assert [each["name"] for each in await listed(web)] == [found["name"]]
    longer = Settings(data_dir=tmp_path, upload_max_hours=2, spool_min_free_mb=0)
    taken = await try_again(web.archive, longer, found["name"][:8], by="operator")
    assert taken.new
    assert (taken.recording.sip_call_id, taken.recording.citizen_number) == (FACTS["call_id"], "13800000123")
    assert not await listed(web)
    (entry,) = await entries(web, "readmitted")
    assert (entry["actor"], entry["subject"]) == ("operator", str(taken.recording.id))
    assert not list((tmp_path / "quarantine").iterdir())


async def test_better_facts_let_a_file_in(web: Web, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    file.write_bytes(sound())
    entry = quarantine.Quarantined(
        "0" * 64, 5, "the side file: Field required", utc_now(), "folder", {"name": "\udcff"}
    )
    quarantine.keep(Settings(data_dir=tmp_path), file, entry)
    (found,) = await listed(web)
    path = f"/api/v1/quarantine/{found['name']}/retry"
    refused = await web.post(path, {}, "system")
    assert refused.status == 403
    assert "--facts" in (await refused.json())["detail"]
    answer = await web.post(path, {"metadata": FACTS}, "system")
    assert answer.status == 200, await answer.text()
    assert (await answer.json())["call_id"] == FACTS["call_id"]
    assert not await listed(web)


async def test_who_removes_says_why_and_it_is_in_the_ledger(web: Web) -> None:
    await deliver(web, b"no sound at all")
    (found,) = await listed(web)
    path = f"/api/v1/quarantine/{found['name']}/remove"
    for role in ("agent", "supervisor", "auditor", "client", "security", "audit"):
        assert (await web.post(path, {"reason": "测试文件"}, role)).status == 403
    assert (await web.post(path, {"reason": ""}, "system")).status == 422
    assert (await web.post(path, {"reason": "测试文件"}, "system")).status == 200
    assert (await web.post(path, {"reason": "测试文件"}, "system")).status == 404
    (entry,) = await entries(web, "discarded")
    assert entry["facts"]["reason"] == "测试文件"
    assert entry["facts"]["sha256"] == found["sha256"]
    for name in ("..", "%2e%2e%2fkeys", "0", "*", "[0-9]*"):
        assert (await web.post(f"/api/v1/quarantine/{name}/remove", {"reason": "测试文件"}, "system")).status in (
            404,
            405,
        )


async def test_the_page_shows_and_decides(web: Web) -> None:
    browser = await web.browser("system")
    assert "隔离区是空的" in await (await browser.get("/quarantine")).text()
    await deliver(web, b"no sound at all", citizen_name="王样本")
    text = await (await browser.get("/quarantine")).text()
    assert "不是 WAV、MP3、OGG 或 FLAC 文件" in text
    assert FACTS["call_id"] in text
    assert "13800000123" not in text
    assert "王样本" not in text
    (found,) = await listed(web)
    csrf = {"csrf": web.form_tokens["system"]}
    again = await browser.post(f"/quarantine/{found['name']}/retry", data=csrf)
    assert again.status == 422
    gone = await browser.post(f"/quarantine/{found['name']}/remove", data={**csrf, "reason": "网关的测试文件"})
    assert "文件已删除" in await gone.text()
    assert not await listed(web)
    seen = await (await (await web.browser("auditor")).get("/quarantine")).text()
    assert "隔离区是空的" in seen


async def test_the_command(web: Web, tmp_path: Path) -> None:
    await deliver(web, b"no sound at all", citizen_name="王样本")
    (found,) = await listed(web)
    variables = {"HUIYIN_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}

    async def run(*words: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "service", "quarantine", *words]
        return await asyncio.to_thread(
            subprocess.run, command, env=variables, cwd=ROOT, input=typed, capture_output=True, text=True
        )

    shown = await run("list")
    assert found["name"] in shown.stdout
    facts = (await run("show", found["name"][:6])).stdout
    assert "neither WAV" in facts
    assert "13800000123" not in facts
    assert "王样本" not in facts
    by = ("--by", account("system"))
    wrong = await run("remove", found["name"], "--reason", "测试文件", *by, typed="wrong\n")
    assert wrong.returncode == 1
    assert await listed(web)
    done = await run("remove", found["name"], "--reason", "测试文件", *by, typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert not await listed(web)
    assert (await entries(web, "discarded"))[0]["actor"] == account("system")
    assert (await run("show", "ff")).returncode == 1
