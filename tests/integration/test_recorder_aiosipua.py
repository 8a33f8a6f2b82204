"""aiosipua, an independent Python SIP stack, as the gateway: call, hold, metadata by UPDATE, hang-up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiosipua
import pytest

from tests.recording import House, open_house

SDP = """v=0
o=- 1 {version} IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 40000 RTP/AVP 8 0
a=label:1
a={direction}
m=audio 40002 RTP/AVP 8
a=label:2
a={direction}
"""
METADATA = """<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<participant participant_id="p"><nameID aor="sip:8001@x"><name>甲</name></nameID></participant>
<participant participant_id="q"><nameID aor="sip:13900000001@x"><name>乙</name></nameID></participant>
<stream stream_id="s"><label>1</label></stream><stream stream_id="t"><label>2</label></stream>
<participantstreamassoc participant_id="p"><send>s</send></participantstreamassoc>
<participantstreamassoc participant_id="q"><send>t</send></participantstreamassoc></recording>"""


class Peer:
    """An aiosipua user agent on UDP, with everything it heard."""

    def __init__(self) -> None:
        self.transport = aiosipua.UdpSipTransport(local_addr=("127.0.0.1", 0))
        self.heard: asyncio.Queue[Any] = asyncio.Queue()

    async def start(self) -> None:
        await self.transport.start()
        assert self.transport._udp_transport is not None
        self.transport.local_addr = self.transport._udp_transport.get_extra_info("sockname")[:2]
        self.uac = aiosipua.SipUAC(self.transport)
        self.transport.on_message = self._on_message

    def _on_message(self, message: Any, address: tuple[str, int]) -> None:
        if isinstance(message, aiosipua.SipResponse):
            self.uac.handle_response(message, address)
        self.heard.put_nowait(message)

    async def hear(self, wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(240):
            while not wanted(message := await self.heard.get()):
                pass
            return message

    async def answer_to(self, request: Any) -> Any:
        return await self.hear(lambda one: getattr(one, "status_code", 0) >= 200 and one.cseq == request.cseq)


def sdp(direction: str, version: int = 1) -> Any:
    return aiosipua.parse_sdp(SDP.format(direction=direction, version=version))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    opened = Peer()
    await opened.start()
    yield opened
    opened.uac.close()
    await opened.transport.stop()


async def test_call_hold_metadata_and_hang_up(house: House, peer: Peer) -> None:
    target = (house.address.host, house.address.port)
    call = peer.uac.send_invite(
        "sip:gw@127.0.0.1",
        "sip:rec@127.0.0.1",
        target,
        sdp("sendonly"),
        extra_headers={"Require": "siprec", "X-Work-Order": "GD-9"},
    )
    await call.wait_answered(20)
    assert call.sdp_answer is not None
    first, second = call.sdp_answer.media
    assert (first.port % 2, first.direction, second.direction) == (0, "recvonly", "recvonly")
    assert [facts.work_order for facts in house.recorder.calls] == ["GD-9"]

    hold = peer.uac.send_reinvite(call.dialog, sdp("inactive", 2), target)
    answer = aiosipua.parse_sdp((await peer.answer_to(hold)).text)
    assert [media.direction for media in answer.media] == ["inactive", "inactive"]
    assert [media.port for media in answer.media] == [first.port, second.port]

    update = call.dialog.create_request("UPDATE", via_host="127.0.0.1", via_port=peer.transport.local_addr[1])
    update.text = METADATA
    update.headers.set_single("Content-Type", "application/rs-metadata+xml")
    peer.transport.send(update, target)
    assert (await peer.answer_to(update)).status_code == 200
    assert [(party.role, party.name) for party in house.recorder.calls[0].parties] == [
        ("agent", "甲"),
        ("citizen", "乙"),
    ]

    bye = call.hangup(peer.uac)
    assert (await peer.answer_to(bye)).status_code == 200
    facts, _ = await house.finished()
    assert (facts.end_reason, facts.flags, len(facts.streams)) == ("bye", (), 2)


async def test_a_refusal_is_understood(house: House, peer: Peer) -> None:
    call = peer.uac.send_invite(
        "sip:gw@127.0.0.1",
        "sip:rec@127.0.0.1",
        (house.address.host, house.address.port),
        sdp("sendonly"),
        extra_headers={"Require": "gruu"},
    )
    with pytest.raises(RuntimeError, match="420"):
        await call.wait_answered(20)
    assert house.recorder.calls == ()


async def test_our_hang_up_is_understood(tmp_path: Path, peer: Peer) -> None:
    async with open_house(tmp_path) as house:
        call = peer.uac.send_invite(
            "sip:gw@127.0.0.1",
            "sip:rec@127.0.0.1",
            (house.address.host, house.address.port),
            sdp("sendonly"),
        )
        await call.wait_answered(20)
    bye = await peer.hear(lambda one: getattr(one, "method", "") == "BYE")
    assert (bye.call_id, bye.from_addr.tag, bye.to_addr.tag) == (
        call.call_id,
        call.dialog.remote_tag,
        call.dialog.local_tag,
    )
    facts, _ = await house.finished()
    assert facts.end_reason == "shutdown"
