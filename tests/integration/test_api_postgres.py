"""The same API and pages over PostgreSQL: every query of theirs runs there too."""

from pathlib import Path

from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from tests.web import ORDER, serving


async def test_lists_pages_and_figures_over_postgresql(
    postgres_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    async with serving(Archive(postgres_database, store, utc_now), tmp_path) as web:
        seeded = web.seeded
        first = await (await web.get("/api/v1/recordings?limit=2&from=2026-11-20&to=2026-11-20")).json()
        second = await (await web.get(f"/api/v1/recordings?limit=2&cursor={first['next']}")).json()
        identifiers = [each["id"] for each in first["items"] + second["items"]]
        assert identifiers == [str(seeded.failed), str(seeded.pending), str(seeded.full)]
        hits = (await (await web.get("/api/v1/search?q=路灯第二天")).json())["items"]
        assert [hit["start_ms"] for call in hits for hit in call["hits"]] == [3500]
        orders = (await (await web.get("/api/v1/work-orders")).json())["items"]
        assert {each["number"]: each["recordings"] for each in orders}[ORDER] == 1
        assert (await web.get(f"/api/v1/recordings/{seeded.full}/audio", Range="bytes=0-3")).status == 206
        ledger = await (await web.get("/api/v1/ledger?kind=read", role="auditor")).json()
        assert [row["actor"] for row in ledger["items"]] == ["agent"]
        assert 'huiyin_recordings{text_state="failed"} 1.0' in await (await web.client().get("/metrics")).text()
        browser = await web.browser("supervisor")
        for path in ("/recordings", f"/recordings/{seeded.full}", "/orders", "/links", "/reports", "/status"):
            assert (await browser.get(path)).status == 200, path
