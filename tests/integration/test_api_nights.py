"""The nights over HTTP: listed from the ledger, each with its sealed result."""

from pathlib import Path

from api.pages.labels import NIGHT_STEPS
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from core.clock import utc_now
from core.settings import Settings
from service.night import run_night
from tests.tampering import change_byte
from tests.web import serving


async def test_a_night_with_a_fault_is_shown_with_what_was_expected(archive: Archive, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    ensure_ledger_key(settings)
    async with serving(archive, tmp_path, settings) as web:
        headers = await web.bearer("auditor")
        assert await (await web.client().get("/api/v1/nights", headers=headers)).json() == {"items": [], "next": None}
        place = next((tmp_path / "store").rglob(f"{web.seeded.full}/audio.flac/@*/data"))
        before, after = change_byte(place)
        result = await run_night(archive, settings, now=utc_now())
        (night,) = (await (await web.client().get("/api/v1/nights", headers=headers)).json())["items"]
        assert night["night"] == result.night.isoformat()
        assert night["verified"] == result.sample.objects >= 1
        sealed = await (await web.client().get(f"/api/v1/nights/{night['night']}", headers=headers)).json()
        assert [fault["subject"] for fault in sealed["faults"]] == [fault.subject for fault in result.faults]
        assert any(before in fault["detail"] and after in fault["detail"] for fault in sealed["faults"])
        browser = await web.browser("auditor")
        page = await (await browser.get("/nightly")).text()
        assert f'href="/nightly/{night["night"]}"' in page
        detail = await (await browser.get(f"/nightly/{night['night']}")).text()
        assert f"应为 {before}，实为 {after}" in detail
        # What was counted, and how long each step took, in the order in which they were done.
        assert f"{result.sample.ledger_rows} 行，{result.sample.heads} 个签名" in detail
        assert set(result.seconds) == set(NIGHT_STEPS)
        times = detail[detail.index("用时") :]
        places = [times.index(f"<td>{NIGHT_STEPS[step]}</td>") for step in NIGHT_STEPS]
        assert places == sorted(places)
        status = await (await browser.get("/status")).text()
        assert "夜间校验发现证据异常" in status
        for unknown in ("2020-01-01", "yesterday"):
            assert (await browser.get(f"/nightly/{unknown}")).status == 404
