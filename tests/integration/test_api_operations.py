"""Orders, imports, reports, jobs, calls, ledger, health and figures over HTTP."""

from datetime import timedelta
from pathlib import Path

import aiohttp
from sqlalchemy import select

from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.jobs import JobRow
from core.settings import Settings
from reporting.daily import issue_daily
from tests.web import ORDER, OTHER_ORDER, STARTED, Web, serving_empty

EXPORT = (
    "工单编号,工单类型,标题,主要内容,工单状态,来电人,来电人电话,承办单位,创建时间,办结时间\r\n"
    "GD-9,诉求,树枝遮挡,请修剪,已办结,钱样本,13700000009,示例区园林局,2026-11-18 09:00:00,2026-11-19 10:00:00\r\n"
    ",诉求,没有编号,请修剪,已办结,钱样本,13700000009,示例区园林局,2026-11-18 09:00:00,2026-11-19 10:00:00\r\n"
)


async def test_orders_are_found_and_masked(web: Web) -> None:
    said = await (await web.get("/api/v1/work-orders?q=路灯")).json()
    assert (said["total"], [each["number"] for each in said["items"]]) == (1, [ORDER])
    assert said["items"][0]["recordings"] == 1
    assert said["items"][0]["caller"] == {"number": "138****1234", "name": "王**"}
    order = await (await web.get(f"/api/v1/work-orders/{ORDER}")).json()
    assert "138****1234" in order["content"]
    assert "13800001234" not in str(order)
    assert [call["id"] for call in order["calls"]] == [str(web.seeded.full)]
    assert (await web.get("/api/v1/work-orders/none/such")).status == 404


async def _import(web: Web, content: bytes, name: str) -> aiohttp.ClientResponse:
    form = aiohttp.FormData()
    form.add_field("file", content, filename=name, content_type="application/octet-stream")
    return await web.client().post("/api/v1/work-orders/import", data=form, headers=await web.bearer("agent"))


async def test_an_export_is_imported_row_by_row(web: Web) -> None:
    said = await (await _import(web, EXPORT.encode("utf-8-sig"), "export.csv")).json()
    assert (said["added"], said["changed"], said["unchanged"]) == (1, 0, 0)
    assert [row["row"] for row in said["refused"]] == [3]
    again = await (await _import(web, EXPORT.encode("utf-8-sig"), "export.csv")).json()
    assert (again["added"], again["unchanged"]) == (0, 1)
    assert (await web.get("/api/v1/work-orders/GD-9")).status == 200
    queued = (await (await web.get("/api/v1/jobs?state=queued", "system")).json())["items"]
    assert [job["kind"] for job in queued] == ["relink"]


async def test_what_is_no_export_is_refused(web: Web) -> None:
    for content, name in ((b"MZ", "program.exe"), (b"", "export.csv"), (b"PK broken", "export.xlsx")):
        refused = await _import(web, content, name)
        assert refused.status == 422, name
        assert (await refused.json())["detail"]
    assert (await web.post("/api/v1/work-orders/import", {})).status == 415


async def test_recordings_that_wait_for_an_order(web: Web) -> None:
    said = await (await web.get("/api/v1/link-questions")).json()
    assert [(each["recording"]["id"], each["reason"]) for each in said["items"]] == [
        (str(web.seeded.pending), "several")
    ]
    assert sorted(said["items"][0]["candidates"]) == [ORDER, OTHER_ORDER]


async def test_a_daily_report_is_queued_once(web: Web) -> None:
    assert (await web.post("/api/v1/reports/daily", {"day": "2026-11-20"}, role="auditor")).status == 403
    assert (await web.post("/api/v1/reports/daily", {"day": "2099-01-01"}, "supervisor")).status == 422
    first = await web.post("/api/v1/reports/daily", {"day": "2026-11-20"}, "supervisor")
    again = await web.post("/api/v1/reports/daily", {"day": "2026-11-20"}, "supervisor")
    assert (first.status, again.status) == (202, 202)
    assert await first.json() == await again.json()
    async with web.archive.database.read() as session:
        row = await session.scalar(select(JobRow).where(JobRow.kind == "daily"))
    assert row
    assert row.payload["day"] == "2026-11-20"


