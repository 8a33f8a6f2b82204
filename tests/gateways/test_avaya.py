"""Avaya session border controllers."""

from pathlib import Path

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

DUMMY = b"""<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<session session_id="av-1"/><participant participant_id="dummy"><nameID aor="sip:dummy@sbce.invalid"/></participant>
<stream stream_id="" session_id="av-1"><label/></stream>
<participantstreamassoc participant_id="dummy"></participantstreamassoc></recording>"""
REAL = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>{mode}</datamode>
<session session_id="av-1"><sipSessionID>ab30317f1a784dc48ff824d0d3715d86</sipSessionID></session>
<participant participant_id="av-p1"><nameID aor="sip:13800000104@am.invalid"><name>市民 吴</name></nameID></participant>
<participant participant_id="av-p2"><nameID aor="sip:8104@am.invalid"><name>坐席 郑</name></nameID></participant>
<stream stream_id="av-s1" session_id="av-1"><label>10</label></stream>
<stream stream_id="av-s2" session_id="av-1"><label>20</label></stream>
<participantsessionassoc participant_id="av-p1" session_id="av-1"><associate-time>2026-03-01T01:00:00Z</associate-time>
</participantsessionassoc>
<participantstreamassoc participant_id="av-p1"><send>av-s1</send><recv>av-s2</recv></participantstreamassoc>
<participantstreamassoc participant_id="av-p2"><send>av-s2</send><recv>av-s1</recv></participantstreamassoc>
</recording>"""
TYPE = "Content-Type: multipart/mixed;boundary=av"
# Node 1, call 345 of the second 1772326800.
UCID = "User-to-User: 00FA080001015969A38F90;encoding=hex"


async def call_with(house: House, link: Link, directory: Path, mode: str) -> None:
    gateway = Gateway(house, link)
    sdp = offer(audio(44000, "10"), audio(44002, "20"))
    body = parts((f"Content-Type: {SDP}", sdp), ("Content-Type: application/rs-metadata+xml", DUMMY), boundary="av")
    assert (await gateway.ask("INVITE", "Require: siprec", TYPE, UCID, body=body)).status == 200
    assert gateway.answer == [Line(True, "10", "recvonly"), Line(True, "20", "recvonly")]
    (begun,) = house.recorder.calls
    assert [stream.role for stream in begun.streams] == ["agent", "citizen"]
    assert "roles assumed" in begun.flags
    real = REAL.format(mode=mode).encode()
    response = await gateway.ask("UPDATE", "Content-Type: application/rs-metadata+xml", body=real)
    assert (response.status, response.body) == (200, b"")
    await gateway.speak(directory)
    call = await gateway.hang_up()
    assert call.people == [("citizen", "13800000104", "市民 吴"), ("agent", "8104", "坐席 郑")]
    assert (call.citizen, call.agent) == ({400}, {700})
    assert (call.facts.flags, call.facts.group) == ((), "00001003451772326800")
    assert call.raw("xml") == [DUMMY, real]


async def test_avaya(house: House, link: Link, tmp_path: Path) -> None:
    await call_with(house, link, tmp_path, "complete")


async def test_avaya_with_a_third_line_that_holds_both(house: House, link: Link, tmp_path: Path) -> None:
    """Each party has a line of its own: the mixed one would only repeat them."""
    gateway = Gateway(house, link)
    lines = [audio(44010, "10"), audio(44012, "20"), audio(44014, "30")]
    third = '<stream stream_id="av-s3"><label>30</label></stream>' + "".join(
        f'<participantstreamassoc participant_id="av-p{n}"><send>av-s3</send></participantstreamassoc>' for n in (1, 2)
    )
    metadata = REAL.format(mode="complete").replace("</recording>", third + "</recording>").encode()
    body = parts(
        (f"Content-Type: {SDP}", offer(*lines)),
        ("Content-Type: application/rs-metadata+xml", metadata),
        boundary="av",
    )
    assert (await gateway.ask("INVITE", TYPE, body=body)).status == 200
    await gateway.speak(tmp_path, (400, 700, 1000))
    call = await gateway.hang_up()
    assert [stream.role for stream in call.facts.streams] == ["citizen", "agent", "mixed"]
    assert (call.citizen, call.agent, call.facts.flags) == ({400}, {700}, ())


async def test_avaya_completes_its_metadata_in_parts(house: House, link: Link, tmp_path: Path) -> None:
    await call_with(house, link, tmp_path, "partial")
