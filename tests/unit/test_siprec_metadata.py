"""Recording metadata of the RFC, of its drafts and of vendors; encodings; hostile documents."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.siprec.metadata import parse_metadata
from telephony.siprec.snapshot import Metadata

RFC_7865 = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
 <datamode>complete</datamode>
 <group group_id="7+OTCyoxTmqmqyA/1weDAg=="><associate-time>2026-03-01T09:00:00Z</associate-time></group>
 <session session_id="hVpd7YQgRW2nD22h7q60JQ=="><group-ref>7+OTCyoxTmqmqyA/1weDAg==</group-ref></session>
 <participant participant_id="srfBElmCRp2QB23b7Mpk0w==">
  <nameID aor="sip:8001@pbx.invalid"><name xml:lang="zh">坐席 一号</name></nameID>
 </participant>
 <participant participant_id="zSfPoSvdSDCmU3A3TRDxAw==">
  <nameID aor="tel:+86-139-0000-0001"><name>王小明</name></nameID>
 </participant>
 <stream stream_id="UAAMm5GRQKSCMVvLyl4rFw==" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>96</label></stream>
 <stream stream_id="i1Pz3to5hGk8fuXl+PbwCw==" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>97</label></stream>
 <participantsessionassoc participant_id="srfBElmCRp2QB23b7Mpk0w==" session_id="hVpd7YQgRW2nD22h7q60JQ=="/>
 <participantstreamassoc participant_id="srfBElmCRp2QB23b7Mpk0w==">
  <send>i1Pz3to5hGk8fuXl+PbwCw==</send><recv>UAAMm5GRQKSCMVvLyl4rFw==</recv>
 </participantstreamassoc>
 <participantstreamassoc participant_id="zSfPoSvdSDCmU3A3TRDxAw==">
  <send>UAAMm5GRQKSCMVvLyl4rFw==</send><recv>i1Pz3to5hGk8fuXl+PbwCw==</recv>
 </participantstreamassoc>
</recording>"""

DRAFT = """<?xml version="1.0"?>
<r:recording xmlns:r="urn:ietf:params:xml:ns:recording" xmlns:apkt="http://example.invalid/extensions">
 <r:dataMode>complete</r:dataMode>
 <r:session id="s"><r:start-time>2026-03-01T09:00:00</r:start-time></r:session>
 <r:participant id="a" session="s"><r:nameID aor="sip:8001@pbx"><r:name>甲</r:name></r:nameID>
  <r:send>x</r:send><r:recv>y</r:recv>
  <r:extensiondata><apkt:callingParty>false</apkt:callingParty></r:extensiondata>
 </r:participant>
 <r:participant id="b" session="s"><r:nameID aor="sip:13900000001@pbx"/>
  <r:send><r:stream id="y"/></r:send></r:participant>
 <r:stream id="x" session="s"><r:label>1</r:label></r:stream>
 <r:stream id="y" session="s"><r:mode>separate</r:mode><r:label>2</r:label></r:stream>
 <r:extensiondata><apkt:header label="X-Work-Order"><apkt:value> GD-77 </apkt:value></apkt:header></r:extensiondata>
</r:recording>"""


def test_the_rfc_is_read() -> None:
    metadata = parse_metadata(RFC_7865.encode())
    agent, citizen = metadata.participants
    assert (agent.number, agent.name, agent.aor) == ("8001", "坐席 一号", "sip:8001@pbx.invalid")
    assert (citizen.number, citizen.name) == ("+8613900000001", "王小明")
    assert metadata.speakers("97") == (agent,)
    assert metadata.speakers("96") == (citizen,)
    assert (metadata.speakers("98"), metadata.partial) == ((), False)


def test_drafts_and_vendors_are_read_by_local_name() -> None:
    metadata = parse_metadata(DRAFT.encode())
    assert [(one.number, one.sends) for one in metadata.participants] == [("8001", ("x",)), ("13900000001", ("y",))]
    assert [one.number for one in metadata.speakers("2")] == ["13900000001"]
    assert metadata.extension("x-work-order") == "GD-77"
    assert metadata.extension("nothing") == ""


