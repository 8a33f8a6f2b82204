"""Multipart bodies in every order and state of repair that gateways send."""

import contextlib

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


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/mixed;boundary=c", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: text/plain"),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--"),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\nx\r\n--b--"),
    ],
)
def test_what_is_no_multipart_raises_value_error(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError):
        read_parts(content_type, body)


@given(st.text(max_size=30), st.binary(max_size=120))
def test_only_value_error_escapes(boundary: str, noise: bytes) -> None:
    for body in (noise, b"--b\r\n" + noise + b"\r\n--b--", noise.replace(b"a", b"--b\r\n")):
        for content_type in ("multipart/mixed;boundary=b", f"multipart/mixed;boundary={boundary}"):
            with contextlib.suppress(ValueError):
                read_parts(content_type, body)
