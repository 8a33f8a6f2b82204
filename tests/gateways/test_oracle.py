"""Oracle (formerly ACME Packet) session border controllers."""

from pathlib import Path

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, kept, offer, parts
from tests.recording import House

OFFER = offer(audio(41000, "16777217"), audio(41002, "16777218"))
EXTENSION = """<extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata">
   <apkt:callingParty>{calling}</apkt:callingParty>
   <apkt:request-uri>sip:12345@city.invalid:5060</apkt:request-uri><apkt:in-realm>access</apkt:in-realm>
   <apkt:header label="P-Asserted-Identity"><value>sip:13800000101@city.invalid</value></apkt:header>
   <apkt:header label="X-Work-Order"><value>GD-20260301-17</value></apkt:header>
  </extensiondata>"""
METADATA = f"""<?xml version='1.0' encoding='UTF-8'?>
<recording xmlns='urn:ietf:params:xml:ns:recording'>
 <dataMode>complete</dataMode>
 <session id="QmVpamluZ0NhbGwwMDE=="><associate-time>2026-03-01T09:00:02</associate-time></session>
 <participant id="Q2l0aXplbkFhYmJjYzE==" session="QmVpamluZ0NhbGwwMDE==">
  <nameID aor="sip:13800000101@city.invalid"><name>市民 赵</name></nameID>
  <send>U3RyZWFtT2ZDaXRpemVu==</send>
  <associate-time>2026-03-01T09:00:02</associate-time>
  {EXTENSION.format(calling="true")}
 </participant>
 <participant id="QWdlbnRBYWJiY2MxMjM==" session="QmVpamluZ0NhbGwwMDE==">
  <nameID aor="sip:8101@desk.invalid"><name>坐席 钱</name></nameID>
  <send>U3RyZWFtT2ZBZ2VudDEy==</send>
  <associate-time>2026-03-01T09:00:05</associate-time>
  {EXTENSION.format(calling="false")}
 </participant>
 <stream id="U3RyZWFtT2ZDaXRpemVu==" session="QmVpamluZ0NhbGwwMDE=="><label>16777217</label><mode>separate</mode>
</stream>
 <stream id="U3RyZWFtT2ZBZ2VudDEy==" session="QmVpamluZ0NhbGwwMDE=="><label>16777218</label><mode>separate</mode>
</stream>
</recording>
""".encode()
BOUNDARY = "unique-boundary-1"
TYPE = f"Content-Type: multipart/mixed; boundary={BOUNDARY}"
RS = "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session"
PEOPLE = [("citizen", "13800000101", "市民 赵"), ("agent", "8101", "坐席 钱")]


async def test_oracle(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    body = parts((f"Content-Type: {SDP}", OFFER), (RS, METADATA), boundary=BOUNDARY)
    assert (await gateway.ask("INVITE", "Require: siprec", TYPE, body=body)).status == 200
    assert gateway.answer == [Line(True, "16777217", "recvonly"), Line(True, "16777218", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == PEOPLE
    assert (call.citizen, call.agent) == ({400}, {700})
    # Its clock names no zone: taken as UTC, and said so.
    assert call.facts.flags == ("metadata times without zone",)
    assert [party.joined_at.second for party in call.facts.parties if party.joined_at] == [2, 5]
    assert call.facts.work_order == "GD-20260301-17"
    assert call.raw("xml") == [METADATA]


async def test_oracle_with_two_descriptions_and_a_wrong_boundary(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    # Its manual prints the labels of headers without quotation marks, which is no XML.
    metadata = METADATA.replace(b'label="X-Work-Order"', b"label=X-Work-Order")
    held = offer(audio(0, "16777217"), audio(0, "16777218"))
    plain = f"Content-Type: {SDP}"
    body = parts((plain, held), (RS, metadata), (plain, OFFER), boundary="another-boundary")
    assert (await gateway.ask("INVITE", TYPE, body=body)).status == 200
    assert gateway.answer == [Line(True, "16777217", "recvonly"), Line(True, "16777218", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == PEOPLE
    assert (call.citizen, call.agent) == ({400}, {700})
    assert set(call.facts.flags) >= {"several SDP parts", "message body damaged", "metadata damaged"}
    assert (call.raw("sdp"), call.raw("xml"), call.raw("body")) == ([held, OFFER], [metadata], [body])


async def test_oracle_learns_of_the_second_party_later(house: House, link: Link, tmp_path: Path) -> None:
    """The INVITE leaves when the citizen calls; the agent answers later and comes with a re-INVITE."""
    gateway = Gateway(house, link)
    alone = METADATA[: METADATA.index(b'<participant id="QWdl')] + METADATA[METADATA.index(b"<stream") :]
    body = parts((f"Content-Type: {SDP}", OFFER), (RS, alone), boundary=BOUNDARY)
    await gateway.ask("INVITE", TYPE, body=body)
    (begun,) = house.recorder.calls
    assert [(party.role, party.number) for party in begun.parties] == [("citizen", "13800000101")]
    assert [stream.role for stream in begun.streams] == ["citizen", "agent"]
    body = parts((f"Content-Type: {SDP}", OFFER), (RS, METADATA), boundary=BOUNDARY)
    assert (await gateway.ask("INVITE", TYPE, body=body)).status == 200
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == PEOPLE
    assert (call.citizen, call.agent) == ({400}, {700})
    assert "stream changed party" not in call.facts.flags


async def test_oracle_collides(house: House, link: Link, tmp_path: Path) -> None:
    """A re-INVITE that comes before the ACK of the last is answered, and does the call no harm."""
    gateway = Gateway(house, link)
    body = parts((f"Content-Type: {SDP}", OFFER), (RS, METADATA), boundary=BOUNDARY)
    await gateway.ask("INVITE", TYPE, body=body)
    statuses = [(await gateway.ask("INVITE", TYPE, body=body)).status for _ in range(3)]
    assert set(statuses) <= {200, 491, 500}
    assert (await gateway.ask("INVITE", TYPE, body=body)).status == 200
    await gateway.speak(tmp_path)
    gateway.send("BYE")
    gateway._number += 1
    gateway.send("BYE")
    call = await kept(house)
    assert (call.people, call.citizen, call.agent) == (PEOPLE, {400}, {700})
