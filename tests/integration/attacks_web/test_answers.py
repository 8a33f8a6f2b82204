"""Every answer of every route: no other page frames it, nobody guesses its type, no cache keeps it, and nothing that
somebody sent begins a header or a line of the log."""

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote
from uuid import uuid4

import pytest
from aiohttp import ClientResponse

from api.middleware import PERMISSION_OF
from api.permissions import PUBLIC, ROLES, allows
from core.logging import set_up
from tests.integration.attacks_web.conftest import Real
from tests.web import ORDER, Web

INJECTED = "x\r\nSet-Cookie: huiyin_session=planted\r\nX-Injected: yes\r\n\r\n<script>"


def _strict(answer: ClientResponse) -> None:
    where = (str(answer.url), answer.status)
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy, where
    assert "default-src 'none'" in policy, where
    assert "unsafe" not in policy, where
    assert answer.headers["X-Content-Type-Options"] == "nosniff", where
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", where
    assert answer.headers["Server"] == "huiyin", "which program, and not which version"
    assert "Access-Control-Allow-Origin" not in answer.headers, where


def _paths(web: Web, canonical: str) -> list[str]:
    """With identifiers that exist, as far as they are recordings, and with some that do not."""
    seeded = re.sub(r"\{id[^}]*\}", str(web.seeded.full), canonical)
    known = re.sub(r"\{[^}]+\}", lambda place: ORDER if "number" in place[0] else "1", seeded)
    return list(dict.fromkeys([known, re.sub(r"\{[^}]+\}", str(uuid4()), canonical)]))


async def test_every_answer_is_strict_and_whatever_is_private_is_kept_by_nobody(web: Web) -> None:
    """Pages, JSON, sound, downloads and refusals alike, with login and without."""
    for method, canonical in web.app[PERMISSION_OF]:
        if method != "GET" or canonical == "/login/provider":
            continue
        permission = web.app[PERMISSION_OF][method, canonical]
        role = next((role for role in ROLES if permission != PUBLIC and allows(permission, role)), None)
        for path in _paths(web, canonical):
            for headers in ({}, await web.bearer(role) if role else {}):
                answer = await web.client().get(path, headers=headers, allow_redirects=False)
                _strict(answer)
                if not canonical.startswith("/static/"):
                    assert "no-store" in answer.headers["Cache-Control"], (path, answer.status)
                answer.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_refusals_are_as_strict(web: Web, method: str) -> None:
    for path in ("/recordings", "/api/v1/recordings", "/nowhere", "/login", "/static/huiyin.css", "/healthz"):
        answer = await web.client().request(method, path, allow_redirects=False)
        assert answer.status >= 400, path
        _strict(answer)
        assert "no-store" in answer.headers["Cache-Control"]


async def test_sound_is_kept_by_no_cache_in_any_form(web: Web) -> None:
    """Whole, in part, unchanged, not satisfiable and refused; a cache in between may not even ask again."""
    sound = f"/api/v1/recordings/{web.seeded.full}/audio"
    whole = await web.get(sound)
    asked = [
        (sound, {}),
        (sound, {"Range": "bytes=0-9"}),
        (sound, {"Range": "bytes=99999999-"}),
        (sound, {"If-None-Match": whole.headers["ETag"]}),
        (f"{sound}?form=wav", {"Range": "bytes=5-"}),
        (f"/api/v1/recordings/{web.seeded.full}/clip?start=0&end=1&purpose=check", {}),
        (f"/api/v1/recordings/{uuid4()}/audio", {}),
    ]
    answers = [await web.get(path, **headers) for path, headers in asked]
    assert [answer.status for answer in answers] == [200, 206, 416, 304, 206, 200, 404]
    for answer in answers:
        assert "no-store" in answer.headers["Cache-Control"], answer.url
        assert "public" not in answer.headers["Cache-Control"]


