"""What a house holds after some time: a night with a fault, a report, corrected text, long titles, many calls."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from archive.catalogue import StoredObject
from archive.comments import add_comment
from archive.corrections import correct_transcript
from archive.ledger_key import ensure_ledger_key
from archive.seal import seal_recording
from core.settings import Settings
from reporting.daily import issue_daily
from service.night import run_night
from tests.tampering import change_byte
from tests.web import STARTED, Web, new_recording, order, tones

LONG_TITLE = "反映示例区样本街道幸福家园小区三号楼前人行道破损多年无人修补，雨天积水严重影响老人和轮椅使用者出行的问题"
CALLS = 12


async def furnish(web: Web, directory: Path) -> str:
    """Through the functions that fill a real house; the recording without text is then damaged.  Returns the secret of
    a link to a recording."""
    settings = Settings(data_dir=directory)
    ensure_ledger_key(settings)
    until = STARTED + timedelta(days=740)
    audio = tones(directory / "more.flac", seconds=2)
    for number in range(CALLS):
        began = STARTED - timedelta(hours=3, minutes=17 * number)
        names = {"agent_name": f"回访员{number % 3}号", "citizen_number": f"138000{number:05}"}
        await seal_recording(web.archive, new_recording(began, **names), audio, retain_until=until)
    async with web.archive.database.write() as session:
        session.add(order("GD20261117-2026-00000000000000031", title=LONG_TITLE, unit="示例区城市管理综合行政执法局"))
    await correct_transcript(
        web.archive,
        web.seeded.full,
        {5: "建议以后坏了早点派人来看看。"},
        author="agent",
        reason="听错了两个字",
        base_version=1,
        retain_until=until,
    )
    await add_comment(web.archive, web.seeded.full, at_ms=9000, text="市民语气平和，愿意再接回访。", by="supervisor")
    day = STARTED.date()
    await issue_daily(web.archive, settings, day, by="supervisor", retain_until=until)
    # The night's sample begins with what has waited longest.
    waited = update(StoredObject).where(StoredObject.recording_id == web.seeded.failed, StoredObject.kind == "audio")
    async with web.archive.database.write() as session:
        await session.execute(waited.values(verified_at=STARTED))
    change_byte(next((directory / "store").rglob(f"{web.seeded.failed}/audio.flac/@*/data")))
    await run_night(web.archive, settings, now=web.archive.clock())
    return await _share(web)


async def _share(web: Web) -> str:
    body = {"purpose": "上级督办案件核查", "hours": 24}
    made = await web.post(f"/api/v1/recordings/{web.seeded.full}/shares", body, role="auditor")
    assert made.status == 201, await made.text()
    return str((await made.json())["address"]).rpartition("/")[2]
