"""Redacted copies from end to end: asked for, made by a worker, handed out, shared, and gone with the recording."""

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile
from sqlalchemy import select, update

from api.access.accounts import UserRow
from archive.corrections import Correction, correct_transcript
from archive.evidence import check_proof
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from archive.redaction import MARK
from archive.redaction_copies import Redaction
from archive.verify import verify_recording
from core.errors import Damaged, Refused, Unavailable
from core.failures import Failure
from core.jobs import FAILED, JobRow
from core.settings import Settings
from tests.redacted import NAME, NUMBER, PLACE, PURPOSE, RATE, TEXTS, Samples, Told, telling, time_of
from tests.web import STARTED


@pytest.fixture
async def told(archive: Archive, tmp_path: Path) -> AsyncIterator[Told]:
    async with telling(archive, tmp_path) as opened:
        yield opened


def _silenced(told: Told, spans: list[tuple[int, int]]) -> Samples:
    expected = told.samples.copy()
    for start, end in spans:
        expected[start * RATE // 1000 : end * RATE // 1000] = 0
    return expected


async def test_a_copy_is_silent_where_it_was_covered_and_the_original_everywhere_else(told: Told) -> None:
    suggested = await (await told.web.get(told.base + "/suggestions", "supervisor")).json()
    kinds = {each["words"]: each["kind"] for each in suggested["items"]}
    assert kinds == {NAME: "name", "138****0321": "number", PLACE: "address"}
    picks = [{name: each[name] for name in ("turn", "start", "end")} for each in suggested["items"]]
    copy = await told.made(picks=picks, reason="交给 13800000321 的单位")
    spans = [time_of(0, NAME), time_of(1, NUMBER), time_of(2, PLACE)]
    assert [tuple(span) for span in copy["spans"]] == spans
    assert "13800000321" not in copy["reason"]
    answer = await told.web.get(f"{told.base}/{copy['id']}/audio?purpose={PURPOSE}", "auditor")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="redacted-{copy["id"]}.flac"'
    content = await answer.read()
    sound, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert (rate, sound.shape) == (RATE, told.samples.shape), "the duration is that of the original"
    np.testing.assert_array_equal(sound, _silenced(told, spans))
    said = await (await told.web.get(f"{told.base}/{copy['id']}/transcript?purpose={PURPOSE}", "auditor")).json()
    assert [turn["text"] for turn in said["turns"]] == [
        f"您好，请问您是{MARK}吗？",
        f"是的，我电话是{MARK}。",
        f"我住在{MARK}，路灯修好了。",
    ]
    kinds_told = [leaf["kind"] for leaf in await told.leaves("redaction asked", "redacted", "read")]
    assert kinds_told == ["redaction asked", "read", "redacted", "redacted", "read", "read"]
    assert [each["facts"]["purpose"] for each in (await told.leaves("read"))[1:]] == [PURPOSE, PURPOSE]
    assert await verify_recording(told.web.archive, told.recording) == []
    original, _ = soundfile.read(
        next((told.home / "store").rglob(f"{told.recording}/audio.flac/@*/data")), dtype="int16"
    )
    np.testing.assert_array_equal(original, told.samples)


async def test_what_was_covered_stands_in_nothing_that_leaves(told: Told) -> None:
    """The pack, the shared page and its sound, the API's text, the search."""
    copy = await told.made(phrases=[NAME, NUMBER, PLACE], reason=f"隐去{NAME}")
    query = f"?purpose={PURPOSE}&redaction={copy['id']}"
    taken = await told.web.get(f"/api/v1/recordings/{told.recording}/evidence{query}", "auditor")
    assert taken.status == 200, await taken.text()
    with zipfile.ZipFile(io.BytesIO(await taken.read())) as file:
        pack = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
    sounds = [name for name in pack if name.endswith((".flac", ".wav"))]
    assert sounds == [f"redactions/{copy['id']}.flac"]
    assert not {"metadata.json", "transcript.v1.json"} & set(pack)
    check_proof(json.loads(pack["proof.json"]), ensure_ledger_key(Settings(data_dir=told.home)).verifier)
    sealed = {
        each["key"].rpartition("/")[2]: each["sha256"]
        for entry in json.loads(pack["proof.json"])["entries"]
        for each in json.loads(entry["leaf"])["facts"]["objects"]
    }
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in _lines(pack["SHA256SUMS"]))}
    for ending in ("flac", "json"):
        assert sealed[f"{copy['id']}.{ending}"] == sums[f"redactions/{copy['id']}.{ending}"]
    assert json.loads(pack[f"redactions/{copy['id']}.json"])["source"]["audio_sha256"] == sealed["audio.flac"]
    body = {"purpose": PURPOSE, "hours": 24, "redaction": copy["id"]}
    share = await (await told.web.post(f"/api/v1/recordings/{told.recording}/shares", body, "auditor")).json()
    path = "/s/" + share["address"].rpartition("/")[2]
    page = await (await told.web.client().get(path)).text()
    assert page.count(MARK) == 4, "three times in the text, once in what is said of it"
    heard = await (await told.web.client().get(path + "/audio")).read()
    assert heard == pack[sounds[0]]
    said = await (await told.web.get(f"{told.base}/{copy['id']}/transcript?purpose={PURPOSE}", "auditor")).text()
    whole = "".join([said, page, *(pack[name].decode() for name in pack if name not in sounds)])
    for letters in (NAME, NUMBER, PLACE, "幸福", "138****0321"):
        assert letters not in whole, letters
    found = await (await told.web.get(f"/api/v1/search?q={MARK[1:4]}", "auditor")).json()
    assert found["items"] == [], "copies are not searched"
    assert [leaf["facts"].get("redaction") for leaf in await told.leaves("evidence taken", "share made")] == [
        copy["id"]
    ] * 2


