"""Pages as a browser gets them: nothing of hostile text runs, problems have ids, English has a word for everything."""

import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.pages import labels
from api.pages.rendering import clock, local_path, marked
from archive.house import Archive
from tests.web import CITIZEN, ORDER, OTHER_ORDER, Web, serving, serving_empty

PAGES = ("/recordings", "/orders", "/links", "/reports", "/status", "/nightly")


class _Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def _all_pages(web: Web) -> list[str]:
    seeded = web.seeded
    recordings = [f"/recordings/{each}" for each in (seeded.full, seeded.pending, seeded.failed)]
    return [*PAGES, *recordings, "/search?q=script", f"/orders/{ORDER}", f"/orders/{OTHER_ORDER}"]


@pytest.mark.parametrize("role", ["agent", "supervisor", "auditor"])
async def test_every_page_is_sound_for_every_role(web: Web, role: str) -> None:
    browser = await web.browser(role)
    for path in _all_pages(web):
        if path == "/nightly" and role == "agent":
            continue  # the nights are no business of theirs
        answer = await browser.get(path, allow_redirects=False)
        html = await answer.text()
        assert answer.status == 200, path
        assert CITIZEN not in html, path
        page = _Elements(html)
        assert len(page.of("main")) == len(page.of("h1")) == len(page.of("title")) == 1, path
        _requires_no_inline_code(page, answer.headers["Content-Security-Policy"])
        _requires_labels(page, path)
        assert answer.headers["Cache-Control"] == "no-store"


def _requires_no_inline_code(page: _Elements, policy: str) -> None:
    """Hostile text of orders and transcripts stays text: our own script is the only one, and it is a file."""
    assert "unsafe" not in policy
    running = [script for script in page.of("script") if script.get("type") != "application/json"]
    assert all((script["src"] or "").startswith("/static/") for script in running)
    assert not page.of("style")
    for _, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def _requires_labels(page: _Elements, path: str) -> None:
    labelled = {each.get("for") for each in page.of("label")}
    for field in page.of("input") + page.of("select"):
        if field.get("type") in ("hidden", "checkbox", "range"):
            continue
        assert field.get("id") in labelled or field.get("id") == "speed", (path, field)
    for form in page.of("form"):
        if form.get("method") == "post":
            assert any(each.get("name") == "csrf" for each in page.of("input")), path


async def test_hostile_text_is_shown_as_text(web: Web) -> None:
    browser = await web.browser("agent")
    for path in (f"/recordings/{web.seeded.full}", f"/orders/{OTHER_ORDER}", "/orders", "/links"):
        html = await (await browser.get(path)).text()
        assert "&lt;script&gt;alert(" in html, path
        assert "<script>alert(" not in html, path
    echoed = await (await browser.get('/search?q="><img src=x onerror=alert(1)>')).text()
    assert "<img src=x" not in echoed


async def test_a_hit_leads_to_its_second(web: Web) -> None:
    browser = await web.browser("agent")
    html = await (await browser.get("/search?q=第二天")).text()
    assert f'href="/recordings/{web.seeded.full}?t=3.5#turn-1"' in html
    assert "<mark>第二天</mark>" in html


async def test_the_recording_page_says_what_matters(web: Web) -> None:
    browser = await web.browser("agent")
    html = await (await browser.get(f"/recordings/{web.seeded.full}")).text()
    assert "内置示范模型只认识合成回访里的词" in html
    assert "听不清，请核对 41%" in html
    assert "保存至 2028-" in html
    assert "封存录音" in html
    assert html.count("SHA-256") == 4
    failed = await (await browser.get(f"/recordings/{web.seeded.failed}")).text()
    assert "转写失败，录音完好" in failed


async def test_forms_on_pages_do_what_they_say(web: Web) -> None:
    browser, csrf = await web.browser("supervisor"), web.form_tokens["supervisor"]
    html = await (await browser.get(f"/recordings/{web.seeded.full}")).text()
    finding = re.search(r'action="(/findings/[^"]+)"', html)
    assert finding
    form = {"csrf": csrf, "recording": str(web.seeded.full), "answer": "yes"}
    accepted = await browser.post(finding[1], data=form, allow_redirects=False)
    assert (accepted.status, accepted.headers["Location"]) == (303, f"/recordings/{web.seeded.full}#findings")
    assert "已采纳" in await (await browser.get(f"/recordings/{web.seeded.full}")).text()
    link = {"csrf": csrf, "work_order": OTHER_ORDER, "back": "links"}
    linked = await browser.post(f"/recordings/{web.seeded.pending}/link", data=link, allow_redirects=False)
    assert (linked.status, linked.headers["Location"]) == (303, "/links")
    assert "没有待关联的录音" in await (await browser.get("/links")).text()
    browser, csrf = await web.browser("supervisor"), web.form_tokens["supervisor"]
    asked = await browser.post("/reports/daily", data={"csrf": csrf, "day": "2026-11-20"}, allow_redirects=False)
    assert asked.headers["Location"] == "/reports"
    wrong = await browser.post("/reports/daily", data={"csrf": csrf, "day": "soon"}, allow_redirects=False)
    assert wrong.status == 422


