"""OpenSIPS with its siprec module."""

from pathlib import Path

import pytest

from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, offer, parts
from tests.recording import House

STREAMS = """<stream stream_id="b3NzLXN0cmVhbS0wMDAw" session_id="b3NzLXNlc3Npb24tMDAx"><label>0</label></stream>
<stream stream_id="b3NzLXN0cmVhbS0wMDAx" session_id="b3NzLXNlc3Npb24tMDAx"><label>1</label></stream>"""
METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
<datamode>complete</datamode>
<session session_id="b3NzLXNlc3Npb24tMDAx"><sipSessionID>opensips-call-0001@proxy.invalid</sipSessionID></session>
<participant participant_id="b3NzLXBlcnNvbi0wMDAw"><nameID aor="sip:@desk.invalid"><name>op-8108</name></nameID>
</participant>
<participant participant_id="b3NzLXBlcnNvbi0wMDAx"><nameID aor="sip:13800000108@pstn.invalid"/></participant>
{streams}
<sessionrecordingassoc session_id="b3NzLXNlc3Npb24tMDAx"><associate-time>2026-03-01T09:00:00+0000</associate-time>
</sessionrecordingassoc>
<participantsessionassoc participant_id="b3NzLXBlcnNvbi0wMDAw" session_id="b3NzLXNlc3Npb24tMDAx">
<associate-time>2026-03-01T09:00:00+0000</associate-time></participantsessionassoc>
<participantsessionassoc participant_id="b3NzLXBlcnNvbi0wMDAx" session_id="b3NzLXNlc3Npb24tMDAx">
<associate-time>2026-03-01T17:00:05+0800</associate-time></participantsessionassoc>
{associations}
</recording>"""
SENDS = """<participantstreamassoc participant_id="b3NzLXBlcnNvbi0wMDAw"><send>b3NzLXN0cmVhbS0wMDAw</send>
</participantstreamassoc>
<participantstreamassoc participant_id="b3NzLXBlcnNvbi0wMDAx"><send>b3NzLXN0cmVhbS0wMDAx</send>
</participantstreamassoc>"""
NOTHING = """<participantstreamassoc participant_id="b3NzLXBlcnNvbi0wMDAw"/>
<participantstreamassoc participant_id="b3NzLXBlcnNvbi0wMDAx"/>"""


@pytest.mark.parametrize(
    ("streams", "associations", "flags"),
    [
        (STREAMS, SENDS, ()),
        ("", SENDS, ("roles assumed",)),
        ("", NOTHING, ("roles assumed",)),
        ("", SENDS.replace("b3NzLXN0cmVhbS0wMDAw", "0").replace("b3NzLXN0cmVhbS0wMDAx", "1"), ()),
    ],
    ids=["complete", "without streams", "without streams and sends", "labels for streams"],
)
async def test_opensips(
    house: House, link: Link, tmp_path: Path, streams: str, associations: str, flags: tuple[str, ...]
) -> None:
    gateway = Gateway(house, link)
    metadata = METADATA.format(streams=streams, associations=associations).encode()
    rs = "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session"
    sdp = offer(audio(48000, "0"), audio(48002, "1"))
    # No line break before the first boundary.
    body = parts((f"Content-Type: {SDP}", sdp), (rs, metadata), boundary="OSS-unique-boundary-42")
    assert body.startswith(b"--OSS")
    kind = "Content-Type: multipart/mixed;boundary=OSS-unique-boundary-42"
    assert (await gateway.ask("INVITE", "Require: siprec", kind, body=body)).status == 200
    assert gateway.answer == [Line(True, "0", "recvonly"), Line(True, "1", "recvonly")]
    await gateway.speak(tmp_path)
    call = await gateway.hang_up()
    assert call.people == [("agent", "", "op-8108"), ("citizen", "13800000108", "")]
    assert (call.agent, call.citizen) == ({400}, {700})
    assert call.facts.flags == flags
    joined = [party.joined_at.isoformat() for party in call.facts.parties if party.joined_at]
    assert joined == ["2026-03-01T09:00:00+00:00", "2026-03-01T09:00:05+00:00"]