def test_the_namespace_does_not_matter() -> None:
    for namespace in ("", "urn:x", "http://vendor.invalid"):
        changed = RFC_7865.replace("urn:ietf:params:xml:ns:recording:1", namespace)
        assert parse_metadata(changed.encode()) == parse_metadata(RFC_7865.encode())


@pytest.mark.parametrize("declared", ["UTF-8", "GBK", "gb2312", "GB18030"])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_names_are_read_whatever_was_declared(declared: str, encoding: str) -> None:
    text = RFC_7865.replace("UTF-8", declared)
    assert [one.name for one in parse_metadata(text.encode(encoding)).participants] == ["坐席 一号", "王小明"]


def test_utf_16_with_its_mark_is_read() -> None:
    assert parse_metadata(RFC_7865.replace("UTF-8", "UTF-16").encode("utf-16")) == parse_metadata(RFC_7865.encode())


def test_a_partial_document_changes_what_it_names() -> None:
    before = parse_metadata(RFC_7865.encode())
    partial = parse_metadata(
        b"<recording><datamode>partial</datamode><participant participant_id='srfBElmCRp2QB23b7Mpk0w=='>"
        b"<nameID><name>new</name></nameID></participant><participant participant_id='c'>"
        b"<nameID aor='sip:8002@x'/></participant><stream stream_id='z'><label>98</label></stream>"
        b"<participantstreamassoc participant_id='c'><send>z</send></participantstreamassoc></recording>"
    )
    after = before.updated(partial)
    assert [(one.number, one.name) for one in after.participants] == [
        ("8001", "new"),
        ("+8613900000001", "王小明"),
        ("8002", ""),
    ]
    assert [one.number for one in after.speakers("97")] == ["8001"]
    assert [one.number for one in after.speakers("98")] == ["8002"]
    again = after.updated(before)
    assert again.participants == before.participants
    assert [one.number for one in again.former] == ["8002"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<recording>",
        b"<html><body>nothing</body></html>",
        b"<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>",
        b"<!DOCTYPE r [<!ENTITY a 'x'>]><recording><participant participant_id='&a;'/></recording>",
        b"<!DOCTYPE r [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
        b"<recording><participant id='1'>&a;</participant></recording>",
    ],
)
def test_what_is_no_metadata_raises_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        parse_metadata(body)


@given(st.binary(max_size=60), st.integers(0, len(RFC_7865.encode())), st.integers(0, 30))
def test_only_value_error_escapes(noise: bytes, place: int, cut: int) -> None:
    document = RFC_7865.encode()
    for body in (noise, document[:place] + noise + document[place + cut :]):
        with contextlib.suppress(ValueError):
            assert isinstance(parse_metadata(body), Metadata)


def test_who_comes_back_joined_when_he_first_came_and_left_when_he_last_went() -> None:
    def one(*times: tuple[str, str]) -> Metadata:
        marks = "".join(
            f'<participantsessionassoc id="p"><{mark}>2026-03-01T{at}:00Z</{mark}></participantsessionassoc>'
            for mark, at in times
        )
        return parse_metadata(f'<recording><participant participant_id="p"/>{marks}</recording>'.encode())

    came, went, back = ("associate-time", "09:00"), ("disassociate-time", "09:05"), ("associate-time", "09:07")
    (person,) = one(came, went, back).participants
    assert (person.joined_at, person.left_at) == (datetime(2026, 3, 1, 9, tzinfo=UTC), None)
    (person,) = one(came, went, back, ("disassociate-time", "09:09")).participants
    assert (person.joined_at, person.left_at) == (
        datetime(2026, 3, 1, 9, tzinfo=UTC),
        datetime(2026, 3, 1, 9, 9, tzinfo=UTC),
    )
