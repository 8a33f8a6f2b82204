"""A number that no order has: said at the field it was typed into, and not lost."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from archive.house import Archive
from core.database import Database
from tests.web import ORDER, Web, serving


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One kind is enough: what is looked at is the page."""
    return sqlite_database


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(archive, tmp_path) as served:
        yield served


@pytest.mark.parametrize("back", ["", "links"])
@pytest.mark.parametrize(("language", "said"), [("zh", "没有这个编号的工单"), ("en", "no work order has this number")])
async def test_an_unknown_number_is_said_at_its_field_and_kept(web: Web, back: str, language: str, said: str) -> None:
    browser, typed = await web.browser("agent"), 'GD-"0<9>'
    form = {"csrf": web.form_tokens["agent"], "work_order": typed, "back": back}
    path = f"/recordings/{web.seeded.pending}/link"
    answer = await browser.post(path, data=form, params={"lang": language}, allow_redirects=False)
    assert (answer.status, answer.content_type) == (422, "text/html")
    html = await answer.text()
    [problem] = re.findall(r'<p class="notice bad" id="problem" role="alert">([^<]+)</p>', html)
    assert said in problem
    [field] = [each for each in re.findall(r'<input[^>]*name="work_order"[^>]*>', html) if "aria-invalid" in each]
    assert 'aria-describedby="problem"' in field
    [value] = re.findall(r'value="([^"]*)"', field)
    assert unescape(value) == typed
    assert (f'id="question-{web.seeded.pending}"' in html) == bool(back)
    form["work_order"] = ORDER
    assert (await browser.post(path, data=form, allow_redirects=False)).status == 303


async def test_no_number_is_said_too_and_an_unknown_recording_is_not_found(web: Web) -> None:
    browser = await web.browser("agent")
    form = {"csrf": web.form_tokens["agent"], "work_order": "  "}
    missing = await browser.post(f"/recordings/{web.seeded.pending}/link", data=form, allow_redirects=False)
    assert missing.status == 422
    assert "请填写工单编号" in await missing.text()
    # It is no question any more: what was wrong is said all the same.
    other = {**form, "back": "links"}
    answered = await browser.post(f"/recordings/{web.seeded.full}/link", data=other, allow_redirects=False)
    assert answered.status == 422
    assert "请填写工单编号" in await answered.text()
    nobody = await browser.post(f"/recordings/{web.seeded.failed_job}/link", data=form, allow_redirects=False)
    assert nobody.status == 404
