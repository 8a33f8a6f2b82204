"""Taking evidence along, and sharing a recording by a link."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import soundfile
from sqlalchemy import select

from api.access.accounts import UserRow
from api.pages.shared import WRONG_PER_MINUTE
from archive.catalogue import Recording
from archive.evidence import check_proof
from archive.heads import sign_head
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from archive.shares import Share
from core.clock import utc_now
from core.ledger import LedgerRow
from core.note import SigningKey
from core.settings import Settings
from tests.web import CITIZEN, Web, serving

PURPOSE = "信访复核"


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    settings = Settings(data_dir=tmp_path)
    ensure_ledger_key(settings)
    async with serving(archive, tmp_path, settings) as served:
        yield served


def _evidence(web: Web, query: str = f"?purpose={PURPOSE}") -> str:
    return f"/api/v1/recordings/{web.seeded.full}/evidence{query}"


def _shares(web: Web) -> str:
    return f"/api/v1/recordings/{web.seeded.full}/shares"


async def _unzip(answer: Any) -> dict[str, bytes]:
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(await answer.read())) as file:
        assert file.testzip() is None
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


async def _leaves(web: Web, kind: str) -> list[dict[str, Any]]:
    async with web.archive.database.read() as session:
        rows = await session.scalars(select(LedgerRow.leaf).where(LedgerRow.kind == kind).order_by(LedgerRow.seq))
        return [json.loads(leaf) for leaf in rows]


async def _share(web: Web, hours: int = 24) -> dict[str, Any]:
    answer = await web.post(_shares(web), {"purpose": PURPOSE, "hours": hours}, "auditor")
    assert answer.status == 201
    made: dict[str, Any] = await answer.json()
    return made


def _path(made: dict[str, Any]) -> str:
    return "/s/" + str(made["address"]).rpartition("/")[2]


async def test_the_pack_proves_itself(web: Web, tmp_path: Path) -> None:
    await web.post(f"/api/v1/recordings/{web.seeded.full}/comments", {"at_ms": 4000, "text": "市民语气平和"})
    answer = await web.get(_evidence(web), "auditor")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Type"] == "application/zip"
    files = await _unzip(answer)
    assert {"audio.flac", "metadata.json", "transcript.v1.json", "proof.json", "head.txt", "README.txt"} <= set(files)
    assert any(name.startswith("comments/") for name in files)
    lines = (line.partition("  ") for line in files["SHA256SUMS"].decode().splitlines())
    sums = {name: digest for digest, _, name in lines}
    assert sums == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "SHA256SUMS"
    }
    proof = json.loads(files["proof.json"])
    check_proof(proof, ensure_ledger_key(Settings(data_dir=tmp_path)).verifier)
    leaves = [json.loads(entry["leaf"]) for entry in proof["entries"]]
    # The rows name the hashes of the files, and the last one tells of this very pack.
    sealed = {each["key"]: each["sha256"] for leaf in leaves for each in leaf["facts"].get("objects", ())}
    told = json.loads(files["evidence.json"])["objects"]
    assert {each["key"] for each in told} == set(sealed)
    assert all(sums[each["file"]] == sealed[each["key"]] == each["sha256"] for each in told)
    assert (leaves[-1]["kind"], leaves[-1]["actor"]) == ("evidence taken", "auditor")
    assert leaves[-1]["facts"] == {"purpose": PURPOSE}
    with pytest.raises(ValueError, match=r".+"):
        check_proof(proof, SigningKey.generate(proof["verifier_key"].partition("+")[0]).verifier)


async def test_a_part_of_the_sound_takes_its_place(web: Web) -> None:
    files = await _unzip(await web.get(_evidence(web, f"?purpose={PURPOSE}&start=3&end=5"), "auditor"))
    assert "audio.flac" not in files
    samples, rate = soundfile.read(io.BytesIO(files["clip.wav"]))
    assert len(samples) == 2 * rate
    assert json.loads(files["evidence.json"])["clip"] == {"start_ms": 3000, "end_ms": 5000}
    assert (await _leaves(web, "evidence taken"))[0]["facts"] == {"purpose": PURPOSE, "start_ms": 3000, "end_ms": 5000}


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?purpose=x", 400), (f"?purpose={PURPOSE}&start=5&end=3", 400), (f"?purpose={PURPOSE}&start=99", 400)],
)
async def test_what_is_no_pack_is_refused(web: Web, query: str, status: int) -> None:
    assert (await web.get(_evidence(web, query), "auditor")).status == status


@pytest.mark.parametrize("role", ["agent", "client", "system", "security", "audit"])
async def test_evidence_and_links_are_for_few(web: Web, role: str) -> None:
    assert (await web.get(_evidence(web), role)).status == 403
    assert (await web.get(_shares(web), role)).status == 403
    assert (await web.post(_shares(web), {"purpose": PURPOSE}, role)).status == 403
    assert await _leaves(web, "evidence taken") == []


async def test_another_teams_recording_cannot_be_taken_or_shared(web: Web) -> None:
    async with web.archive.database.write() as session:
        (await session.get_one(Recording, web.seeded.full)).team = "二组"
    async with web.archive.database.write() as session:
        (await session.get_one(UserRow, "supervisor")).team = "一组"
    assert (await web.get(_evidence(web), "supervisor")).status == 404
    assert (await web.post(_shares(web), {"purpose": PURPOSE}, "supervisor")).status == 404
    assert await _leaves(web, "evidence taken") == []


async def test_a_telephone_number_in_a_purpose_is_masked(web: Web) -> None:
    await _unzip(await web.get(_evidence(web, f"?purpose=核对{CITIZEN}"), "auditor"))
    assert (await _leaves(web, "evidence taken"))[0]["facts"]["purpose"] == "核对138****1234"


async def test_without_the_key_the_newest_head_proves(archive: Archive, tmp_path: Path) -> None:
    """A web host that does not hold the key: what was signed before is proved, what came after is not."""
    key = SigningKey.generate("huiyin.example/ledger")
    settings = replace(Settings(data_dir=tmp_path), ledger_verifiers=(key.verifier,))
    async with serving(archive, tmp_path, settings) as web:
        assert (await web.get(_evidence(web), "auditor")).status == 503
        await sign_head(archive, key, retain_until=utc_now() + timedelta(days=1))
        proof = json.loads((await _unzip(await web.get(_evidence(web), "auditor")))["proof.json"])
    check_proof(proof, key.verifier)
    assert "sealed" in {json.loads(entry["leaf"])["kind"] for entry in proof["entries"]}


async def test_a_link_is_heard_without_login_and_every_use_is_on_record(web: Web) -> None:
    made = await _share(web)
    stranger = web.client()
    page = await stranger.get(_path(made))
    assert page.status == 200
    text = await page.text()
    assert CITIZEN not in text
    assert "路灯" not in text
    for name, value in (("Cache-Control", "private, no-store"), ("Referrer-Policy", "no-referrer")):
        assert page.headers[name] == value
    sound = await stranger.get(_path(made) + "/audio", headers={"Range": "bytes=0-99"})
    assert (sound.status, len(await sound.read())) == (206, 100)
    assert "no-store" in sound.headers["Cache-Control"]
    await (await stranger.get(_path(made) + "/audio", headers={"Range": "bytes=100-199"})).read()
    items = (await (await web.get(_shares(web), "auditor")).json())["items"]
    assert [each["what"] for each in items[0]["accesses"]] == ["opened", "heard"]
    assert items[0]["accesses"][0]["address"] == "127.0.0.1"
    read = (await _leaves(web, "read"))[-1]
    assert (read["actor"], read["facts"]["purpose"]) == (f"share {made['share']['id']}", PURPOSE)


async def test_the_token_is_stored_nowhere(web: Web) -> None:
    made = await _share(web)
    token = made["address"].rpartition("/")[2]
    assert len(token) >= 43
    async with web.archive.database.read() as session:
        row = (await session.scalars(select(Share))).one()
        leaves = await session.scalars(select(LedgerRow.leaf))
        assert all(token not in leaf for leaf in leaves)
    assert row.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert token not in await (await web.get(_shares(web), "auditor")).text()


async def test_a_link_ends_by_its_hour_by_hand_and_with_the_recording(web: Web) -> None:
    made, other = await _share(web, 1), await _share(web)
    stranger = web.client()
    ended = await web.client().delete(f"{_shares(web)}/{other['share']['id']}", headers=await web.bearer("supervisor"))
    assert (await ended.json())["revoked_by"] == "supervisor"
    assert (await stranger.get(_path(other))).status == 404
    assert (await stranger.get(_path(other) + "/audio")).status == 404
    async with web.archive.database.write() as session:
        row = await session.get_one(Share, UUID(made["share"]["id"]))
        row.expires_at = web.archive.clock()
    assert (await stranger.get(_path(made))).status == 404
    assert [leaf["kind"] for leaf in await _leaves(web, "share revoked")] == ["share revoked"]


async def test_a_link_opens_nothing_else(web: Web) -> None:
    stranger = web.client()
    await stranger.get(_path(await _share(web)))
    path = f"/api/v1/recordings/{web.seeded.full}/audio"
    assert (await stranger.get(path)).status == 401


async def test_guessing_links_is_slowed_down(web: Web) -> None:
    made = await _share(web)
    stranger = web.client()
    answers = [(await stranger.get(f"/s/guess{number}")).status for number in range(WRONG_PER_MINUTE + 3)]
    assert set(answers[:WRONG_PER_MINUTE]) == {404}
    assert answers[-1] == 429
    # A right link is not a guess.
    assert (await stranger.get(_path(made))).status == 200


@pytest.mark.parametrize(
    "body", [{"purpose": "x"}, {"purpose": PURPOSE, "hours": 0}, {"purpose": PURPOSE, "hours": 721}]
)
async def test_a_link_needs_a_purpose_and_an_end(web: Web, body: object) -> None:
    assert (await web.post(_shares(web), body, "auditor")).status == 422


async def test_the_page_shows_the_address_once(web: Web) -> None:
    browser = await web.browser("auditor")
    path = f"/recordings/{web.seeded.full}/shares"
    form = {"csrf": web.form_tokens["auditor"], "purpose": PURPOSE, "hours": "8"}
    page = await (await browser.post(path, data=form)).text()
    found = re.search(r'value="(http[^"]+/s/[\w-]{43})"', page)
    assert found
    assert "/s/" not in await (await browser.get(path)).text()
    assert (await web.client().get("/s/" + found[1].rpartition("/")[2])).status == 200


async def test_an_auditor_hears_nothing_without_a_purpose(web: Web) -> None:
    path = f"/api/v1/recordings/{web.seeded.full}/audio"
    assert (await web.get(path, "auditor")).status == 403
    assert await _leaves(web, "read") == []
    heard = await web.get(f"{path}?purpose={PURPOSE}", "auditor")
    assert (heard.status, heard.headers["Cache-Control"]) == (200, "private, no-store")
    await heard.read()
    assert (await _leaves(web, "read"))[0]["facts"]["purpose"] == PURPOSE
    assert (await (await web.get(path, "agent")).read())[:4] == b"fLaC"


async def test_the_same_samples_can_be_asked_for_as_wav(web: Web) -> None:
    path = f"/api/v1/recordings/{web.seeded.full}/audio"
    original = await web.get(path)
    sealed, _ = soundfile.read(io.BytesIO(await original.read()), dtype="int16")
    whole = await web.get(f"{path}?form=wav")
    content = await whole.read()
    assert whole.headers["Content-Type"] == "audio/wav"
    decoded, _ = soundfile.read(io.BytesIO(content), dtype="int16")
    assert (decoded == sealed).all()
    part = await web.get(f"{path}?form=wav", "agent", Range="bytes=100001-200000")
    assert (part.status, await part.read()) == (206, content[100001:200001])
    assert whole.headers["ETag"] != original.headers["ETag"]
    # One listening, however the sound is asked for.
    assert len(await _leaves(web, "read")) == 1