async def test_an_auditor_sees_no_form_that_changes_evidence(web: Web) -> None:
    browser = await web.browser("auditor")
    # What can be done with results of a search keeps evidence and changes none.
    for path in (each for each in _all_pages(web) if not each.startswith("/search")):
        page = _Elements(await (await browser.get(path)).text())
        actions = [form.get("action") for form in page.of("form") if form.get("method") == "post"]
        # Looking closer (the check reads and compares) changes nothing.
        changing = [action for action in actions if action not in ("/look", "/logout", f"{path}/check")]
        assert changing == [], path


async def test_empty_pages_say_what_to_do_next(archive: Archive, tmp_path: Path) -> None:
    async with serving(archive, tmp_path) as web:
        browser = await web.browser("agent")
        assert "还没有报表" in await (await browser.get("/reports")).text()
        assert "没有人说过这些字" in await (await browser.get("/search?q=水管")).text()
        assert "没有符合条件的录音" in await (await browser.get("/recordings?day=2020-01-01")).text()


async def test_problems_have_an_id_that_is_in_the_log(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    api = await web.get("/api/v1/recordings/none")
    said = await api.json()
    assert api.headers["Content-Type"].startswith("application/problem+json")
    assert (said["status"], said["type"], said["instance"]) == (404, "about:blank", f"urn:uuid:{said['id']}")
    assert said["title"].startswith("没有找到")
    page = await (await (await web.browser("agent")).get("/recordings/none")).text()
    shown = re.search(r"<code>([0-9a-f-]{36})</code>", page)
    assert shown
    logged = [getattr(record, "facts", {}).get("problem") for record in caplog.records]
    assert said["id"] in logged
    assert shown[1] in logged


async def test_the_request_log_holds_no_personal_data(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="api")
    await web.get(f"/api/v1/search?q={CITIZEN}")
    await web.get(f"/api/v1/recordings?order={ORDER}")
    lines = [str(getattr(record, "facts", "")) for record in caplog.records if record.name.startswith("api")]
    assert any("'route': '/api/v1/search'" in line for line in lines)
    assert not any(CITIZEN in line or ORDER in line for line in lines)


async def test_addresses_that_do_not_exist(archive: Archive, tmp_path: Path) -> None:
    async with serving_empty(archive, tmp_path) as client:
        page = await client.get("/nowhere")
        assert (page.status, page.content_type) == (404, "text/html")
        api = await client.get("/api/v1/nowhere")
        assert (api.status, api.content_type) == (404, "application/problem+json")
        method = await client.put("/api/v1/recordings")
        assert (method.status, method.headers["Allow"]) == (405, "GET,HEAD,POST")
        for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/none.js"):
            assert (await client.get(path)).status == 404
        style = await client.get("/static/huiyin.css")
        assert (style.status, style.content_type) == (200, "text/css")


async def test_the_english_switch_is_remembered(web: Web) -> None:
    browser = await web.browser("agent")
    html = await (await browser.get("/recordings?lang=en")).text()
    assert '<html lang="en">' in html
    assert "Search in spoken words" in html
    assert "Work orders" in await (await browser.get("/orders")).text()
    assert '<html lang="zh-CN">' in await (await browser.get("/orders?lang=zh")).text()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/search?q=x", "/search?q=x"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\nb", "/"),
        ("", "/"),
    ],
)
def test_login_leads_only_to_this_site(asked: str, given: str) -> None:
    assert local_path(asked) == given


def test_flags_of_a_stream_are_said_in_words() -> None:
    assert labels.flag_parts("metadata missing") == ("", "网关没有送来通话信息")
    assert labels.flag_parts("1: no audio") == ("1: ", "没有声音")
    assert labels.flag_parts("label 3 not in SDP") == ("", "label 3 not in SDP")


def test_writing_of_times_and_marks() -> None:
    assert [clock(each) for each in (0, 59_999, 60_000, 3_723_000)] == ["0:00", "0:59", "1:00", "1:02:03"]
    assert str(marked("<b>路灯</b>", [(3, 5)])) == "&lt;b&gt;<mark>路灯</mark>&lt;/b&gt;"
