"""SEMS."""

from pathlib import Path

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<datamode>complete</datamode><session session_id="sems-1"/>
<participant participant_id="caller"><nameID aor="13800000109@sems.invalid"><name>市民 褚</name></nameID></participant>
<participant participant_id="callee"><nameID aor="8109"><name>坐席 卫</name></nameID></participant>
<stream stream_id="caller-stream" session_id="sems-1"><label>caller_audio</label></stream>
<stream stream_id="callee-stream" session_id="sems-1"><label>callee_audio</label></stream>
<participantstreamassoc participant_id="caller"><send>caller-stream</send></participantstreamassoc>
<participantstreamassoc participant_id="callee"><send>callee-stream</send></participantstreamassoc>
</recording>""".encode()


async def test_sems(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    sdp = offer(audio(49000, "caller_audio"), audio(49002, "callee_audio"))
    rs = "Content-Type: application/rs-metadata+xml"
    # The body ends where the metadata does.
    body = parts((f"Content-Type: {SDP}", sdp), (rs, METADATA), boundary="sems-part")
    body = body[: body.rindex(b"\r\n--sems-part--")]
    kind = "Content-Type: multipart/mixed; boundary=sems-part"
    assert (await gateway.ask("INVITE", "Require: siprec", kind, body=body)).status == 200
    assert gateway.answer == [Line(True, "caller_audio", "recvonly"), Line(True, "callee_audio", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == [("citizen", "13800000109", "市民 褚"), ("agent", "8109", "坐席 卫")]
    assert (call.citizen, call.agent) == ({400}, {700})
    assert call.facts.flags == ()
    assert call.raw("xml") == [METADATA]
