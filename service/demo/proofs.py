"""What the demo proves at the end, each line from the real catalogue, store, ledger or page."""

import asyncio
from collections.abc import Sequence
from datetime import date
from uuid import UUID

import aiohttp
from sqlalchemy import select

from archive.catalogue import Recording, StoredObject, TurnRow
from archive.house import Archive
from archive.ledger_key import trusted_keys
from archive.retrieve import read_object
from core import jobs
from core.errors import Refused, Unavailable
from core.jobs import JobRow
from reporting.reports import Report
from service.demo import show
from service.demo.hops import Watched
from service.demo.stage import Login, Staged
from service.kinds import DAILY
from service.verification import verify
from transcription.evaluate import distance, normalise
from workorders.orders import Finding, Link

REPORT_SECONDS = 60.0
# The share of wrong characters above which the embedded model cannot be said to have understood the sample calls.
MOST_WRONG = 0.05
# What each sample call must lead to: the findings that its dialogue contains.
QUESTIONS = ("connected", "contacted", "solved", "satisfied", "suggestion")
EXPECTED = {
    "solved": ("yes", "yes", "yes", "satisfied", "no"),
    "unsolved": ("yes", "no", "no", "dissatisfied", "yes"),
    "suggestion": ("yes", "yes", "yes", "fairly", "yes"),
    "unanswered": ("no", "unclear", "unclear", "unclear", "no"),
    "no_number": ("yes", "yes", "yes", "satisfied", "no"),
}


async def show_all(archive: Archive, staged: Staged, watched: Sequence[Watched], login: Login) -> bool:
    """Print every proof; true only when all hold."""
    results = [await _texts(archive, watched), await _outcomes(archive, watched)]
    results += [await _evidence(archive, staged, watched), await _early_deletion(archive, watched[0])]
    results += [
        await _whole_archive(archive, staged),
        await _report(archive, staged, len(watched)),
        await _pages(staged, watched, login),
    ]
    return all(results)


async def _texts(archive: Archive, watched: Sequence[Watched]) -> bool:
    """The transcript beside the true text, and the character error rate."""
    show.title("识别文本与原文 transcript beside the true text")
    wrong = total = 0
    for item in watched:
        async with archive.database.read() as session:
            turns = list(
                await session.scalars(
                    select(TurnRow).where(TurnRow.recording_id == item.recording_id).order_by(TurnRow.ordinal)
                )
            )
        heard = "".join(turn.text for turn in turns)
        truth = normalise(item.call.spoken)
        errors = distance(truth, normalise(heard))
        wrong, total = wrong + errors, total + len(truth)
        shown = f"{errors / len(truth):.1%}" if truth else f"{errors} 字 characters where nobody speaks"
        show.step(f"{item.call.name}: 字错误率 CER {shown}")
        for said in item.call.truth["turns"]:
            show.detail(f"原文 {said['party']:<7} {said['start']:5.1f} s  {said['text']}")
        for turn in turns:
            show.detail(f"识别 {turn.party:<7} {turn.start_ms / 1000:5.1f} s  {turn.text}  ({turn.confidence:.2f})")
    rate = wrong / max(total, 1)
    text = f"全部通话字错误率 CER over all calls: {wrong}/{total} = {rate:.1%}"
    return show.check(total > 0 and rate <= MOST_WRONG, text)


async def _outcomes(archive: Archive, watched: Sequence[Watched]) -> bool:
    """Links and findings are those that the dialogues contain."""
    show.title("工单关联与回访结论 links and findings")
    good = True
    for item in watched:
        async with archive.database.read() as session:
            link = await session.scalar(select(Link).where(Link.recording_id == item.recording_id))
            rows = await session.scalars(select(Finding).where(Finding.recording_id == item.recording_id))
            answers = {row.question: row.answer for row in rows}
        number = link.work_order if link else "—"
        found = tuple(answers.get(question, "—") for question in QUESTIONS)
        said = ", ".join(f"{question} {answer}" for question, answer in zip(QUESTIONS, found, strict=True))
        good &= show.check(number == item.call.truth["work_order"], f"{item.call.name}: 工单 order {number}")
        good &= show.check(found == EXPECTED[item.call.name], f"{item.call.name}: {said}")
    return good


async def _evidence(archive: Archive, staged: Staged, watched: Sequence[Watched]) -> bool:
    """Hashes and lock dates, as the store itself holds them."""
    show.title("哈希与锁定日期 hashes and lock dates, read from the store")
    good, zone = True, staged.settings.timezone
    for item in watched:
        async with archive.database.read() as session:
            recording = await session.get(Recording, item.recording_id)
            objects = list(
                await session.scalars(select(StoredObject).where(StoredObject.recording_id == item.recording_id))
            )
        assert recording is not None
        for stored in objects:
            version = await archive.store.head(stored.key, stored.version_id)
            assert version.lock_until is not None, f"{stored.key} is not locked"
            locked = version.lock_until >= recording.retain_until
            name = stored.key.rsplit("/", 1)[-1]
            text = f"{item.call.name:<11} {name:<22.22} sha256 {version.sha256[:16]}…"
            until = f"锁定至 locked until {version.lock_until.astimezone(zone):%Y-%m-%d %H:%M %z}"
            good &= show.check(locked and version.sha256 == stored.sha256, f"{text} {until}")
        kinds = {stored.kind for stored in objects}
        good &= {"audio", "metadata", "transcript", "link"} <= kinds
    return good


