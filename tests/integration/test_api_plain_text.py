"""What is no text is refused by every form and every JSON body alike, in words, before a handler sees it."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from api.app import ENDPOINTS
from api.endpoint import JSON, Endpoint
from api.permissions import PERMISSIONS, PUBLIC
from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from tests.web import Web, serving


@pytest.fixture
async def web(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path) as served:
        yield served


def _path(endpoint: Endpoint) -> str:
    return re.sub(r"\{[^}]*\}", str(uuid4()), endpoint.path)


def _role(endpoint: Endpoint) -> str:
    return sorted(PERMISSIONS[endpoint.permission])[0] if endpoint.permission != PUBLIC else "agent"


# They end the session that asks.
ENDING = ("logout", "sessions")
WRITES = [each for each in ENDPOINTS if each.method in ("POST", "PUT", "PATCH") and not each.path.endswith(ENDING)]


async def test_every_json_body(web: Web) -> None:
    asked = 0
    for endpoint in WRITES:
        if not endpoint.path.startswith("/api/") or endpoint.takes is None or endpoint.takes_media != JSON:
            continue
        headers = {**await web.bearer(_role(endpoint)), "Content-Type": JSON}
        for text, words in ((r"a\u0000b", "U+0000"), (r"a\ud800b", "surrogate"), (r"\udc00", "surrogate")):
            for body in (f'{{"reason": "{text}"}}', f'{{"{text}": [["{text}"]]}}'):
                answer = await web.client().request(endpoint.method, _path(endpoint), data=body, headers=headers)
                assert answer.status == 422, (endpoint.path, await answer.text())
                assert words in (await answer.json())["detail"], endpoint.path
                asked += 1
    assert asked > 100


async def test_every_form_of_a_page(web: Web) -> None:
    asked = 0
    for endpoint in WRITES:
        if endpoint.path.startswith("/api/"):
            continue
        role = _role(endpoint)
        browser = await web.browser(role)
        for body in (b"reason=a%00b", b"a%00=1", b"q=x&name=%00"):
            data = body + b"&csrf=" + web.form_tokens[role].encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await browser.post(_path(endpoint), data=data, headers=kind, allow_redirects=False)
            assert answer.status == 422, (endpoint.path, await answer.text())
            asked += 1
    assert asked > 50


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/x-www-form-urlencoded; charset=utf-16", b"reason=a", 415),
        ("application/x-www-form-urlencoded; charset=punycode", b"reason=a", 415),
        ("application/x-www-form-urlencoded; charset=no-such", b"reason=a", 415),
        ("application/x-www-form-urlencoded", b"reason=\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"a&" * (1 << 20), 413),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\x00", 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="reason"\r\n\r\n\xff\xfe\r\n--b--\r\n',
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="reason"\r\n\r\na\x00b\r\n--b--\r\n',
            422,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=punycode\r\n\r\n'
            + b"b" * 1_000_000
            + b"\r\n--b--\r\n",
            415,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\npunycode\r\n'
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nbbb\r\n--b--\r\n',
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n' + b"x" * 100 + b"\r\n--b--\r\n",
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 1100 + b"--b--\r\n",
            413,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a\xff.csv"\r\n\r\na\r\n--b--\r\n',
            422,
        ),
    ],
)
async def test_forms_that_are_none(web: Web, kind: str, body: bytes, status: int) -> None:
    headers = {**await web.bearer("agent"), "Content-Type": kind}
    for path in ("/api/v1/work-orders/import", "/orders/import"):
        answer = await web.client().post(path, data=io.BytesIO(body), headers=headers)
        assert answer.status == status, await answer.text()


async def test_nobody_has_a_large_form(web: Web) -> None:
    """Whoever has not logged in costs little memory."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await web.client().post("/login", data=b"a&" * 40_000, headers=kind)).status == 413
    assert (await web.client().post("/login", data=b"name=a&password=b", headers=kind)).status != 413

    async def pieces() -> AsyncIterator[bytes]:
        yield b"name=a"

    assert (await web.client().post("/login", data=pieces(), headers=kind)).status == 413
    form = aiohttp.FormData({"name": "a" * 70_000})
    form.add_field("file", b"x", filename="x")
    assert (await web.client().post("/login", data=form)).status == 413


async def test_headers_that_are_no_text(web: Web) -> None:
    """They reach sessions, logs and comparisons, and none of these may break."""
    bearer = (await web.bearer("auditor"))["Authorization"].encode()
    for name in (b"User-Agent", b"Idempotency-Key", b"X-CSRF-Token", b"Accept-Language", b"If-None-Match", b"Cookie"):
        for path in (b"POST /api/v1/holds", b"GET /api/v1/holds", b"GET /recordings", b"POST /login"):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.server.port)
            head = path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n"
            signed = b"" if name == b"Cookie" else b"Authorization: " + bearer + b"\r\n"
            writer.write(head + signed + name + b": a\xff\xed\xa0\x80=\xe5\r\n\r\n")
            async with asyncio.timeout(240):
                status = int((await reader.readline()).split()[1])
            assert status < 500, (name, path, status)
            writer.close()
