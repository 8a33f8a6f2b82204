"""Errors as people meet them: what happened and what to do, in their language, under an id that stands in the log."""

import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientResponse, FormData
from sqlalchemy import text

from api.app import LARGEST_UPLOAD
from api.language import CHINESE, english
from api.pages.labels import WHAT_TO_DO
from api.problems import TITLES
from archive.house import Archive
from core.database import Database
from core.settings import Settings
from tests.web import Web, serving

IDENTIFIER = re.compile(r"<code>([0-9a-f-]{36})</code>")
OFTEN = 20


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One kind is enough: nothing here asks the database."""
    return sqlite_database


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    settings = Settings(data_dir=tmp_path, requests_per_minute=OFTEN)
    async with serving(archive, tmp_path, settings) as served:
        yield served


async def _ask(web: Web, role: str, path: str, language: str, form: FormData | None = None) -> ClientResponse:
    headers = {**await web.bearer(role), "Accept": "text/html"}
    if form:
        return await web.client().post(path, params={"lang": language}, headers=headers, data=form)
    return await web.client().get(path, params={"lang": language}, headers=headers)


async def _provoked(web: Web, directory: Path, status: int, language: str) -> ClientResponse:
    """An answer of that status to somebody with a browser."""
    if status == 413:
        form = FormData()
        with (directory / "orders.csv").open("wb+") as file:
            file.truncate(LARGEST_UPLOAD + 1)
            form.add_field("file", file, filename="orders.csv")
            return await _ask(web, "supervisor", "/orders/import", language, form)
    if status == 429:
        for _ in range(OFTEN):
            await _ask(web, "client", "/orders", language)
        return await _ask(web, "client", "/orders", language)
    if status == 500:
        # Something is wrong that nobody thought of.
        async with web.archive.database.write() as session:
            await session.execute(text("UPDATE recordings SET flags = '{torn'"))
        return await _ask(web, "agent", f"/recordings/{web.seeded.full}", language)
    role, path = {404: ("agent", "/nowhere"), 403: ("agent", "/ledger")}[status]
    return await _ask(web, role, path, language)


async def test_an_error_says_what_happened_what_to_do_and_its_id(
    web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api.problems")
    for status in (404, 403, 413, 429, 500):
        for language in ("zh", "en"):
            answer = await _provoked(web, tmp_path, status, language)
            assert (answer.status, answer.content_type) == (status, "text/html")
            html = await answer.text()
            main = html.partition("<main")[2].partition("</main>")[0]
            title, remedy = TITLES[status][0], WHAT_TO_DO[status]
            for said in (title, remedy):
                assert (said if language == "zh" else english()[said]) in main
            assert f"<title>{title if language == 'zh' else english()[title]} · " in html
            assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in html
            assert language == "zh" or not CHINESE.search(main), "no word of another language"
            [identifier] = IDENTIFIER.findall(main)
            [logged] = [each for each in caplog.records if getattr(each, "facts", {}).get("problem") == identifier]
            assert logged.levelno == (logging.ERROR if status == 500 else logging.INFO)
            assert "torn" not in html, "what went wrong inside stays in the log"


async def test_who_was_logged_out_meanwhile_is_led_to_log_in(web: Web) -> None:
    for language, said in (("zh", "请先登录"), ("en", "log in")):
        path, accepted = f"/orders/import?lang={language}", {"Accept": "text/html"}
        answer = await web.client().post(path, data={"csrf": "x"}, headers=accepted)
        assert answer.status == 401
        main = (await answer.text()).partition("<main")[2].partition("</main>")[0]
        assert 'href="/login?next=' in main
        assert main.count(said) == 1, "what the title says is not said twice"
        assert "login is needed" not in main
