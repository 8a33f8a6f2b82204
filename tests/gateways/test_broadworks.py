"""BroadWorks and Webex Calling."""

from pathlib import Path

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording_metadata xmlns="urn:ietf:params:xml:ns:siprec">
 <dataMode>{mode}</dataMode>
 <session id="s-2001"/>
 {agent}
 <participant id="p-b" session="s-2001"><aor>sip:trunk-user-77@isp.invalid</aor><name>来电人</name>
  <send><id>st-b</id></send><recv><id>st-a</id></recv></participant>
 <stream><id>st-a</id><session>s-2001</session><label>agentleg</label></stream>
 <stream><id>st-b</id><session>s-2001</session><label>callerleg</label></stream>
 <extensiondata xmlns:bw="urn:broadworks:callrecording"><bw:externalTrackingID>trk-0007:1</bw:externalTrackingID>
  <bw:callingPartyNumber>{calling}</bw:callingPartyNumber></extensiondata>
</recording_metadata>"""
AGENT = """<participant id="p-a" session="s-2001"><aor>sip:8103@hosted.invalid</aor><name>坐席 李</name>
  <send><id>st-a</id></send><recv><id>st-b</id></recv></participant>"""
TYPE = 'Content-Type: multipart/mixed;boundary="bw=mix"'


def body(metadata: str, sdp: bytes) -> bytes:
    """The metadata comes first."""
    rs = "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session;handling=required"
    return parts((rs, metadata.encode()), (f"Content-Type: {SDP}", sdp), boundary="bw=mix")


def lines(connection: str = "127.0.0.1", version: int = 1) -> bytes:
    return offer(audio(43000, "agentleg"), audio(43002, "callerleg"), connection=connection, version=version)


async def test_broadworks(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link, sender='"13800000103" <sip:13800000103@isp.invalid;user=phone>')
    metadata = METADATA.format(mode="complete", agent=AGENT, calling="")
    assert (await gateway.ask("INVITE", "Require: siprec", TYPE, body=body(metadata, lines()))).status == 200
    assert gateway.answer == [Line(True, "agentleg", "recvonly"), Line(True, "callerleg", "recvonly")]
    await gateway.speak(tmp_path)
    # A pause is a plain description that comes from nowhere.
    paused = lines("0.0.0.0", 2)
    assert (await gateway.ask("INVITE", f"Content-Type: {SDP}", body=paused)).status == 200
    (during,) = house.recorder.calls
    assert [(pause.by, pause.reason, pause.ended_at) for pause in during.pauses] == [
        ("gateway", "INVITE with c=0.0.0.0", None)
    ]
    assert (await gateway.ask("INVITE", f"Content-Type: {SDP}", body=lines(version=3))).status == 200
    partial = METADATA.format(mode="partial", agent="", calling="").replace("来电人", "市民 周")
    update = "Content-Type: application/rs-metadata+xml"
    assert (await gateway.ask("UPDATE", update, body=partial.encode())).status == 200
    call = await gateway.hang_up()
    # The number of the caller stands in From alone.
    assert call.people == [("agent", "8103", "坐席 李"), ("citizen", "13800000103", "市民 周")]
    assert (call.agent, call.citizen) == ({400}, {700})
    assert call.facts.flags == ("number not from participants",)
    (pause,) = call.facts.pauses
    assert pause.ended_at is not None
    assert pause.started_at <= pause.ended_at <= (call.facts.ended_at or pause.started_at)
    assert call.raw("sdp") == [lines(), paused, lines(version=3)]


async def test_broadworks_with_the_number_in_an_extension(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link, sender="<sip:recording@isp.invalid>")
    metadata = METADATA.format(mode="complete", agent=AGENT, calling="tel:+8613800000113")
    assert (await gateway.ask("INVITE", TYPE, body=body(metadata, lines()))).status == 200
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == [("agent", "8103", "坐席 李"), ("citizen", "+8613800000113", "来电人")]
    assert (call.agent, call.citizen) == ({400}, {700})


MIXED = """<?xml version="1.0" encoding="UTF-8"?><recording_metadata xmlns="urn:ietf:params:xml:ns:siprec">
<dataMode>complete</dataMode><recording id="urn:uuid:rec-1"><requestor>SRC</requestor><type>selective</type></recording>
<group id="urn:uuid:group-1" recording="urn:uuid:rec-1"><initiator>sip:8123</initiator></group>
<session id="urn:uuid:session-1" group="urn:uuid:group-1"><start-time>2026-03-01T09:00:00+08:00</start-time></session>
<participant id="urn:uuid:person-1" session="urn:uuid:session-1"><aor>sip:8123</aor>
<send><id>urn:uuid:stream-1</id></send></participant>
<participant id="urn:uuid:person-2" session="urn:uuid:session-1"><aor>sip:13800000123@isp.invalid;user=phone</aor>
<send><id>urn:uuid:stream-1</id></send></participant>
<stream id="urn:uuid:stream-1" session="urn:uuid:session-1"><label>1</label><mode>mixed</mode></stream>
<extensiondata id="urn:uuid:x" parent="urn:uuid:session-1"><broadWorksRecordingMetadata version="1.0">
<extTrackingID>77:1</extTrackingID><groupID>city-hall</groupID><callID>callhalf-5:0</callID><callType><origCall>
<callingPartyNumber>sip:+868123@isp.invalid</callingPartyNumber></origCall></callType>
</broadWorksRecordingMetadata></extensiondata></recording_metadata>"""


async def test_broadworks_mixed(house: House, link: Link, tmp_path: Path) -> None:
    """One line with both voices, under another label than the metadata's; an address that is a bare number."""
    gateway = Gateway(house, link, contact="<sip:8123@{here};transport=udp>;src")
    sdp = offer(audio(43010, "5"))
    assert (await gateway.ask("INVITE", TYPE, body=body(MIXED, sdp))).status == 200
    assert gateway.answer == [Line(True, "5", "recvonly")]
    await gateway.speak(tmp_path, (400,))
    call = await gateway.hang_up()
    assert call.people == [("agent", "8123", ""), ("citizen", "13800000123", "")]
    assert (call.agent, call.citizen) == ({400}, {400})
    assert call.facts.flags == ("label 1 not in SDP", "label 5 not in metadata")
    # The call's own group, not the one that its customer belongs to.
    assert call.facts.group == "urn:uuid:group-1"
