"""Reviewing a recording through the API: waveform, draft, versions, conflicts, comments, places, checks."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, select

from archive import layout
from archive.catalogue import Recording, StoredObject, TurnRow
from archive.drafts import Draft, place_of
from archive.peaks import Waveform
from archive.verify import verify_recording
from core.jobs import JobRow
from core.ledger import LedgerRow
from tests.web import DIALOGUE, SECONDS, Web

REASON = "听录音核对"


def _at(web: Web, what: str) -> str:
    return f"/api/v1/recordings/{web.seeded.full}/{what}"


async def _json(answer: Any) -> Any:
    return await answer.json()


async def _patch(web: Web, body: object, role: str = "agent") -> Any:
    return await web.client().patch(_at(web, "draft"), json=body, headers=await web.bearer(role))


async def _put(web: Web, path: str, body: object, role: str = "agent") -> Any:
    return await web.client().put(path, json=body, headers=await web.bearer(role))


async def _save(web: Web, texts: dict[str, str], base: int = 1, role: str = "agent", reason: str = REASON) -> Any:
    return await web.post(_at(web, "versions"), {"base_version": base, "reason": reason, "texts": texts}, role)


async def _kinds(web: Web) -> list[str]:
    async with web.archive.database.read() as session:
        query = select(LedgerRow.kind).where(LedgerRow.subject == str(web.seeded.full)).order_by(LedgerRow.seq)
        return list(await session.scalars(query))


async def test_the_waveform_is_made_at_sealing(web: Web) -> None:
    answer = await web.get(_at(web, "waveform"))
    said = await answer.json()
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert (said["duration_ms"], said["per_second"], len(said["lanes"])) == (SECONDS * 1000, 20, 2)
    lane = np.frombuffer(base64.b64decode(said["lanes"][0]), np.int8).reshape(-1, 2)
    assert len(lane) == SECONDS * 20
    assert lane[:, 0].max() < -20
    assert lane[:, 1].min() > 20
    again = await web.get(_at(web, "waveform"), "agent", **{"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
    # Nobody has listened to anything.
    assert "read" not in await _kinds(web)


async def test_a_waveform_that_is_lost_is_made_again(web: Web) -> None:
    before = await _json(await web.get(_at(web, "waveform")))
    async with web.archive.database.write() as session:
        await session.execute(delete(Waveform))
    assert await _json(await web.get(_at(web, "waveform"))) == before
    async with web.archive.database.read() as session:
        assert await session.get(Waveform, web.seeded.full)


async def test_a_draft_is_kept_turn_by_turn(web: Web) -> None:
    assert (await _json(await web.get(_at(web, "draft"))))["base_version"] == 0
    await _patch(web, {"base_version": 1, "texts": {"1": "一"}, "reason": REASON})
    await _patch(web, {"base_version": 1, "texts": {"3": "三"}})
    kept = await _json(await _patch(web, {"base_version": 1, "texts": {"1": None, "5": "五"}}))
    assert (kept["texts"], kept["reason"], kept["base_version"]) == ({"3": "三", "5": "五"}, REASON, 1)
    # Somebody else's draft is another.
    assert (await _json(await web.get(_at(web, "draft"), "supervisor")))["texts"] == {}
    await web.client().delete(_at(web, "draft"), headers=await web.bearer("agent"))
    assert (await _json(await web.get(_at(web, "draft"))))["texts"] == {}


async def test_a_correction_is_another_sealed_version(web: Web) -> None:
    await _patch(web, {"base_version": 1, "texts": {"5": "草稿"}})
    answer = await _save(web, {"5": "建议以后坏了早点派人来看看。"})
    assert answer.status == 201
    said = await answer.json()
    assert said["version"] == 2
    text = await _json(await web.get(_at(web, "transcript")))
    assert text["version"] == 2
    assert text["turns"][5]["text"] == "建议以后坏了早点派人来看看。"
    assert text["turns"][5]["confidence"] == 1.0
    assert text["turns"][1]["text"] == DIALOGUE[1][3]
    assert text["turns"][1]["confidence"] == DIALOGUE[1][4]
    assert (await _json(await web.get(_at(web, "draft"))))["texts"] == {}
    found = await _json(await web.get("/api/v1/search?q=派人来"))
    assert [hit["ordinal"] for call in found["items"] for hit in call["hits"]] == [5]
    assert (await _kinds(web))[-1] == "corrected"
    async with web.archive.database.read() as session:
        job = await session.scalar(select(JobRow).where(JobRow.kind == "findings"))
        assert job
        assert job.payload == {"recording_id": str(web.seeded.full)}


async def test_the_original_stays_and_the_versions_are_chained(web: Web) -> None:
    await _save(web, {"5": "一改"})
    await _save(web, {"5": "二改"}, base=2, role="supervisor", reason="复查")
    items = (await _json(await web.get(_at(web, "versions"))))["items"]
    assert [(each["number"], each["author"], each["reason"]) for each in items] == [
        (3, "supervisor", "复查"),
        (2, "agent", REASON),
        (1, "system", "first transcription"),
    ]
    assert [each["replaces"] for each in items] == [items[1]["sha256"], items[2]["sha256"], None]
    assert await verify_recording(web.archive, web.seeded.full) == []
    difference = await _json(await web.get(_at(web, "versions/1/difference?against=3")))
    assert [turn["ordinal"] for turn in difference["turns"]] == [5]
    kept = "".join(piece["text"] for piece in difference["turns"][0]["pieces"] if piece["kind"] != "added")
    assert kept == DIALOGUE[5][3]
    assert (await _kinds(web))[-2:] == ["read", "read"]
    assert (await web.get(_at(web, "versions/9/difference?against=3"))).status == 404
    assert (await web.get(_at(web, "versions/x/difference?against=3"))).status == 404


async def test_a_later_text_moves_the_date_and_never_back(web: Web) -> None:
    async with web.archive.database.read() as session:
        before = await session.get_one(Recording, web.seeded.full)
    said = await _json(await _save(web, {"5": "改"}))
    async with web.archive.database.read() as session:
        after = await session.get_one(Recording, web.seeded.full)
        locks = await session.scalars(select(StoredObject.lock_until).where(StoredObject.recording_id == after.id))
        assert min(locks) >= after.retain_until
    assert after.text_final_at
    assert after.text_final_at > (before.text_final_at or before.ended_at)
    assert after.retain_until >= max(before.retain_until, after.text_final_at + timedelta(days=730))
    assert said["retain_until"].startswith(after.retain_until.isoformat()[:19])


async def test_who_saves_second_is_told_and_loses_nothing(web: Web) -> None:
    await _patch(web, {"base_version": 1, "texts": {"1": "我的", "3": "也是我的"}})
    assert (await _save(web, {"1": "别人的"}, role="supervisor")).status == 201
    late = await _save(web, {"1": "我的", "3": "也是我的"})
    assert late.status == 409
    kept = await _json(await web.get(_at(web, "draft")))
    assert (kept["base_version"], kept["text_version"]) == (1, 2)
    assert kept["texts"] == {"1": "我的", "3": "也是我的"}
    # On top of another version only when the person says so.
    assert (await _patch(web, {"base_version": 2, "texts": {"5": "x"}})).status == 409
    moved = await _json(await _patch(web, {"base_version": 2, "texts": {"3": "也是我的"}, "rebase": True}))
    assert (moved["base_version"], moved["texts"]) == (2, {"3": "也是我的"})
    assert (await _save(web, {"3": "也是我的"}, base=2)).status == 201
    text = await _json(await web.get(_at(web, "transcript")))
    assert [text["turns"][place]["text"] for place in (1, 3)] == ["别人的", "也是我的"]


async def test_two_who_save_at_once_make_one_version_and_no_orphan(web: Web) -> None:
    await web.bearer("agent")
    answers = await asyncio.gather(*(_save(web, {"1": f"第{number}人"}) for number in range(6)))
    assert sorted(answer.status for answer in answers) == [201, *([409] * 5)]
    assert await verify_recording(web.archive, web.seeded.full) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"base_version": 1, "reason": "", "texts": {"1": "x"}}, 422),
        ({"base_version": 1, "reason": REASON, "texts": {}}, 422),
        ({"base_version": 1, "reason": REASON, "texts": {"-1": "x"}}, 422),
        ({"base_version": 1, "reason": REASON, "texts": {"99": "x"}}, 403),
        ({"base_version": 1, "reason": REASON, "texts": {"1": "x" * 5000}}, 422),
        ({"base_version": 7, "reason": REASON, "texts": {"1": "x"}}, 409),
    ],
)
async def test_what_is_no_correction_is_refused(web: Web, body: object, status: int) -> None:
    assert (await web.post(_at(web, "versions"), body)).status == status
    async with web.archive.database.read() as session:
        texts = await session.scalars(select(StoredObject).where(StoredObject.kind == layout.TRANSCRIPT))
        assert len(texts.all()) == 1


async def test_a_recording_without_text_has_nothing_to_correct(web: Web) -> None:
    body = {"base_version": 1, "reason": REASON, "texts": {"0": "x"}}
    assert (await web.post(f"/api/v1/recordings/{web.seeded.pending}/versions", body)).status == 409


async def test_a_turn_may_be_struck_out(web: Web) -> None:
    assert (await _save(web, {"7": ""})).status == 201
    async with web.archive.database.read() as session:
        row = await session.scalar(select(TurnRow).where(TurnRow.recording_id == web.seeded.full, TurnRow.ordinal == 7))
    assert row
    assert (row.text, row.words) == ("", [])


async def test_a_number_in_the_text_is_masked_and_stays_what_it_is(web: Web) -> None:
    said = "我的电话是13800001234，身份证11010119900307123X。"
    await _save(web, {"1": said})
    shown = "我的电话是138****1234，身份证110***********123X。"
    turn = (await _json(await web.get(_at(web, "transcript"))))["turns"][1]
    assert turn["text"] == shown
    assert "".join(word[2] for word in turn["words"]) == shown
    # Corrected on top of what is shown: what is still masked is as it was.
    await _save(web, {"1": shown.replace("我的电话", "我的手机")}, base=2)
    async with web.archive.database.read() as session:
        query = select(TurnRow.text).where(TurnRow.recording_id == web.seeded.full, TurnRow.ordinal == 1)
        assert await session.scalar(query) == said.replace("我的电话", "我的手机")
    difference = await (await web.get(_at(web, "versions/2/difference?against=3"))).text()
    assert "13800001234" not in difference
    assert await verify_recording(web.archive, web.seeded.full) == []


async def test_comments_are_sealed_in_the_order_of_their_seconds(web: Web) -> None:
    assert (await web.post(_at(web, "comments"), {"at_ms": 9000, "text": "市民语气平和"})).status == 201
    await web.post(_at(web, "comments"), {"at_ms": 4000, "text": "电话 13800001234 待核"}, "supervisor")
    items = (await _json(await web.get(_at(web, "comments"), "auditor")))["items"]
    assert [(each["at_ms"], each["by"], each["text"]) for each in items] == [
        (4000, "supervisor", "电话 138****1234 待核"),
        (9000, "agent", "市民语气平和"),
    ]
    assert (await _kinds(web)).count("commented") == 2
    assert await verify_recording(web.archive, web.seeded.full) == []
    assert (await web.post(_at(web, "comments"), {"at_ms": 99_000, "text": "之后"})).status == 403
    assert (await web.post(_at(web, "comments"), {"at_ms": 1, "text": "  "})).status == 422


async def test_each_person_resumes_at_his_own_place(web: Web) -> None:
    await _put(web, _at(web, "place"), {"position_ms": 4200})
    await _put(web, _at(web, "place"), {"position_ms": 999_999}, "auditor")
    async with web.archive.database.read() as session:
        assert await place_of(session, "agent", web.seeded.full) == 4200
        assert await place_of(session, "auditor", web.seeded.full) == SECONDS * 1000
        assert await place_of(session, "supervisor", web.seeded.full) == 0


async def test_preferences_are_one_persons(web: Web) -> None:
    path = "/api/v1/me/review"
    plain = {"single_keys": True, "skip_silence": False, "follow": True, "speed": 1.0}
    assert await _json(await web.get(path)) == plain
    assert await _json(await _put(web, path, {"single_keys": False, "speed": 1.5})) == {
        **plain,
        "single_keys": False,
        "speed": 1.5,
    }
    assert await _json(await web.get(path, "auditor")) == plain
    assert (await _put(web, path, {"speed": 9})).status == 422


async def test_a_check_reads_every_byte_and_says_so(web: Web) -> None:
    said = await _json(await web.post(_at(web, "check"), role="auditor"))
    assert said["sound"]
    assert said["faults"] == []
    assert "完全一致" in said["words"]
    assert (await _kinds(web))[-1] == "checked"
    page = await (await web.get(f"/recordings/{web.seeded.full}", "auditor")).text()
    assert "auditor 逐字节核对过，与封存时一致。" in page
    assert "封存后等待夜间核对" in page


async def test_a_check_names_what_was_altered(web: Web) -> None:
    async with web.archive.database.read() as session:
        stored = await session.scalar(
            select(StoredObject).where(StoredObject.recording_id == web.seeded.full, StoredObject.kind == layout.AUDIO)
        )
    assert stored
    path = web.archive.store.local_path(stored.key, stored.version_id)
    assert path
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    said = await _json(await web.post(_at(web, "check")))
    assert not said["sound"]
    assert [fault["key"] for fault in said["faults"]] == [stored.key]
    assert "异常" in said["words"]
    page = await (await web.get(f"/recordings/{web.seeded.full}", "auditor")).text()
    assert "agent 核对发现 1 处异常。" in page, "whoever opens it next is told"


WRITES = (
    ("versions", {"base_version": 1, "reason": REASON, "texts": {"1": "x"}}),
    ("comments", {"at_ms": 1, "text": "x"}),
)


@pytest.mark.parametrize(("what", "body"), WRITES)
@pytest.mark.parametrize("role", ["auditor", "client", "system", "security", "audit"])
async def test_who_audits_or_administers_changes_nothing(web: Web, role: str, what: str, body: object) -> None:
    assert (await web.post(_at(web, what), body, role)).status == 403


@pytest.mark.parametrize("what", ["waveform", "draft", "versions", "comments", "versions/1/difference?against=1"])
async def test_another_teams_recording_does_not_exist(web: Web, what: str) -> None:
    async with web.archive.database.write() as session:
        row = await session.get_one(Recording, web.seeded.full)
        row.team = "二组"
    assert (await web.get(_at(web, what))).status == 404
    assert (await web.post(_at(web, "comments"), {"at_ms": 1, "text": "x"})).status == 404
    assert (await _save(web, {"1": "x"})).status == 404
    assert (await _patch(web, {"base_version": 1, "texts": {"1": "x"}})).status == 404
    assert (await _put(web, _at(web, "place"), {"position_ms": 1})).status == 404
    assert (await web.post(_at(web, "check"))).status == 404
    async with web.archive.database.read() as session:
        assert not (await session.scalars(select(Draft))).all()
