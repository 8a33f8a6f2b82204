"""Metaswitch: one mixed stream that both parties send."""

from pathlib import Path

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
 <datamode>complete</datamode>
 <session session_id="c2Vzc2lvbi0wMDAxLW1z"><start-time>2026-03-01T01:00:00Z</start-time></session>
 <participant participant_id="cGVyc29uLWFnZW50LTAx"><nameID aor="sip:8102@pbx.invalid"><name>坐席 孙</name></nameID>
</participant>
 <participant participant_id="cGVyc29uLWNpdGl6LTAx"><nameID aor="tel:+8613800000102"/></participant>
 <stream stream_id="c3RyZWFtLW1peGVkLTAx" session_id="c2Vzc2lvbi0wMDAxLW1z"><label>1</label></stream>
 <participantsessionassoc participant_id="cGVyc29uLWFnZW50LTAx" session_id="c2Vzc2lvbi0wMDAxLW1z">
  <associate-time>2026-03-01T01:00:00Z</associate-time></participantsessionassoc>
 <participantstreamassoc participant_id="cGVyc29uLWFnZW50LTAx"><send>c3RyZWFtLW1peGVkLTAx</send>
</participantstreamassoc>
 <participantstreamassoc participant_id="cGVyc29uLWNpdGl6LTAx"><send>c3RyZWFtLW1peGVkLTAx</send>
</participantstreamassoc>
</recording>""".encode()
TYPE = "Content-Type: multipart/mixed;boundary=mix"


def body(port: int, version: int) -> bytes:
    sdp = offer(audio(port, "1", direction=""), version=version)
    rs = "Content-Type: application/rs-metadata\r\nContent-Disposition: recording-session;handling=optional"
    return parts((f"Content-Type: {SDP}\r\nContent-Disposition: session", sdp), (rs, METADATA), boundary="mix")


async def test_metaswitch(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link, contact="sip:ms@{here};transport=tcp;+sip.src")
    assert (await gateway.ask("INVITE", "Require: siprec", TYPE, body=body(42000, 1))).status == 200
    # Without a direction a line is sendrecv: we take our half.
    assert gateway.answer == [Line(True, "1", "recvonly")]
    before = list(gateway.ports)
    await gateway.speak(tmp_path, (400,))
    assert (await gateway.ask("INVITE", TYPE, body=body(42010, 2))).status == 200
    assert gateway.ports == before
    # It moves to another port, and sends from there.
    await gateway.speak(tmp_path, (1000,))
    call = await gateway.hang_up()
    assert call.people == [("agent", "8102", "坐席 孙"), ("citizen", "+8613800000102", "")]
    assert [stream.role for stream in call.facts.streams] == ["mixed"]
    assert (call.agent, call.citizen) == ({400, 1000}, {400, 1000})
    assert call.facts.flags == ()