async def _early_deletion(archive: Archive, item: Watched) -> bool:
    """The store itself must refuse to delete what is locked."""
    show.title("提前删除 early deletion")
    async with archive.database.read() as session:
        stored = await session.scalar(
            select(StoredObject).where(StoredObject.recording_id == item.recording_id, StoredObject.kind == "audio")
        )
    assert stored is not None
    try:
        await archive.store.delete_version(stored.key, stored.version_id)
    except Refused as error:
        return show.check(True, f"存储拒绝 refused by the store: {error.message}")
    return show.check(False, "存储删除了锁定的录音 the store deleted a locked recording")


async def _whole_archive(archive: Archive, staged: Staged) -> bool:
    show.title("校验 verification")
    faults = await verify(archive, trusted_keys(staged.settings), on_progress=show.detail)
    return show.check(not faults, "哈希、锁定与账本一致 nothing altered")


async def _report(archive: Archive, staged: Staged, calls: int) -> bool:
    """Today's daily report, made by a worker like every other, and copied beside the demo."""
    show.title("日报 daily report")
    now = archive.clock()
    day = now.astimezone(staged.settings.timezone).date()
    async with archive.database.write() as session:
        identifier = await jobs.enqueue(session, DAILY, {"day": day.isoformat(), "by": "demo"}, now=now)
    report = await _wait_for_report(archive, identifier, day)
    for object_id, suffix in ((report.docx_object, "docx"), (report.html_object, "html")):
        copy = staged.directory / f"daily-{day}.{suffix}"
        copy.write_bytes(await read_object(archive, object_id, actor="demo", purpose="demonstration"))
        show.detail(f"{report.number}  {copy}")
    for line in figures_in_words(report):
        show.detail(line)
    kept = len(report.figures["kept"])
    return show.check(kept >= calls, f"日报已封存并可读回，含录音 {kept} 份 sealed, read back, counts the calls")


async def _wait_for_report(archive: Archive, job: UUID, day: date) -> Report:
    for _ in range(int(REPORT_SECONDS / 0.3)):
        async with archive.database.read() as session:
            row = await session.get(JobRow, job)
            report = await session.scalar(
                select(Report).where(Report.period_start == day).order_by(Report.edition.desc()).limit(1)
            )
        if row is not None and row.state == jobs.DONE and report is not None:
            return report
        if row is not None and row.state == jobs.FAILED:
            break
        await asyncio.sleep(0.3)
    raise Unavailable("the daily report was not made", reason=row.error if row else "no job")


def figures_in_words(report: Report) -> list[str]:
    """The main figures, as the report keeps them."""
    figures = report.figures
    callbacks = figures["callbacks"]
    return [
        f"应回访 due {len(callbacks['due'])}，已回访 done {len(callbacks['done'])}，接通 connected "
        f"{len(callbacks['connected'])}；录音 kept {len(figures['kept'])}，缺失 missing {len(figures['absent'])}",
        "；".join(f"{name} {value}" for name, value in figures["rates"].items()),
        "；".join(f"{name} {count['value']}" for name, count in figures["counts"].items()),
        *(
            f"建议 suggestion: {each['work_order']} 第 {each['start_ms'] / 1000:.0f} 秒「{each['sentence']}」"
            for each in figures["suggestions"]
        ),
    ]


async def _pages(staged: Staged, watched: Sequence[Watched], login: Login) -> bool:
    """The pages and the audio, through HTTP and a real login."""
    show.title("页面 pages")
    base, good = staged.address.rstrip("/"), True
    recording = watched[0].recording_id
    async with aiohttp.ClientSession() as browser:
        body = {"name": login.name, "password": login.password}
        async with browser.post(f"{base}/api/v1/login", json=body) as answer:
            good &= show.check(answer.status == 200, f"登录 login {answer.status}")
            token = (await answer.json()).get("token", "")
        headers = {"Authorization": f"Bearer {token}"}
        for path in (f"/api/v1/recordings/{recording}", "/api/v1/search?q=满意", "/metrics"):
            async with browser.get(base + path, headers=headers) as answer:
                good &= show.check(answer.status == 200, f"GET {path} {answer.status}")
        part = {**headers, "Range": "bytes=0-99"}
        async with browser.get(f"{base}/api/v1/recordings/{recording}/audio", headers=part) as answer:
            sound = await answer.read()
            whole = answer.status == 206 and len(sound) == 100 and sound[:4] == b"fLaC"
            good &= show.check(whole, f"播放 audio {answer.status}")
    async with aiohttp.ClientSession() as stranger, stranger.get(f"{base}/api/v1/recordings/{recording}") as answer:
        good &= show.check(answer.status == 401, f"未登录被拒 refused without login {answer.status}")
    return good