def _lines(content: bytes) -> list[str]:
    return content.decode().splitlines()


async def test_what_cannot_be_located_is_refused_and_nothing_is_made(told: Told) -> None:
    recording = told.recording
    await correct_transcript(
        told.web.archive,
        Correction(recording, {2: f"我住在{PLACE}，路灯修好了，我叫{NAME}。"}, "agent", "听录音核对", 1),
        retain_until=STARTED + timedelta(days=740),
    )
    stale = await told.ask(phrases=[PLACE])
    assert stale.status == 409, "the text has moved on"
    added = await told.ask(base_version=2, phrases=[PLACE, NAME])
    assert added.status == 403, await added.text()
    detail = (await added.json())["detail"]
    assert detail.startswith("第 3 句第"), detail
    assert NAME not in detail
    absent = await told.ask(base_version=2, phrases=[PLACE, "没有说过"])
    assert "第 2 个词" in (await absent.json())["detail"]
    for picks in ([], [{"turn": 9}], [{"turn": 0, "start": 3, "end": 99}]):
        assert (await told.ask(base_version=2, picks=picks)).status == 403, picks
    assert (await told.ask(base_version=2, picks=[{"turn": 0, "start": 3}])).status == 422
    assert await told.copies() == []
    assert await told.leaves("redaction asked", "redacted") == []
    # The whole sentence has a sure time, and goes.
    copy = await told.made(base_version=2, phrases=[PLACE], picks=[{"turn": 2}])
    assert [tuple(span) for span in copy["spans"]] == [time_of(2, TEXTS[2][2])]


async def test_only_who_answers_for_the_recording_makes_copies_and_only_while_they_last(told: Told) -> None:
    for role in ("agent", "client", "system", "security", "audit"):
        assert (await told.ask(role, picks=[{"turn": 0}])).status == 403, role
    copy = await told.made(picks=[{"turn": 0}], days=1)
    async with told.web.archive.database.write() as session:
        await session.execute(update(UserRow).where(UserRow.name == "supervisor").values(team="别组"))
    sound, purpose = f"{told.base}/{copy['id']}/audio", f"?purpose={PURPOSE}"
    pages = (told.base, told.base + "/suggestions", f"{sound}{purpose}", f"/recordings/{told.recording}/redactions")
    for path in pages:
        assert (await told.web.get(path, "supervisor")).status == 404, path
    assert (await told.ask("supervisor", picks=[{"turn": 0}])).status == 404
    assert (await told.web.get(sound, "auditor")).status == 400, "a purpose is asked first"
    other = f"/api/v1/recordings/{told.web.seeded.full}/redactions/{copy['id']}/audio{purpose}"
    assert (await told.web.get(other, "auditor")).status == 404, "it is not that recording's"
    assert (await told.web.get(f"{told.base}/nothing/audio{purpose}", "auditor")).status == 404
    body = {"purpose": PURPOSE, "hours": 720, "redaction": copy["id"]}
    shares = f"/api/v1/recordings/{told.recording}/shares"
    made = await (await told.web.post(shares, body, "auditor")).json()
    assert made["share"]["expires_at"] == copy["expires_at"], "a link does not outlive the copy"
    async with told.web.archive.database.write() as session:
        await session.execute(update(Redaction).values(expires_at=told.web.archive.clock() - timedelta(seconds=1)))
    evidence = f"/api/v1/recordings/{told.recording}/evidence{purpose}&redaction={copy['id']}"
    for path in (f"{sound}{purpose}", f"{told.base}/{copy['id']}/transcript{purpose}", evidence):
        assert (await told.web.get(path, "auditor")).status == 403, path
    assert (await told.web.post(shares, body, "auditor")).status == 403
    assert (await told.web.client().get("/s/" + made["address"].rpartition("/")[2])).status in (403, 404)
    assert await verify_recording(told.web.archive, told.recording) == [], "the copy stays where it was sealed"


