"""AudioCodes session border controllers."""

from pathlib import Path

import pytest

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

RFC = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1" xmlns:ac="http://AudioCodes"><datamode>complete</datamode>
<group group_id="ac-group-1"/><session session_id="ac-s"><group-ref>ac-group-1</group-ref></session>
<participant participant_id="ac-p1"><nameID aor="sip:8110@ac.invalid"><name>坐席 蒋</name></nameID></participant>
<participant participant_id="ac-p2"><nameID aor="sip:13800000110@ac.invalid"/></participant>
<stream stream_id="ac-t1" session_id="ac-s"><label>1</label></stream>
<stream stream_id="ac-t2" session_id="ac-s"><label>2</label></stream>
<participantstreamassoc participant_id="ac-p1"><send>ac-t1</send><recv>ac-t2</recv></participantstreamassoc>
<participantstreamassoc participant_id="ac-p2"><send>ac-t2</send><recv>ac-t1</recv></participantstreamassoc>
</recording>"""
LEGACY = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording"><datamode>complete</datamode>
<group id="ac-group-1"/><session id="ac-s"><group-ref>ac-group-1</group-ref></session>
<participant id="ac-p1" session="ac-s"><nameID aor="sip:8110@ac.invalid"><name>坐席 蒋</name></nameID>
 <send>ac-t1</send><recv>ac-t2</recv></participant>
<participant id="ac-p2" session="ac-s"><nameID aor="sip:13800000110@ac.invalid"/>
 <send>ac-t2</send><recv>ac-t1</recv></participant>
<stream id="ac-t1" session="ac-s"><label>1</label></stream><stream id="ac-t2" session="ac-s"><label>2</label></stream>
</recording>"""


@pytest.mark.parametrize("metadata", [RFC, LEGACY], ids=["RFC", "legacy"])
async def test_audiocodes(house: House, link: Link, tmp_path: Path, metadata: str) -> None:
    gateway = Gateway(house, link, contact="<sip:ac@{here};transport=udp>;src")
    headers = (
        "X-Other-Call-ID: leg-only",
        "X-AC-Call-ID: 1122334455@ac.invalid",
        "Content-Type: multipart/mixed;boundary=boundary_ac1",
    )
    kind = "application/rs-metadata+xml" if metadata == RFC else "application/rs-metadata"
    rs = f"Content-Type: {kind}\r\nContent-Disposition: recording-session"
    sdp = offer(audio(50000, "1"), audio(50002, "2"))
    body = parts((f"Content-Type: {SDP}", sdp), (rs, metadata.encode()), boundary="boundary_ac1")
    assert (await gateway.ask("INVITE", "Require: siprec", *headers, body=body)).status == 200
    assert gateway.answer == [Line(True, "1", "recvonly"), Line(True, "2", "recvonly")]
    await gateway.speak(tmp_path)
    held = offer(audio(50000, "1", "inactive"), audio(50002, "2", "inactive"), version=2)
    assert (await gateway.ask("INVITE", f"Content-Type: {SDP}", body=held)).status == 200
    assert gateway.answer == [Line(True, "1", "inactive"), Line(True, "2", "inactive")]
    call = await gateway.hang_up()
    assert call.people == [("agent", "8110", "坐席 蒋"), ("citizen", "13800000110", "")]
    assert (call.agent, call.citizen) == ({400}, {700})
    assert (call.facts.flags, call.facts.group) == ((), "1122334455@ac.invalid")
    # The hold lasted until the end.
    assert [(pause.reason, pause.ended_at) for pause in call.facts.pauses] == [
        ("INVITE with a=inactive", call.facts.ended_at)
    ]
