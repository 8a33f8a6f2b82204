"""What no gateway's manual promises and every recorder meets: bodies, lines and documents in any state."""

import gzip
from pathlib import Path

import pytest

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

OFFER = offer(audio(52000, "1"), audio(52002, "2"))
DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>{mode}</datamode>{content}</recording>"""
PEOPLE = """<participant participant_id="a"><nameID aor="sip:8112@x.invalid"><name>坐席 韩</name></nameID></participant>
<participant participant_id="b"><nameID aor="sip:13800000112@x.invalid"><name>市民 杨</name></nameID></participant>
<stream stream_id="s"><label>1</label></stream><stream stream_id="t"><label>2</label></stream>
<participantstreamassoc participant_id="a"><send>s</send></participantstreamassoc>
<participantstreamassoc participant_id="b"><send>t</send></participantstreamassoc>"""
METADATA = DOCUMENT.format(mode="complete", content=PEOPLE)
BOUND = [("agent", "8112", "坐席 韩"), ("citizen", "13800000112", "市民 杨")]
XML, PLAIN = "Content-Type: application/rs-metadata+xml", f"Content-Type: {SDP}"
BOTH = ((PLAIN, OFFER), (XML, METADATA.encode()))


def mixed(boundary: str) -> str:
    return f"Content-Type: multipart/mixed;boundary={boundary}"


def nested() -> bytes:
    inner = parts(*BOTH, boundary="inner")
    return parts(
        ("Content-Type: text/plain", b"for people"),
        ("Content-Type: multipart/related; boundary=inner", inner),
        boundary="outer",
    )


def packed() -> bytes:
    return parts(*((f"{head}\r\nContent-Encoding: gzip", gzip.compress(content)) for head, content in BOTH))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (mixed("b"), parts(*reversed(BOTH), boundary="b")),
        (mixed('"a b;c=?"'), parts(*BOTH, boundary="a b;c=?")),
        (mixed("b"), parts(*BOTH, boundary="b").replace(b"\r\n", b"\n")),
        (mixed("b"), b"\r\npreamble\r\n" + parts(*BOTH, boundary="b") + b"epilogue"),
        (mixed("other"), parts(*BOTH, boundary="b")),
        ("Content-Type: multipart/mixed", parts(*BOTH, boundary="b")),
        (mixed("b"), parts(*BOTH, boundary="b", end="")),
        (mixed("outer"), nested()),
        (mixed("part-of-a-call"), packed()),
        (mixed("b"), parts(("Content-ID: <1>", OFFER), ("Content-ID: <2>", METADATA.encode()), boundary="b")),
        (f"{mixed('b')}\r\nContent-Encoding: gzip", gzip.compress(parts(*BOTH, boundary="b"))),
        ("Subject: no type at all", parts(*BOTH, boundary="b")),
        ("Content-Type: multipart/mixed;boundary=b", OFFER + b"\r\n" + METADATA.encode()),
    ],
    ids=[
        "any order", "quoted", "LF", "preamble", "wrong boundary", "no boundary", "no end", "nested", "gzip parts",
        "no types", "gzip body", "no Content-Type", "not cut at all",
    ],
)  # fmt: skip
async def test_a_body_in_any_state_is_recorded(
    house: House, link: Link, tmp_path: Path, kind: str, body: bytes
) -> None:
    gateway = Gateway(house, link)
    assert (await gateway.ask("INVITE", kind, body=body)).status == 200
    assert gateway.answer == [Line(True, "1", "recvonly"), Line(True, "2", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert (call.people, call.agent, call.citizen) == (BOUND, {400}, {700})
    assert call.raw("xml")


async def test_every_line_is_answered(house: House, link: Link, tmp_path: Path) -> None:
    """Six that can be recorded, among whatever else: each in its place, with a port of its own."""
    gateway = Gateway(house, link)
    sdp = offer(
        audio(52100, "1"),
        "m=video 52102 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=label:v\r\n",
        audio(52104, "2"),
        "m=audio 52106 RTP/AVP 77\r\na=rtpmap:77 NOBODY-KNOWS/8000\r\na=label:x\r\n",
        "m=audio nonsense\r\n",
        *(audio(52110 + 2 * number, str(number)) for number in range(3, 7)),
        "m=application 52120 TCP/BFCP *\r\nc=broken\r\n",
    )
    assert (await gateway.ask("INVITE", PLAIN, body=sdp)).status == 200
    taken = [line.taken for line in gateway.answer]
    assert taken == [True, False, True, False, False, True, True, True, True, False]
    assert [line.label for line in gateway.answer if line.taken] == ["1", "2", "3", "4", "5", "6"]
    assert len(set(gateway.ports)) == 6
    await gateway.speak(tmp_path, (400, 700, 1000, 1300))
    call = await gateway.hang_up()
    assert [stream.received["packets"] for stream in call.facts.streams] == [20, 20, 20, 20, 0, 0]
    assert call.agent == call.citizen == {400, 700, 1000, 1300}
    assert "SDP damaged" in call.facts.flags


async def test_participants_come_and_go(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    session = '<participantsessionassoc participant_id="{who}" session_id="z">{times}</participantsessionassoc>'
    joined = "".join(
        session.format(who=who, times=f"<associate-time>2026-03-01T01:00:0{second}Z</associate-time>")
        for who, second in (("a", 1), ("b", 2))
    )
    first = DOCUMENT.format(mode="complete", content=PEOPLE + joined).encode()
    assert (
        await gateway.ask("INVITE", mixed("b"), body=parts((PLAIN, OFFER), (XML, first), boundary="b"))
    ).status == 200
    # The agent hands over to a colleague, who speaks in the same stream.
    left = session.format(who="a", times="<disassociate-time>2026-03-01T09:05:00+08:00</disassociate-time>")
    released = (
        '<participantstreamassoc participant_id="a"><send>s</send>'
        "<disassociate-time>2026-03-01T09:05:00+08:00</disassociate-time></participantstreamassoc>"
    )
    came = (
        '<participant participant_id="c"><nameID aor="sip:8122@x.invalid"><name>坐席 朱</name></nameID></participant>'
        + session.format(who="c", times="<associate-time>2026-03-01T01:05:01Z</associate-time>")
        + '<participantstreamassoc participant_id="c"><send>s</send></participantstreamassoc>'
    )
    for content in (left + released, came):
        update = DOCUMENT.format(mode="partial", content=PEOPLE[: PEOPLE.index("<stream ")] + content).encode()
        assert (await gateway.ask("UPDATE", XML, body=update)).status == 200
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    told = [(party.number, party.joined_at, party.left_at) for party in call.facts.parties]
    times = {number: tuple(at and at.strftime("%H:%M:%S") for at in (start, end)) for number, start, end in told}
    assert times == {
        "8112": ("01:00:01", "01:05:00"),
        "13800000112": ("01:00:02", None),
        "8122": ("01:05:01", None),
    }
    # Whoever stayed is named first.
    agent = call.facts.party("agent")
    assert agent is not None
    assert agent.number == "8122"
    assert (call.agent, call.citizen, call.facts.flags) == ({400}, {700}, ())


async def test_a_document_of_associations_alone_is_followed(house: House, link: Link, tmp_path: Path) -> None:
    """Hold and retrieve as RFC 7866 tells them: nobody is introduced again."""
    gateway = Gateway(house, link)
    assert (await gateway.ask("INVITE", mixed("b"), body=parts(*BOTH, boundary="b"))).status == 200
    stream = '<participantstreamassoc participant_id="{who}"><send>{stream}</send>{times}</participantstreamassoc>'
    gone = "<disassociate-time>2026-03-01T01:02:00Z</disassociate-time>"
    for content in (
        stream.format(who="b", stream="t", times=gone),
        stream.format(who="b", stream="t", times=""),
        stream.format(who="nobody", stream="t", times=""),
    ):
        update = DOCUMENT.format(mode="partial", content=content).encode()
        assert (await gateway.ask("UPDATE", XML, body=update)).status == 200
        (facts,) = house.recorder.calls
        assert [stream.role for stream in facts.streams] == ["agent", "citizen"]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert (call.people, call.agent, call.citizen, call.facts.flags) == (BOUND, {400}, {700}, ())


BOMB = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("metadata", "people", "flags"),
    [
        (METADATA.encode(), BOUND, ()),
        (METADATA.encode("gbk"), BOUND, ()),
        (METADATA.replace("UTF-8", "GB2312").encode("gbk"), BOUND, ()),
        (METADATA.encode().replace("坐席 韩".encode(), b"\xff\xfe8112"), None, ("metadata damaged",)),
        (METADATA.replace("市民 杨", "研发 R&D").encode(), None, ("metadata damaged",)),
        (METADATA.replace("recording ", "r:recording ", 1).encode(), None, ("metadata damaged",)),
        (METADATA[: METADATA.index("</recording>")].encode(), BOUND, ("metadata damaged",)),
        (METADATA.replace("<recording", BOMB + "<recording").encode(), [], ("metadata has a DTD",)),
        (METADATA.replace("<recording", "<!DOCTYPE recording><recording").encode(), [], ("metadata has a DTD",)),
        (METADATA.replace("<recording", OUTSIDE + "<recording").encode(), [], ("metadata has a DTD",)),
        (METADATA.replace("</recording", BOMB + "</recording").encode(), [], ("metadata has a DTD",)),
        (b"<recording/>", [], ("metadata unreadable",)),
        (b"\x00\x01\x02", [], ("metadata unreadable",)),
    ],
    ids=[
        "UTF-8", "GBK", "GBK declared", "no encoding", "bare ampersand", "undeclared prefix", "cut short", "bomb",
        "plain DTD", "outside", "late DTD", "empty", "binary",
    ],
)  # fmt: skip
async def test_metadata_in_any_state_is_kept(
    house: House,
    link: Link,
    tmp_path: Path,
    metadata: bytes,
    people: list[tuple[str, str, str]] | None,
    flags: tuple[str, ...],
) -> None:
    gateway = Gateway(house, link)
    body = parts((PLAIN, OFFER), (XML, metadata), boundary="b")
    assert (await gateway.ask("INVITE", mixed("b"), body=body)).status == 200
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    # Without metadata the streams are taken in order of their labels.
    assert (call.agent, call.citizen) == ({400}, {700})
    assert call.facts.flags == (flags if people != [] else (*flags, "roles assumed"))
    assert call.raw("xml") == [metadata]
    if people is not None:
        assert call.people == people
    else:
        assert [number for _, number, _ in call.people] == ["8112", "13800000112"]


async def test_labels_that_disagree_are_flagged(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    sdp = offer(audio(52200, "1"), audio(52202, "B"))
    await gateway.ask("INVITE", mixed("b"), body=parts((PLAIN, sdp), (XML, METADATA.encode()), boundary="b"))
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    # One stream is bound: the other can only be the other party's, which is said to be assumed.
    assert (call.people, call.agent, call.citizen) == (BOUND, {400}, {700})
    assert call.facts.flags == ("label 2 not in SDP", "label B not in metadata", "roles assumed")
