"""Ribbon (formerly Sonus) session border controllers."""

from pathlib import Path

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

METADATA = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<tns:recording xmlns:tns="urn:ietf:params:xml:ns:recording:1" xmlns:rbbn="urn:ribbon:params:xml:ns:calldata">
 <tns:datamode>complete</tns:datamode>
 <tns:session tns:session_id="MDAwMDAwMDAwMDAwMDAwMQ=="><tns:start-time>1970-01-01T00:07:12Z</tns:start-time>
</tns:session>
 <tns:participant tns:participant_id="MDAwMDAwMDAwMDAwMDAwMg=="><tns:nameID aor="8107@10.1.1.1"/></tns:participant>
 <tns:participant tns:participant_id="MDAwMDAwMDAwMDAwMDAwMw=="><tns:nameID aor="13800000107@10.1.1.2"/>
</tns:participant>
 <tns:stream tns:stream_id="MDAwMDAwMDAwMDAwMDAwNQ=="><tns:label>2</tns:label></tns:stream>
 <tns:stream tns:stream_id="MDAwMDAwMDAwMDAwMDAwNA=="><tns:label>1</tns:label></tns:stream>
 <tns:participantsessionassoc tns:participant_id="MDAwMDAwMDAwMDAwMDAwMg==" tns:session_id="MDAwMDAwMDAwMDAwMDAwMQ==">
  <tns:associate-time>1970-01-01T00:07:12Z</tns:associate-time></tns:participantsessionassoc>
 <tns:participantstreamassoc tns:participant_id="MDAwMDAwMDAwMDAwMDAwMg=="><tns:recv>MDAwMDAwMDAwMDAwMDAwNA==</tns:recv>
  <tns:send>MDAwMDAwMDAwMDAwMDAwNQ==</tns:send></tns:participantstreamassoc>
 <tns:participantstreamassoc tns:participant_id="MDAwMDAwMDAwMDAwMDAwMw=="><tns:recv>MDAwMDAwMDAwMDAwMDAwNQ==</tns:recv>
  <tns:send>MDAwMDAwMDAwMDAwMDAwNA==</tns:send></tns:participantstreamassoc>
 <rbbn:callData><rbbn:from>&lt;sip:13800000107@10.1.1.2&gt;;tag=1</rbbn:from>
<rbbn:to>&lt;sip:12345@10.1.1.1&gt;</rbbn:to>
  <rbbn:callid>77_1234@10.1.1.2</rbbn:callid><rbbn:gcid>2026030117</rbbn:gcid></rbbn:callData>
</tns:recording>"""
BOUNDARY = "sonus-content-delim"
TYPE = f"Content-Type: multipart/mixed;boundary={BOUNDARY}"
RS = "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session"


async def test_ribbon(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    sdp = offer(audio(47000, "1"), audio(47002, "2"))
    body = parts((f"Content-Type: {SDP}", sdp), (RS, METADATA), boundary=BOUNDARY)
    assert (await gateway.ask("INVITE", "Require: siprec", TYPE, body=body)).status == 200
    assert gateway.answer == [Line(True, "1", "recvonly"), Line(True, "2", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    # The agent comes first in the metadata and last in the description: ids decide, not the order.
    assert call.people == [("agent", "8107", ""), ("citizen", "13800000107", "")]
    assert (call.citizen, call.agent) == ({400}, {700})
    assert call.facts.flags == ("gateway clock not set",)
    assert [party.joined_at for party in call.facts.parties] == [None, None]
    assert call.facts.group == "2026030117"


FAREWELL = b"""<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording"><datamode>Partial</datamode>
<session session_id="MDAwMDAwMDAwMDAwMDAwMQ=="></session>
<participant participant_id="MDAwMDAwMDAwMDAwMDAwMg==" session_id="MDAwMDAwMDAwMDAwMDAwMQ==">
<disassociate-time>2026-03-01T01:09:30Z</disassociate-time></participant>
<participant participant_id="MDAwMDAwMDAwMDAwMDAwMw==" session_id="MDAwMDAwMDAwMDAwMDAwMQ==">
<disassociate-time>2026-03-01T01:09:31Z</disassociate-time></participant></recording>"""


async def test_ribbon_tells_in_its_bye_who_left_when(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    sdp = offer(audio(47020, "1"), audio(47022, "2"))
    await gateway.ask("INVITE", TYPE, body=parts((f"Content-Type: {SDP}", sdp), (RS, METADATA), boundary=BOUNDARY))
    await gateway.speak(tmp_path)
    kind = ("Content-Type: application/rs-metadata+xml", "Content-Disposition: recording-session")
    call = await gateway.hang_up(*kind, body=FAREWELL)
    assert call.people == [("agent", "8107", ""), ("citizen", "13800000107", "")]
    assert [party.left_at and party.left_at.second for party in call.facts.parties] == [30, 31]
    assert (call.citizen, call.agent) == ({400}, {700})
    assert call.raw("xml") == [METADATA, FAREWELL]


async def test_ribbon_with_call_data_alone(house: House, link: Link, tmp_path: Path) -> None:
    """Participants without an address: the numbers are in the call data."""
    gateway = Gateway(house, link)
    sdp = offer(audio(47010, "1"), audio(47012, "2"))
    metadata = METADATA.replace(b'aor="13800000107@10.1.1.2"', b'aor=""')
    body = parts((f"Content-Type: {SDP}", sdp), (RS, metadata), boundary=BOUNDARY)
    await gateway.ask("INVITE", TYPE, body=body)
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == [("agent", "8107", ""), ("citizen", "13800000107", "")]
    assert (call.citizen, call.agent) == ({400}, {700})
    assert "number not from participants" in call.facts.flags
