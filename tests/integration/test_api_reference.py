"""The reference of the API inside the pages' frame: all that the document holds, in both languages."""

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.openapi import DESCRIBED
from api.reference import SUBJECTS, Reference, curl, reference
from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from tests.web import Web, serving


@pytest.fixture
async def web(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Web]:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path) as served:
        yield served
    await store.close()


async def _read(web: Web, path: str, language: str = "zh") -> str:
    answer = await web.get(f"{path}?lang={language}", "client")
    assert answer.status == 200
    return html.unescape(await answer.text())


def _reference(web: Web) -> Reference:
    return reference(web.app[DESCRIBED]())


async def test_every_operation_of_the_document_is_told_once(web: Web) -> None:
    document = json.loads(web.app[DESCRIBED]())
    expected = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    told = [(each.method, each.path) for there in _reference(web).subjects.values() for each in there]
    assert sorted(told) == sorted(expected)
    index = await _read(web, "/reference")
    shown = re.findall(r"<strong>([A-Z]+)</strong> (/[^<]+)</code>", index)
    assert sorted(shown) == sorted(expected)


async def test_each_subject_shows_parameters_models_answers_and_roles(web: Web) -> None:
    found = _reference(web)
    for language in ("zh", "en"):
        for subject, operations in found.subjects.items():
            page = await _read(web, f"/reference/{subject}", language)
            identifiers = re.findall(r'\bid="([^"]+)"', page)
            assert len(identifiers) == len(set(identifiers)), "each place has a name of its own"
            links = set(re.findall(r'href="#([^"]+)"', page)) - {"main"}
            assert links <= set(identifiers), "every model that is named is described"
            for each in operations:
                assert f'id="{each.id}"' in page
                assert all(f"<code>{value.name}</code>" in page for value in each.values)
            assert "Traceback" not in page
    recordings = await _read(web, "/reference/recordings")
    assert "录音列表" in recordings
    assert "integer 1…200" in recordings
    assert "multipart/form-data" in recordings
    assert (await web.get("/reference/nothing", "client")).status == 404


async def test_examples_are_requests_that_the_api_understands(web: Web) -> None:
    found = _reference(web)
    asked = {each.id: each for there in found.subjects.values() for each in there}
    hold = asked["post_holds"]
    text = curl(hold, "https://huiyin.example")
    assert text.startswith("curl -X POST 'https://huiyin.example/api/v1/holds' \\\n")
    assert '-H "Authorization: Bearer $TOKEN"' in text
    assert set(hold.example or {}) == {"name", "reason"}
    assert "TOKEN" not in curl(asked["post_login"], "https://huiyin.example")
    assert "-F 'file=@call.wav'" in curl(asked["post_recordings"], "https://huiyin.example")
    entry = asked["post_dictionaries_name"]
    assert (await web.post("/api/v1/dictionaries/unit", entry.example, "system")).status == 201
    # The shell's quotes hold: no example has one of its own.
    assert all(curl(each, "https://huiyin.example").count("'") % 2 == 0 for each in asked.values())


async def test_the_frame_leads_to_the_reference_and_needs_a_login(web: Web) -> None:
    assert '<a href="/reference">' in await _read(web, "/account")
    stranger = await web.client().get("/reference", allow_redirects=False)
    assert (stranger.status, stranger.headers["Location"]) == (303, "/login?next=%2Freference")
    subjects = {part for parts in SUBJECTS.values() for part in parts}
    assert len(subjects) == sum(map(len, SUBJECTS.values())), "a path belongs to one subject"
