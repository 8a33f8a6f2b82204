"""One request of a recording session, whatever its body holds."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.message import Request
from telephony.siprec.binding import bind
from telephony.siprec.metadata import parse_metadata
from telephony.siprec.session import SessionRequest, UnknownEncoding, read_request
from telephony.siprec.snapshot import Metadata

SDP = b"v=0\r\nm=audio 9 RTP/AVP 8\r\na=label:1\r\n"


def read(kind: str, body: bytes, *headers: tuple[str, str]) -> SessionRequest:
    return read_request(Request("INVITE", "sip:r@h", (("Content-Type", kind), *headers), body), "X-Work-Order")


def test_every_part_is_kept_with_a_suffix() -> None:
    body = (
        b"--b\r\nContent-Type: application/gtd\r\n\r\nIAM\r\n--b\r\nContent-Type: application/sdp\r\n\r\n"
        + SDP
        + b"\r\n--b\r\nContent-Type: image/../../x\r\n\r\n1\r\n--b\r\nContent-Type: /\r\n\r\n2\r\n--b--"
    )
    told = read("multipart/mixed;boundary=b", body)
    assert told.raw == (("gtd", b"IAM"), ("sdp", SDP), ("x", b"1"), ("part", b"2"))
    assert told.flags == ()


def test_the_better_of_two_documents_is_read() -> None:
    person = "<participant participant_id='1'><nameID aor='sip:{}@x'/></participant>"
    parts = (("text/xml", "8001"), ("application/rs-metadata+xml", "8002"))
    body = b"".join(
        f"--b\r\nContent-Type: {kind}\r\n\r\n<recording>{person.format(number)}</recording>\r\n".encode()
        for kind, number in parts
    )
    told = read("multipart/mixed;boundary=b", body + b"--b--")
    assert told.metadata is not None
    assert [one.number for one in told.metadata.participants] == ["8002"]
    assert len(told.raw) == 2
    # The better one is broken: the other is better than nothing.
    broken = read("multipart/mixed;boundary=b", body.replace(b"8002", b"8002&<") + b"--b--")
    assert broken.metadata is not None


def test_an_encoding_that_nobody_can_undo_is_told_apart() -> None:
    with pytest.raises(UnknownEncoding):
        read("application/sdp", b"\x0b\x02", ("Content-Encoding", "br"))
    head = b"--b\r\nContent-Type: application/rs-metadata+xml\r\nContent-Encoding: br\r\n\r\n"
    body = head + b"\x0b\x02\r\n--b\r\n\r\n" + SDP
    told = read("multipart/mixed;boundary=b", body)
    assert told.offer is not None
    assert (told.metadata, told.flags) == (None, ("metadata unreadable",))
    assert told.raw[0] == ("xml", b"\x0b\x02")


def test_what_is_no_description_raises_value_error() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read("application/sdp", b"nonsense")


NAMES = (
    "recording", "datamode", "dataMode", "group", "session", "group-ref", "sipSessionID", "participant", "nameID",
    "aor", "name", "stream", "label", "send", "recv", "id", "participantsessionassoc", "participantstreamassoc",
    "associate-time", "disassociate-time", "extensiondata", "callData", "gcid", "from", "callingPartyNumber",
)  # fmt: skip
OFTEN = ("participant", "stream", "label", "participantstreamassoc", "send")
ATTRIBUTES = ("id", "participant_id", "stream_id", "session_id", "group_id", "aor", "label", "session", "participant")
VALUES = st.sampled_from(
    (
        *("", "1", "2", "a", "b", "partial", "complete", "sip:8001@x", "13800000001", "<&>\"'", "坐席", "\u2028"),
        *("2026-03-01T09:00:00Z", "2026-03-01T09:00:00+0000", "1970-01-01", "0001-01-01T00:00:00+14:00"),
        "9999-12-31T23:59:59-14:00",
    )
)
# How deep, which element, with which attribute, holding what.
TREES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(NAMES * 2 + OFTEN * 5), st.sampled_from(ATTRIBUTES), VALUES, VALUES),
    min_size=8,
    max_size=24,
)


def document(tree: list[tuple[int, str, str, str, str]]) -> bytes:
    """Elements in document order; each stands in the last one that is less deep."""
    text, open_elements = "<recording>", [(-1, "recording")]
    for depth, name, attribute, value, content in tree:
        while open_elements[-1][0] >= depth:
            text += f"</{open_elements.pop()[1]}>"
        text += f"<{name} {attribute}={escaped(value)}>{escaped(content)[1:-1]}"
        open_elements.append((depth, name))
    return (text + "".join(f"</{name}>" for _, name in reversed(open_elements))).encode()


def escaped(value: str) -> str:
    return '"' + value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;") + '"'


@settings(max_examples=300)
@given(TREES, TREES)
def test_any_tree_of_plausible_elements_is_read_bound_and_merged(
    first: list[tuple[int, str, str, str, str]], second: list[tuple[int, str, str, str, str]]
) -> None:
    found: list[Metadata] = []
    for tree in (first, second):
        with contextlib.suppress(ValueError):
            found.append(parse_metadata(document(tree)))
    before = None
    for metadata in (*found, *(one.updated(other) for one in found for other in found)):
        before = bind({"x": "1", "y": "a"}, metadata, (), callers=Metadata(), before=before)
        assert set(before.roles) == {"x", "y"}
        assert set(before.roles.values()) <= {"agent", "citizen", "mixed", "unknown"}


@given(st.sampled_from(["", "application/sdp", "multipart/mixed;boundary=b", "text/xml"]), st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_value_error(kind: str, noise: bytes) -> None:
    for body in (noise, SDP + noise, b"--b\r\n\r\n" + noise, b"<recording>" + noise + b"</recording>"):
        with contextlib.suppress(ValueError):
            assert isinstance(read(kind, body, ("From", noise.decode("latin-1"))), SessionRequest)