async def _fail(told: Told, copy: str, error: Exception) -> None:
    """Its making failed as often as is tried."""
    failure = Failure.of(error)
    values = {"state": FAILED, "attempts": 8, "finished_at": told.web.archive.clock()}
    values |= {"error": failure.text, "error_kind": failure.kind, "error_said": failure.said}
    async with told.web.archive.database.write() as session:
        await session.execute(update(JobRow).where(JobRow.key == copy).values(**values))


async def test_a_copy_that_failed_for_good_is_made_after_all_by_who_may_ask_for_it(told: Told) -> None:
    copy = (await (await told.ask(phrases=["路灯"])).json())["id"]
    again = f"{told.base}/{copy}/retry"
    assert (await told.web.post(again, role="auditor")).status == 409, "it is waiting anyway"
    await _fail(told, copy, Unavailable("the local store failed", error="gone"))
    [shown] = await told.copies()
    assert (shown["state"], shown["failure"]["kind"], shown["failure"]["final"]) == ("failed", "unavailable", True)
    for role in ("agent", "client", "system", "security", "audit"):
        assert (await told.web.post(again, role=role)).status == 403, role
    assert (await told.web.post(again.replace(copy, str(told.recording)), role="auditor")).status == 404
    assert (await told.web.post(again.replace(str(told.recording), copy), role="auditor")).status == 404
    assert (await told.web.post(again, role="auditor")).status == 202
    assert (await told.web.post(again, role="auditor")).status == 409
    await told.work()
    [made] = await told.copies()
    assert (made["state"], made["failure"]) == ("done", None)
    assert len(await told.leaves("redaction asked")) == 1


@pytest.mark.parametrize(
    ("error", "chinese", "english"),
    [
        (Damaged("bytes differ", key="x"), "读到的内容与封存时不一致。", "What was read is not what was sealed."),
        (Refused("时间不可靠 / times are not reliable"), "时间不可靠", "times are not reliable"),
        (ValueError("a mistake"), "程序出错，没有完成。", "The program failed before it was finished."),
    ],
)
async def test_the_page_says_why_in_the_readers_language_and_tries_again(
    told: Told, error: Exception, chinese: str, english: str
) -> None:
    copy = (await (await told.ask(phrases=["路灯"])).json())["id"]
    await _fail(told, copy, error)
    browser = await told.web.browser("supervisor")
    path = f"/recordings/{told.recording}/redactions"
    page = await (await browser.get(path)).text()
    [identifier] = re.findall(r'日志编号 <span class="num break">([0-9a-f-]{36})<', page)
    async with told.web.archive.database.read() as session:
        assert await session.scalar(select(JobRow.id).where(JobRow.key == copy)) == UUID(identifier)
    assert chinese in page
    assert type(error).__name__ not in page
    assert english not in page
    in_english = await (await browser.get(f"{path}?lang=en")).text()
    assert english in in_english
    assert chinese not in in_english
    form = {"csrf": told.web.form_tokens["supervisor"]}
    answer = await browser.post(f"{path}/{copy}/retry", data=form, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, f"{path}#copies")
    answer = await browser.post(f"{path}/{copy}/retry", data=form, allow_redirects=False)
    assert (answer.status, "nothing failed" in await answer.text()) == (422, True)


async def test_the_page_takes_suggestions_words_and_sentences(told: Told) -> None:
    path, client = f"/recordings/{told.recording}/redactions", await told.web.browser("auditor")
    page = await (await client.get(path)).text()
    assert page.count('name="pick" value="0:') == 1
    assert NUMBER not in page
    csrf = told.web.form_tokens["auditor"]
    form = {
        "csrf": csrf,
        "base_version": "1",
        "pick": "0:7:10",
        "phrases": "没有说过",
        "reason": "对外提供",
        "days": "7",
    }
    refused = await client.post(path, data=form, allow_redirects=False)
    assert refused.status == 422
    kept = await refused.text()
    assert "没有说过" in kept, "what was typed is not lost"
    assert "文字里没有第 1 个词" in kept
    nothing = await client.post(path, data={**form, "pick": "x", "reason": ""}, allow_redirects=False)
    assert nothing.status == 422
    asked = await client.post(path, data={**form, "phrases": f"路灯\n\n{PLACE}\n"}, allow_redirects=False)
    assert asked.status == 303
    waiting = await (await client.get(path)).text()
    assert "<progress" in waiting
    assert f"/events/redactions/{told.recording}" in waiting
    await told.work()
    done = await (await client.get(path)).text()
    assert "<progress" not in done
    assert "可以交出" in done
    [copy] = await told.copies()
    heard = await (await client.get(f"{path}?purpose={PURPOSE}&hear={copy['id']}")).text()
    source = re.search(r'<audio[^>]* src="([^"]+)"', heard)
    assert source
    sound = await client.get(unescape(source[1]))
    assert (sound.status, (await sound.read())[:4]) == (200, b"RIFF")
    assert "<audio" not in done, "nothing is heard without a purpose"
    assert copy["expires_at"][:10] == (told.web.archive.clock() + timedelta(days=7)).isoformat()[:10]
