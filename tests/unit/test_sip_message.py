"""The SIP parser reads what RFC 3261 allows, keeps every byte, and refuses the rest with ``ValueError``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.header import user_of
from telephony.sip.message import Message, Request, Response, StreamParser, decode, encode, parse, readable

OPTIONS = (
    b"OPTIONS sip:rec@host SIP/2.0\r\nVia: SIP/2.0/UDP a:5060;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def read_request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_a_request_is_read() -> None:
    request = read_request(OPTIONS)
    assert (request.method, request.uri, request.call_id, request.body) == ("OPTIONS", "sip:rec@host", "x", b"")
    assert (request.via.host, request.cseq.number, request.sender.tag) == ("a", 1, "1")


def test_a_response_is_read_and_printed() -> None:
    response = parse(b"sip/2.0 488 Not Acceptable Here\r\nVia: SIP/2.0/UDP a\r\n\r\n")
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (488, "Not Acceptable Here")
    assert parse(bytes(response)).get("content-length") == "0"
    assert isinstance(parse(b"SIP/2.0 200\r\nVia: SIP/2.0/UDP a\r\n\r\n"), Response)


def test_folded_compact_and_repeated_headers_are_one() -> None:
    request = read_request(
        b"INVITE sip:x SIP/2.0\r\n"
        b"CONTENT-length   :  4\r\nv: SIP/2.0/UDP one;branch=z9hG4bKa ,\r\n\tSIP/2.0/TCP two\r\n"
        b"VIA:SIP/2.0/UDP three\r\n"
        b"Subject: a\r\n  folded \r\n\tline\r\nk: 100rel,\r\n siprec\r\n\r\nbody and more"
    )
    assert request.values("Via") == ["SIP/2.0/UDP one;branch=z9hG4bKa", "SIP/2.0/TCP two", "SIP/2.0/UDP three"]
    assert request.get("s") == request.get("Subject") == "a folded line"
    assert request.values("Supported") == ["100rel", "siprec"]
    assert request.body == b"body"


def test_line_feeds_alone_are_tolerated() -> None:
    request = read_request(OPTIONS.replace(b"\r\n", b"\n"))
    assert request == read_request(OPTIONS)


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "gb18030"])
def test_chinese_names_survive_in_either_encoding(encoding: str) -> None:
    raw = 'From: "王小明"<sip:13900000001@gw>;tag=9'.encode(encoding)
    request = read_request(OPTIONS.replace(b"From: <sip:a@b>;tag=1", raw))
    assert raw.partition(b": ")[2] in bytes(request)
    assert readable(request.sender.display) == "王小明"
    assert (request.sender.uri, request.sender.tag) == ("sip:13900000001@gw", "9")


def test_text_for_people_holds_no_nul() -> None:
    assert readable(decode("王\0明".encode())) == "王\ufffd明"
    assert user_of("sip:1%00380%000@gw") == "13800"


def test_a_gbk_character_may_end_in_a_backslash() -> None:
    data = "乗".encode("gbk")
    assert data.endswith(b"\\")
    request = read_request(OPTIONS.replace(b"From: <sip:a@b>;tag=1", b'From: "' + data + b'" <sip:a@b>;tag=1'))
    assert request.sender.tag == "1"
    assert encode(request.sender.display) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"no blank line\r\n",
        b"INVITE sip:x\r\n\r\n",
        b"INVITE SIP/2.0\r\n\r\n",
        b"INVITE sip:x HTTP/1.1\r\n\r\n",
        b"SIP/2.0 99 Low\r\n\r\n",
        b"SIP/2.0 200 OK\r\nContent-Length: 1\r\n\r\n",
        b"SIP/2.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"SIP/2.0 200 OK\r\nno colon\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nA: stray\rreturn\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nA: " + b"x" * 70000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_message_raises_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse(data)


@pytest.mark.parametrize(
    ("data", "defect"),
    [
        (b"IN VITE sip:x SIP/2.0\r\n\r\n", "the Request-URI holds blanks"),
        (b"OPTIONS sip:x SIP/2.0\r\nno colon\r\n\r\n", "a header line without a name"),
        (b"OPTIONS sip:x SIP/2.0\r\n: empty\r\n\r\n", "a header line without a name"),
        (b"OPTIONS sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n", "Content-Length is not a number"),
        (b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 5\r\n\r\nfour", "the body is shorter than Content-Length"),
        (b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\nxx", "several Content-Length headers"),
    ],
)
def test_a_defect_request_can_be_answered(data: bytes, defect: str) -> None:
    request = read_request(data)
    assert request.defect == defect
    with pytest.raises(ValueError, match=defect):
        request.require_complete()


def test_a_stream_without_an_end_in_sight_gives_its_defect_request_and_no_more() -> None:
    head = OPTIONS.replace(b"Content-Length: 0", b"Content-Length: -999")
    feeding = StreamParser().feed(OPTIONS + head + OPTIONS)
    assert [message.get("Call-ID") for message in (next(feeding), next(feeding))] == ["x", "x"]
    with pytest.raises(ValueError, match="Content-Length is not a number"):
        next(feeding)


@pytest.mark.parametrize("blanks", [b" " * 60000, b"\t \t" * 20000, b"\r\n " * 20000])
def test_blanks_cost_no_more_than_their_number(blanks: bytes) -> None:
    """A pattern that tries every blank anew takes a quarter of a minute for this."""
    for _ in range(20):
        assert read_request(OPTIONS.replace(b"Call-ID: x", b"Call-ID: x" + blanks)).call_id == "x"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Call-ID: x", b"Call-ID: x\r\nCall-ID: y"),
        (b"sip:rec@host", b"<sip:rec@host>"),
        (b"sip:rec@host", b"sip:2001:db8::10"),
        (b"sip:rec@host", b"nothing"),
        (b"branch=z9hG4bK1", b"branch=z9hG4bK1, ;"),
        (b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"),
        (b"CSeq: 1 OPTIONS", b"CSeq: one OPTIONS"),
        (b"CSeq: 1 OPTIONS", b"CSeq: 4294967296 OPTIONS"),
        (b"Call-ID: x\r\n", b""),
        (b"To: <sip:c@d>\r\n", b""),
        (b"To: <sip:c@d>", b"To: <sip:c@d"),
        (b"From: <sip:a@b>;tag=1", b'From: "open <sip:a@b>;tag=1'),
        (b"From: <sip:a@b>;tag=1", b"From: nobody"),
        (b"Via: SIP/2.0/UDP a:5060;branch=z9hG4bK1", b"Via: SIP/2.0/UDP a:70000"),
        (b"Via: SIP/2.0/UDP a:5060;branch=z9hG4bK1", b"Via: nonsense"),
    ],
)
def test_incomplete_requests_are_told_apart(old: bytes, new: bytes) -> None:
    read_request(OPTIONS).require_complete()
    with pytest.raises(ValueError):
        read_request(OPTIONS.replace(old, new)).require_complete()


def test_a_stream_is_cut_by_content_length_whatever_the_chunks() -> None:
    one = bytes(Request("MESSAGE", "sip:x", (("Call-ID", "1"),), b"\r\n\r\nbody\r\n\r\n"))
    stream = b"\r\n\r\n" + one + b"\r\n" + OPTIONS + one
    for size in (1, 2, 3, 7, 50, len(stream)):
        parser, found = StreamParser(), list[Message]()
        for start in range(0, len(stream), size):
            found += parser.feed(stream[start : start + size])
        assert [bytes(message) for message in found] == [one, OPTIONS, one]


def test_an_endless_head_or_body_is_refused() -> None:
    with pytest.raises(ValueError, match="headers are too long"):
        list(StreamParser().feed(b"OPTIONS sip:x SIP/2.0\r\nA: " + b"x" * 70000))
    feeding = StreamParser().feed(b"OPTIONS sip:x SIP/2.0\r\nl: 99999999\r\n\r\n")
    defect = next(feeding)
    assert isinstance(defect, Request)
    assert defect.defect == "the body is too long"
    with pytest.raises(ValueError, match="body is too long"):
        next(feeding)


@given(st.binary())
def test_bytes_survive_as_text(data: bytes) -> None:
    assert encode(decode(data)) == data
    readable(decode(data)).encode()


_names = st.from_regex(r"X-[A-Za-z0-9]{1,12}", fullmatch=True)
_values = st.binary(max_size=40).map(lambda data: decode(data.translate(None, b"\r\n").strip(b" \t")))


@given(headers=st.lists(st.tuples(_names, _values), max_size=8), body=st.binary(max_size=60))
def test_printing_and_parsing_are_inverse(headers: list[tuple[str, str]], body: bytes) -> None:
    request = Request("INVITE", "sip:a@b", (*headers, ("Content-Length", str(len(body)))), body)
    assert parse(bytes(request)) == request
    assert list(StreamParser().feed(bytes(request))) == [request]


@given(st.binary(max_size=400), st.integers(0, len(OPTIONS)), st.integers(0, 40))
def test_only_value_error_escapes(noise: bytes, place: int, cut: int) -> None:
    for data in (noise, OPTIONS[:place] + noise + OPTIONS[place + cut :]):
        try:
            message = parse(data)
            if isinstance(message, Request):
                message.require_complete()
                _ = message.values("Contact"), bytes(message.with_top_via(message.via.seen_from("1.2.3.4", 9)))
        except ValueError:
            pass
