"""What a house holds after some time: a night with a fault, a report, corrected text, long titles, many calls."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from api.intake.quarantine import Quarantined, keep
from archive.catalogue import StoredObject
from archive.comments import add_comment
from archive.corrections import Correction, correct_transcript
from archive.ledger_key import ensure_ledger_key
from archive.seal import seal_recording
from core.alerts import QUARANTINED, raise_alert
from core.heartbeats import Heartbeat
from core.settings import Settings
from reporting.daily import issue_daily
from retention.batches import list_batch
from service import pipeline, worker
from service.night import run_night
from tests.locks import seal_expired
from tests.tampering import change_byte
from tests.told import tell
from tests.web import ORDER, STARTED, Web, new_recording, order, tones
from transcription.engine import Transcriber

LONG_TITLE = "反映示例区样本街道幸福家园小区三号楼前人行道破损多年无人修补，雨天积水严重影响老人和轮椅使用者出行的问题"
CALLS = 12


async def furnish(web: Web, directory: Path) -> tuple[str, str, str, str]:
    """Through the functions that fill a real house; the recording without text is then damaged.  Returns the secret of
    a link to a recording, the identifiers of a case that holds it and of a batch whose date has come, and the night."""
    settings = Settings(data_dir=directory)
    ensure_ledger_key(settings)
    until = STARTED + timedelta(days=740)
    audio = tones(directory / "more.flac", seconds=2)
    for number in range(CALLS):
        began = STARTED - timedelta(hours=3, minutes=17 * number)
        names = {"agent_name": f"回访员{number % 3}号", "citizen_number": f"138000{number:05}"}
        await seal_recording(web.archive, new_recording(began, **names), audio, retain_until=until)
    batch = await _batch(web, directory)
    async with web.archive.database.write() as session:
        session.add(order("GD20261117-2026-00000000000000031", title=LONG_TITLE, unit="示例区城市管理综合行政执法局"))
        now = web.archive.clock()
        for due, title, days in (
            ("GD-DUE-1", "楼道灯不亮", 1),
            ("GD-DUE-2", LONG_TITLE, 5),
            ("GD-DUE-3", "井盖松动", 3),
        ):
            session.add(
                order(due, title=title, created_at=now - timedelta(days=9), closed_at=now - timedelta(days=days))
            )
    await correct_transcript(
        web.archive,
        Correction(web.seeded.full, {5: "建议以后坏了早点派人来看看。"}, "agent", "听错了两个字", 1),
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
    night = (await run_night(web.archive, settings, now=web.archive.clock())).night.isoformat()
    share, hold = await _share(web), await _hold(web)
    await _redaction(web, "社区核实前隐去市民意见", {"picks": [{"turn": 5}], "phrases": ["路灯"]})
    await _handovers(web, settings)
    await _redaction(web, "媒体采访用", {"picks": [{"turn": 1}]})
    await tell(web)
    await _intake(web, settings, directory)
    return share, hold, batch, night


async def _intake(web: Web, settings: Settings, directory: Path) -> None:
    """A host that watches a folder, and two files that it could not take in."""
    now = web.archive.clock()
    for number, reason in enumerate(
        (
            "the sound cannot be decoded to its end",
            "同名的信息文件有误（started_at: Field required） / the side file: started_at: Field required",
        )
    ):
        (directory / "refused").write_bytes(b"RIFF" + bytes(4000 * (number + 1)))
        facts = {"call_id": "gw7-000417"} if number == 0 else {"name": "a.wav"}
        found = Quarantined(f"{number:064}", 4004, reason, now - timedelta(minutes=9 * number), "folder", facts)
        keep(settings, directory / "refused", found)
    figures = {"watching": True, "files_waiting": 3, "files_taken": 1284, "files_refused": 2, "files_ignored": 1}
    async with web.archive.database.write() as session:
        session.add(Heartbeat(process="intake", host="gateway-files", pid=7, at=now, facts=figures))
        await raise_alert(session, (QUARANTINED, "intake", "gateway-files"), {"files": 2}, since=now, now=now)


async def _share(web: Web) -> str:
    body = {"purpose": "上级督办案件核查", "hours": 24}
    made = await web.post(f"/api/v1/recordings/{web.seeded.full}/shares", body, role="auditor")
    assert made.status == 201, await made.text()
    return str((await made.json())["address"]).rpartition("/")[2]


async def _hold(web: Web) -> str:
    body = {"name": "路灯投诉复核", "reason": "市级审计抽查，核对回访结论", "recordings": [str(web.seeded.full)]}
    made = await web.post("/api/v1/holds", body, role="auditor")
    assert made.status == 202, await made.text()
    return str((await made.json())["id"])


async def _batch(web: Web, directory: Path) -> str:
    """Calls of long ago, listed for review; one of them is approved already."""
    began = web.archive.clock() - timedelta(days=900)
    old = [new_recording(began + timedelta(hours=number)) for number in range(3)]
    await seal_expired(web.archive, old, tones(directory / "old.flac", seconds=1))
    found = await list_batch(web.archive, Settings(data_dir=directory), now=web.archive.clock())
    assert found
    disposals = await (await web.get(f"/api/v1/disposals?batch={found.id}", "auditor")).json()
    body = {"recordings": [disposals["items"][0]["recording_id"]]}
    approved = await web.post(f"/api/v1/disposals/batches/{found.id}/approve", body, role="auditor")
    assert approved.status == 200, await approved.text()
    return str(found.id)


async def _redaction(web: Web, reason: str, covered: dict[str, object]) -> None:
    """The worker that writes the handovers makes it."""
    body = {"base_version": 2, "reason": reason, **covered}
    asked = await web.post(f"/api/v1/recordings/{web.seeded.full}/redactions", body, role="auditor")
    assert asked.status == 202, await asked.text()


async def _handovers(web: Web, settings: Settings) -> None:
    """One that is finished, and one that nobody has begun to write."""
    for scope in ({"kind": "order", "name": ORDER}, {"kind": "period", "from": "2026-11-01", "to": "2026-11-30"}):
        asked = await web.post("/api/v1/exports", {"scope": scope, "purpose": "年度移交"}, role="auditor")
        assert asked.status == 202, await asked.text()
        if scope["kind"] == "order":
            await write_bags(web, settings)


async def write_bags(web: Web, settings: Settings) -> None:
    """What a worker process does, until nothing is left."""

    def none() -> Transcriber:
        raise AssertionError("no speech engine is needed")

    await worker.run(pipeline.Context(web.archive, settings, none), lambda: False, until_idle=True)