async def test_nothing_that_is_sent_begins_a_header(real: Real) -> None:
    """CR and LF in everything that reaches a header: redirects, cookies with notices, names of files, languages."""
    value, web = quote(INJECTED, safe=""), real.web
    bearer = (await web.bearer("auditor"))["Authorization"].removeprefix("Bearer ")
    cookie = f"huiyin_session={bearer}"
    for path in (
        f"/login?next=/{value}",
        f"/login?next={value}",
        f"/recordings?day={value}",
        f"/orders/{value}",
        f"/{value}",
        f"/status?lang={value}",
        f"/api/v1/recordings/{value}/audio?purpose={value}",
        f"/api/v1/recordings/{web.seeded.full}/clip?start=0&end=1&purpose={value}",
        f"/api/v1/recordings/{web.seeded.full}/evidence?purpose={value}",
        f"/events/recordings/{web.seeded.pending}?since={value}",
    ):
        if path.startswith("/events/"):
            async with real.wire() as wire:
                head = f"GET {path} HTTP/1.1\r\nHost: huiyin\r\nCookie: {cookie}\r\n\r\n"
                await wire.say(head.encode())
                names = (await wire.head()).decode("latin-1").lower()
        else:
            for who in ({}, {"Cookie": cookie}):
                _, headers, _ = await real.get(path, **who)
                names = "\n".join(f"{name}: {each}" for name, each in headers.items()).lower()
                assert "x-injected:" not in names.replace("%0d%0a", ""), path
                assert "planted" not in headers.get("set-cookie", ""), path
        assert "\nx-injected: yes" not in names, path


async def test_a_notice_in_a_cookie_stays_in_it(web: Web) -> None:
    """The name of a case comes back in a notice, which is a cookie until the next page."""
    browser = await web.browser("auditor")
    form = {"csrf": web.form_tokens["auditor"], "name": INJECTED, "reason": "check", "orders": ORDER}
    answer = await browser.post("/keeping/holds", data=form, allow_redirects=False)
    assert "X-Injected" not in answer.headers
    assert "planted" not in [cookie.value for cookie in answer.cookies.values()]
    page = await browser.get("/keeping")
    assert "<script>" not in (await page.text()).replace('<script type="module"', "").replace("<script type=", "")


@contextmanager
def _written(form: str) -> Iterator[io.StringIO]:
    """What the program writes into its log, in one of its two forms."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level, text = root.level, io.StringIO()
    logging.captureWarnings(False)
    try:
        set_up("web", form)
        for handler in root.handlers:
            assert isinstance(handler, logging.StreamHandler)
            handler.setStream(text)
        yield text
    finally:
        root.handlers[:], root.level = before, level
        logging.captureWarnings(False)


@pytest.mark.filterwarnings("default::aiohttp.multipart.BadContentDispositionHeader")
@pytest.mark.parametrize("form", ["json", "text"])
async def test_nothing_that_is_sent_begins_a_line_of_the_log(real: Real, form: str) -> None:
    """Paths, queries, names, headers and bodies, one of them with a number that no log may hold."""
    forged = '\r\n{"level": "error", "message": "forged"}\r\n2026-11-22 ERROR forged 13800001234'
    with _written(form) as text:
        await real.get(f"/recordings/{quote(forged, safe='')}?day={quote(forged, safe='')}", "agent")
        await real.get("/recordings", "agent", **{"User-Agent": "13800001234", "X-Forwarded-For": "13800001234"})
        await real.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: 13800001234\r\n\r\n")
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="13800001234\r\nforged\r\n\r\n--b--\r\n'
        headers = {**await real.web.bearer("agent"), "Content-Type": "multipart/form-data; boundary=b"}
        await real.web.client().post("/api/v1/work-orders/import", data=part, headers=headers)
        for path, body in (
            ("/api/v1/login", {"name": forged[:60], "password": forged}),
            ("/api/v1/holds", {"name": forged, "reason": forged, "orders": [forged]}),
        ):
            await real.web.post(path, body, "auditor")
    lines = text.getvalue().splitlines()
    assert lines, "something was written"
    assert "13800001234" not in text.getvalue()
    for line in lines:
        assert not line.startswith(("2026-11-22 ERROR forged", '{"level": "error", "message": "forged"}')), line
        if form == "json":
            assert isinstance(json.loads(line), dict)