async def test_reports_are_listed_and_opened(web: Web, tmp_path: Path) -> None:
    await issue_daily(
        web.archive,
        Settings(data_dir=tmp_path),
        STARTED.date(),
        by="system",
        retain_until=STARTED + timedelta(days=740),
    )
    (report,) = (await (await web.get("/api/v1/reports")).json())["items"]
    assert report["period_start"] == "2026-11-20"
    html = await web.get(f"/api/v1/reports/{report['id']}/html")
    assert html.status == 200
    assert "script-src" not in html.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in html.headers["Content-Security-Policy"]
    assert report["number"] in await html.text()
    docx = await web.get(f"/api/v1/reports/{report['id']}/docx")
    assert (await docx.read())[:2] == b"PK"
    assert "attachment" in docx.headers["Content-Disposition"]
    read = await (await web.get("/api/v1/ledger?kind=read", role="auditor")).json()
    assert len(read["items"]) == 2
    missing = await web.get(f"/api/v1/reports/{web.seeded.full}/html")
    assert missing.status == 404


async def test_failed_jobs_are_seen_and_tried_again(web: Web) -> None:
    (job,) = (await (await web.get("/api/v1/jobs?state=failed", "system")).json())["items"]
    assert (job["kind"], job["subject"]) == ("transcribe", str(web.seeded.failed))
    path = f"/api/v1/jobs/{job['id']}/retry"
    assert (await web.post(path, role="agent")).status == 403
    assert (await web.post(path, role="system")).status == 200
    (queued,) = (await (await web.get("/api/v1/jobs?state=queued", "system")).json())["items"]
    assert (queued["id"], queued["attempts"]) == (job["id"], 0)
    assert (await (await web.get("/api/v1/jobs?state=failed", "system")).json())["items"] == []


async def test_calls_by_state(web: Web) -> None:
    for state in ("signalled", "missing"):
        (call,) = (await (await web.get(f"/api/v1/calls?state={state}")).json())["items"]
        assert call["state"] == state
    sealed = (await (await web.get("/api/v1/calls?state=sealed")).json())["items"]
    assert str(web.seeded.full) in [call["id"] for call in sealed]


async def test_the_ledger_is_the_auditors(web: Web) -> None:
    assert (await web.get("/api/v1/ledger", role="system")).status == 403
    said = await (await web.get(f"/api/v1/ledger?subject={web.seeded.full}", role="auditor")).json()
    kinds = [row["kind"] for row in said["items"]]
    assert kinds[-1] == "sealed"
    assert {"transcribed", "linked"} <= set(kinds)
    newest = said["items"][0]["seq"]
    page = await (await web.get("/api/v1/ledger?limit=1", role="auditor")).json()
    older = await (await web.get(f"/api/v1/ledger?cursor={page['next']}&limit=1", role="auditor")).json()
    assert [row["seq"] for row in older["items"]] == [page["items"][0]["seq"] - 1]
    assert newest < page["items"][0]["seq"], "reading it is a row of it"


async def test_alive_and_ready(web: Web) -> None:
    client = web.client()
    assert await (await client.get("/healthz")).json() == {"alive": True}
    ready = await client.get("/readyz")
    assert (ready.status, await ready.json()) == (200, {"ready": True, "database": True, "store": True, "alerts": []})


async def test_not_ready_says_what_is_missing(sqlite_database: Database, tmp_path: Path) -> None:
    nowhere = connect_store("s3://key:secret@127.0.0.1:9/bucket?secure=false", clock=utc_now)
    async with serving_empty(Archive(sqlite_database, nowhere, utc_now), tmp_path) as client:
        ready = await client.get("/readyz")
        assert (ready.status, await ready.json()) == (
            503,
            {"ready": False, "database": True, "store": False, "alerts": []},
        )
        assert (await client.get("/healthz")).status == 200
    await nowhere.close()


async def test_figures_for_prometheus(web: Web) -> None:
    await web.get("/api/v1/recordings")
    text = await (await web.client().get("/metrics")).text()
    assert 'huiyin_recordings{text_state="done"} 1.0' in text
    assert 'huiyin_jobs{kind="transcribe",state="failed"} 1.0' in text
    assert 'huiyin_http_seconds_count{method="GET",route="/api/v1/recordings",status="200"} 1.0' in text
    assert str(web.seeded.full) not in text
