"""NetSapiens: a transfer is a new dialog, tied to the old one by the group's id."""

from pathlib import Path

from service.sealing import describe
from telephony.rtp.assemble import assemble
from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, kept, offer, parts
from tests.recording import House

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<group group_id="ns-group-20260301-5"><associate-time>2026-03-01T01:00:00Z</associate-time></group>
<session session_id="ns-{number}"><group-ref>ns-group-20260301-5</group-ref></session>
<participant participant_id="ns-agent-{number}"><nameID aor="sip:{agent}@ns.invalid"/></participant>
<participant participant_id="ns-citizen"><nameID aor="sip:13800000111@ns.invalid"/></participant>
<stream stream_id="ns-s1-{number}" session_id="ns-{number}"><label>1</label></stream>
<stream stream_id="ns-s2-{number}" session_id="ns-{number}"><label>2</label></stream>
<participantstreamassoc participant_id="ns-agent-{number}"><send>ns-s1-{number}</send></participantstreamassoc>
<participantstreamassoc participant_id="ns-citizen"><send>ns-s2-{number}</send></participantstreamassoc></recording>"""


async def test_netsapiens(house: House, link: Link, tmp_path: Path) -> None:
    calls = []
    legs = []
    for number, agent in ((1, "8111"), (2, "8121")):
        gateway = Gateway(house, link, call_id=f"ns-{number}@ns.invalid")
        metadata = METADATA.format(number=number, agent=agent).encode()
        rs = "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session"
        sdp = offer(audio(51000, "1"), audio(51002, "2"))
        body = parts((f"Content-Type: {SDP}", sdp), (rs, metadata), boundary="ns")
        assert (await gateway.ask("INVITE", "Content-Type: multipart/mixed;boundary=ns", body=body)).status == 200
        assert gateway.answer == [Line(True, "1", "recvonly"), Line(True, "2", "recvonly")]
        await gateway.speak(tmp_path, (400, 700) if number == 1 else (1000, 1300))
        legs.append(gateway)
    # The old dialog ends after the new one began.
    for gateway in legs:
        assert (await gateway.ask("BYE")).status == 200
        calls.append(await kept(house))
    first, second = calls
    assert first.facts.recording_id != second.facts.recording_id
    assert [call.facts.group for call in calls] == ["ns-group-20260301-5"] * 2
    assert [call.people[0] for call in calls] == [("agent", "8111", ""), ("agent", "8121", "")]
    assert [(call.agent, call.citizen) for call in calls] == [({400}, {700}), ({1000}, {1300})]
    # What is sealed tells the group too.
    made = assemble(first.directory, first.facts, tmp_path / "sealed.flac")
    assert describe(first.facts, made, first.directory).facts["call"]["group"] == "ns-group-20260301-5"
