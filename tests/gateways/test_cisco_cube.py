"""Cisco Unified Border Element: SIPREC, and network-based recording that CUCM asks it for."""

from pathlib import Path

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

METADATA = b"""<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<session session_id="Y3ViZS1zZXNzaW9uLTAx">
<sipSessionID>3a1f0c0000105000a000a1b2c3d4e5f6;remote=0f0e0d0c00105000a00011223344</sipSessionID>
<start-time>2026-03-01T01:02:03.456Z</start-time></session>
<participant participant_id="Y3ViZS1wYXJ0eS0wMDAx"><nameID aor="sip:8105@10.0.0.1">
<name xml:lang="en">Agent Feng</name></nameID></participant>
<participant participant_id="Y3ViZS1wYXJ0eS0wMDAy"><nameID aor="sip:13800000105@10.0.0.2">
<name xml:lang="en">Citizen Chen</name></nameID></participant>
<stream stream_id="Y3ViZS1zdHJlYW0tMDAx" session_id="Y3ViZS1zZXNzaW9uLTAx"><label>1</label></stream>
<stream stream_id="Y3ViZS1zdHJlYW0tMDAy" session_id="Y3ViZS1zZXNzaW9uLTAx"><label>2</label></stream>
<participantstreamassoc participant_id="Y3ViZS1wYXJ0eS0wMDAx"><send>Y3ViZS1zdHJlYW0tMDAx</send>
<recv>Y3ViZS1zdHJlYW0tMDAy</recv>
</participantstreamassoc><participantstreamassoc participant_id="Y3ViZS1wYXJ0eS0wMDAy"><send>Y3ViZS1zdHJlYW0tMDAy</send>
<recv>Y3ViZS1zdHJlYW0tMDAx</recv></participantstreamassoc></recording>"""
GTD = b"IAM,\r\nPRN,isdn*,,NET5*,\r\nCPC,09\r\nGCI,a1b2c3d4e5f600112233445566778899\r\n"


async def test_cisco_cube(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link, contact="<sip:cube@{here}>;+sip.src")
    held = offer(audio(45000, "1", "inactive"), audio(45002, "2", "inactive"))
    flowing = offer(audio(45000, "1"), audio(45002, "2"), version=2)
    sections = (
        (f"Content-Type: {SDP}\r\nContent-Disposition: session;handling=required", held),
        ("Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session", METADATA),
        ("Content-Type: application/gtd\r\nContent-Disposition: signal;handling=optional", GTD),
    )
    headers = ("Require: 100rel, siprec", "Content-Type: multipart/mixed;boundary=uniqueBoundary")
    body = parts(*sections, boundary="uniqueBoundary")
    assert (await gateway.ask("INVITE", *headers, body=body)).status == 200
    assert gateway.answer == [Line(True, "1", "inactive"), Line(True, "2", "inactive")]
    (begun,) = house.recorder.calls
    assert [(pause.by, pause.reason) for pause in begun.pauses] == [("gateway", "INVITE with a=inactive")]
    assert (await gateway.ask("INVITE", f"Content-Type: {SDP}", body=flowing)).status == 200
    assert gateway.answer == [Line(True, "1", "recvonly"), Line(True, "2", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == [("agent", "8105", "Agent Feng"), ("citizen", "13800000105", "Citizen Chen")]
    assert (call.agent, call.citizen) == ({400}, {700})
    assert call.facts.flags == ()
    assert call.facts.group.startswith("3a1f0c0000105000a000a1b2c3d4e5f6")
    assert [pause.ended_at is not None for pause in call.facts.pauses] == [True]
    assert call.raw("gtd") == [GTD]


async def test_cisco_network_based(house: House, link: Link, tmp_path: Path) -> None:
    """No metadata, no Require: the party is in a header of Cisco's own."""
    gateway = Gateway(house, link, sender="<sip:8115@ucm.invalid>", contact="<sip:cube@{here}>")
    sdp = offer(audio(45010, direction="sendonly"), audio(45012, direction="sendonly"))
    headers = (
        "X-Cisco-Participant: <sip:13800000115@pstn.invalid>",
        "Cisco-Guid: 1234567890-0987654321-1122334455-5544332211",
        f"Content-Type: {SDP}",
    )
    assert (await gateway.ask("INVITE", *headers, body=sdp)).status == 200
    assert gateway.answer == [Line(True, "", "recvonly"), Line(True, "", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert sorted(call.people) == [("agent", "8115", ""), ("citizen", "13800000115", "")]
    # Nothing binds lines to people: the parties in order, and said so.
    assert (call.citizen, call.agent) == ({400}, {700})
    assert set(call.facts.flags) == {"metadata missing", "number not from participants", "roles assumed"}
    assert call.facts.group == "1234567890-0987654321-1122334455-5544332211"
