"""What is no plain HTTP/1.1: smuggled requests, compressed and endless bodies, heads without end, forged hosts."""

import gzip
from pathlib import Path

import pytest

from api.middleware import SECURITY_HEADERS
from core.settings import Settings
from tests.integration.attacks_web.conftest import Real, real_server
from tests.web import Web

HOST = b"Host: huiyin\r\n"
SMUGGLED = b"GET /api/v1/smuggled HTTP/1.1\r\nHost: huiyin\r\n\r\n"
# RFC 9112, sections 5.1, 6.1 to 6.3 and 7.1: what two servers in a row could read differently.
AMBIGUOUS = {
    "both lengths": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, chunked first": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two different lengths": b"Content-Length: 4\r\nContent-Length: 40\r\n\r\nabcd",
    "a list of lengths": b"Content-Length: 4, 40\r\n\r\nabcd",
    "a signed length": b"Content-Length: +4\r\n\r\nabcd",
    "a negative length": b"Content-Length: -4\r\n\r\nabcd",
    "a length in hexadecimal": b"Content-Length: 0x4\r\n\r\nabcd",
    "a length with an underscore": b"Content-Length: 1_0\r\n\r\nabcdefghij",
    "chunked that is not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded line": b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare carriage return": b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk with a signed size": b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    "a chunk size in C": b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "a chunk longer than its size": b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "a NUL in a value": b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("shape", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_no_request_is_smuggled_behind_another(real: Real, shape: bytes) -> None:
    """Whatever is ambiguous is refused, and the connection with it: what follows is never read as a request."""
    answer = await real.ask(b"POST /api/v1/login HTTP/1.1\r\n" + HOST + shape + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400 ") or answer.startswith(b"HTTP/1.0 400 "), answer[:80]
    assert answer.count(b"HTTP/1.") == 1, answer


async def test_a_refusal_of_the_parser_repeats_nothing_and_is_as_strict_as_every_answer(real: Real) -> None:
    answer = await real.ask(
        b"GET / HTTP/1.1\r\n" + HOST + b"Bad<script>: x\x00y 13800001234\r\nAccept: text/html\r\n\r\n"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"script" not in body
    assert b"13800001234" not in body
    for name, value in SECURITY_HEADERS.items():
        assert f"{name}: {value}".encode() in head
    assert b"Cache-Control: no-store" in head


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "compress", "x-gzip"])
async def test_compressed_bodies_are_refused_before_they_are_read(real: Real, coding: str) -> None:
    """A bomb is not even begun: the body is still outstanding when the answer comes, for nobody and for somebody."""
    bomb = gzip.compress(bytes(1 << 20))
    for path, role in (("/api/v1/login", ""), ("/api/v1/recordings", "supervisor"), ("/api/v1/holds", "auditor")):
        who = (await real.web.bearer(role))["Authorization"] if role else "none"
        head = f"POST {path} HTTP/1.1\r\nHost: huiyin\r\nAuthorization: {who}\r\nContent-Type: application/json\r\n"
        head += f"Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\nConnection: close\r\n\r\n"
        async with real.wire() as wire:
            await wire.say(head.encode())
            answer = await wire.head()
        assert answer.startswith(b"HTTP/1.1 415 "), (path, answer)
        assert b"Accept-Encoding: identity" in answer


async def test_a_compressed_part_of_a_form_stays_what_it_is(real: Real) -> None:
    """RFC 7578 knows no compressed parts: nothing is unpacked, so nothing grows."""
    packed = gzip.compress(b"number,title\n" + b"x" * (1 << 20))
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Encoding: gzip\r\n\r\n'
    form += packed + b"\r\n--b--\r\n"
    bearer = await real.web.bearer("supervisor")
    headers = {**bearer, "Content-Type": "multipart/form-data; boundary=b"}
    answer = await real.web.client().post("/api/v1/work-orders/import", data=form, headers=headers)
    assert answer.status in (400, 415, 422), await answer.text()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: a\r\n" % each for each in range(200)) + b"\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + b"a=b; " * 2000 + b"\r\n\r\n", b"400"),
    ],
    ids=["a long line", "a long value", "many headers", "many cookies"],
)
async def test_heads_have_an_end(real: Real, head: bytes, status: bytes) -> None:
    assert (await real.ask(head)).split(b" ", 2)[1] == status


async def test_huge_bodies_are_refused_without_being_taken_in(real: Real) -> None:
    for path, role, kind in (
        ("/login", "", "application/x-www-form-urlencoded"),
        ("/api/v1/login", "", "application/json"),
        ("/api/v1/holds", "auditor", "application/json"),
        ("/api/v1/work-orders/import", "supervisor", "multipart/form-data; boundary=b"),
    ):
        who = (await real.web.bearer(role))["Authorization"] if role else "none"
        head = f"POST {path} HTTP/1.1\r\nHost: huiyin\r\nAuthorization: {who}\r\nContent-Type: {kind}\r\n"
        head += "Content-Length: 99999999999\r\nConnection: close\r\n\r\n"
        async with real.wire() as wire:
            await wire.say(head.encode())
            answer = await wire.head()
        assert answer.startswith(b"HTTP/1.1 413 "), (path, answer)


@pytest.mark.parametrize(
    "named",
    [
        b"Host: evil.example\r\n",
        b"Host: huiyin.example.evil.example\r\n",
        b"Host: huiyin.example:80@evil.example\r\n",
        b"Host: evil.example\r\nX-Forwarded-Host: huiyin.example\r\n",
        b"Host: \r\n",
        b"",
    ],
)
async def test_no_other_name_is_answered(web: Web, tmp_path: Path, named: bytes) -> None:
    """Where a name is set, links and resets cannot be made to point elsewhere, nor a cache be filled for another."""
    async with real_server(web, Settings(data_dir=tmp_path, public_url="https://huiyin.example")) as real:
        answer = await real.ask(b"GET /login HTTP/1.1\r\n" + named + b"Connection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] in (b"421", b"400"), answer[:200]
    assert b"evil.example" not in answer


async def test_an_absolute_target_and_a_forwarded_host_name_nobody_else(real: Real) -> None:
    for line in (b"GET http://evil.example/recordings HTTP/1.1\r\n", b"GET /recordings HTTP/1.1\r\n"):
        extra = b"X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nConnection: close\r\n\r\n"
        answer = await real.ask(line + HOST + extra)
        assert b"evil.example" not in answer, answer[:400]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "OPTIONS", "DEBUG"])
async def test_other_methods_do_nothing(real: Real, method: str) -> None:
    target = "huiyin:80" if method == "CONNECT" else "/recordings"
    secret = f"Cookie: huiyin_session={'s' * 43}\r\n"
    answer = await real.ask(f"{method} {target} HTTP/1.1\r\nHost: huiyin\r\n{secret}Connection: close\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] in (b"400", b"404", b"405"), answer[:80]
    assert b"ssssss" not in answer, "nothing is echoed"
