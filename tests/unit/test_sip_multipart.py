"""Multipart bodies in every order and state of repair that gateways send."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.multipart import Part, join_parts, read_parts

SDP, XML = Part("application/sdp", b"v=0\r\n"), Part("application/rs-metadata+xml", b"<a>\r\n\r\n</a>")


def test_parts_come_back_as_they_were_joined() -> None:
    parts = (Part("application/sdp", b"v=0\r\n", "session"), Part("text/plain", b"x", "x"))
    assert read_parts(*join_parts(parts, "b")) == parts


def test_a_plain_body_is_one_part() -> None:
    assert read_parts("Application/SDP; charset=utf-8", b"v=0") == (Part("application/sdp", b"v=0"),)
    assert read_parts("application/sdp", b"") == ()


@pytest.mark.parametrize(
    "body",
    [
        b"preamble\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\n"
        b"content-type:application/rs-metadata+xml;charset=utf-8\r\nContent-ID: <1>\r\n\r\n"
        b"<a>\r\n\r\n</a>\r\n--b--\r\nepilogue",
        b"--b  \r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\n"
        b"Content-Type:\r\n application/rs-metadata+xml\r\n\r\n<a>\r\n\r\n</a>",
    ],
)
def test_preamble_padding_and_missing_end_are_tolerated(body: bytes) -> None:
    assert read_parts('multipart/mixed; boundary="b"', body) == (SDP, XML)


def test_line_feeds_alone_and_odd_boundaries_are_tolerated() -> None:
    boundary = "=_?('+:x"
    body = f"--{boundary}\nContent-Type: application/sdp\n\nv=0\n--{boundary}--\n".encode()
    assert read_parts(f'multipart/mixed;boundary="{boundary}"', body) == (Part("application/sdp", b"v=0"),)
    # A boundary that begins another one ends nothing.
    body = b"--b\r\nContent-Type: text/plain\r\n\r\n--bb\r\n--b--"
    assert read_parts("multipart/mixed;boundary=b", body) == (Part("text/plain", b"--bb"),)


def test_nested_parts_are_leaves() -> None:
    inner_type, inner = join_parts((SDP, XML), "inner")
    outer = join_parts((Part(inner_type, inner), Part("text/plain", b"x")), "outer")
    assert read_parts(*outer) == (SDP, XML, Part("text/plain", b"x"))


OFFER, DOCUMENT = b"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 8\r\n", b"<?xml version='1.0'?><recording/>"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", b"--b\r\n\r\n%s\r\n--b\r\n\r\n%s\r\n--b--"),
        ("multipart/mixed;boundary=c", b"--b\r\nContent-Type: application/sdp\r\n\r\n%s\r\n--b\r\n\r\n%s\r\n--b--"),
        ('multipart/mixed;boundary="a;b"', b"\r\n--a;b\r\n\r\n%s\r\n--a;b\r\n\r\n%s"),
        ("multipart/mixed;boundary=b", b"--b\r\n%s\r\n--b\r\nContent-Type: text/xml\r\n%s\r\n--b--"),
        ("multipart/mixed;boundary=b", b"nothing that divides\r\n%s\r\n%s\r\n"),
        ("application/sdp", b"--b\r\nContent-Type: application/sdp\r\n\r\n%s\r\n--b\r\n\r\n%s\r\n--b--"),
        ("", b"--b\n\n%s\n--b\nContent-ID: <1>\n\n%s\n--b--\n"),
    ],
)
def test_what_is_broken_is_salvaged(content_type: str, body: bytes) -> None:
    parts = read_parts(content_type, body % (OFFER, DOCUMENT))
    found = {part.media_type.rpartition("/")[2]: part.content for part in parts}
    assert (found["sdp"].strip(), found["xml"].strip()) == (OFFER.strip(), DOCUMENT)


def test_what_nobody_can_cut_is_kept_whole() -> None:
    for body in (b"--b\r\n", b"no part", b"--b\r\n--b--"):
        assert read_parts("multipart/mixed;boundary=b", body) == (Part("application/octet-stream", body, damaged=True),)
    (part,) = read_parts("multipart/mixed;boundary=b", b"--b\r\nContent-Type: text/plain")
    assert (part.content, part.damaged) == (b"Content-Type: text/plain", True)


def test_nesting_without_end_ends() -> None:
    body = b"--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" * 40 + b"x\r\n--b--"
    assert len(read_parts("multipart/mixed;boundary=b", body)) <= 40


@pytest.mark.parametrize("name", ["gzip", "X-GZIP", "deflate"])
def test_compressed_content_is_unpacked(name: str) -> None:
    packed = zlib.compress(OFFER) if name == "deflate" else gzip.compress(OFFER)
    head = f"--b\r\nContent-Type: application/sdp\r\nContent-Encoding: {name}\r\n\r\n".encode()
    assert read_parts("multipart/mixed;boundary=b", head + packed + b"\r\n--b--") == (Part("application/sdp", OFFER),)
    assert read_parts("application/sdp", packed, encoding=name) == (Part("application/sdp", OFFER),)
    # Named but not used.
    assert read_parts("application/sdp", OFFER, encoding=name) == (Part("application/sdp", OFFER),)


@pytest.mark.parametrize(
    ("name", "packed"), [("br", b"\x0b"), ("gzip", b"\x1f\x8b"), ("gzip", gzip.compress(bytes(2**21)))]
)
def test_what_cannot_be_unpacked_says_so(name: str, packed: bytes) -> None:
    assert read_parts("application/sdp", packed, encoding=name) == (Part("application/sdp", packed, encoding=name),)


@given(st.text(max_size=30), st.binary(max_size=120), st.sampled_from(["", "gzip", "deflate", "br"]))
def test_nothing_escapes(boundary: str, noise: bytes, encoding: str) -> None:
    for body in (noise, b"--b\r\n" + noise + b"\r\n--b--", noise.replace(b"a", b"--b\r\n")):
        for content_type in ("multipart/mixed;boundary=b", f"multipart/mixed;boundary={boundary}", boundary):
            read_parts(content_type, body, encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("base64", b"dj0wDQptPWF1ZGlv\r\nIDkgUlRQL0FWUCA4DQo=\r\n"),
        ("BASE64", b"dj0wDQptPWF1ZGlvIDkgUlRQL0FWUCA4DQo="),
        ("quoted-printable", b"v=3D0=0D=0Am=3Daudio 9 RTP/AVP=\r\n 8=0D=0A"),
        ("base64", b"v=0\r\nm=audio 9 RTP/AVP 8\r\n"),
    ],
)
def test_a_transfer_encoding_is_undone(encoding: str, content: bytes) -> None:
    head = f"Content-Type: application/sdp\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    (part,) = read_parts("multipart/mixed;boundary=b", b"--b\r\n" + head + content + b"\r\n--b--\r\n")
    assert (part.media_type, part.content.split(), part.encoding) == (
        "application/sdp",
        [b"v=0", b"m=audio", b"9", b"RTP/AVP", b"8"],
        "",
    )


def test_what_is_no_base64_stays_as_it_came() -> None:
    head = b"Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    (part,) = read_parts("multipart/mixed;boundary=b", b"--b\r\n" + head + b"x\r\n--b--\r\n")
    assert (part.content, part.encoding) == (b"x", "base64")
