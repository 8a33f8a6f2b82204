"""Pauses: of the gateway, which sends nothing; of a person, for whom nothing is kept; of both at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.ids import new_id
from telephony.call import CallFacts
from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, audio, offer
from tests.recording import House, open_house

FLOWING = offer(audio(40000, "1"), audio(40002, "2"))
ONE_HELD = offer(audio(40000, "1", "inactive"), audio(40002, "2"), version=2)
HELD = offer(audio(40000, "1", "inactive"), audio(40002, "2", "recvonly"), version=3)
KIND = f"Content-Type: {SDP}"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def link(house: House) -> AsyncIterator[Link]:
    opened = await Link.open(house.address, "UDP")
    yield opened
    opened.close()


async def test_what_a_person_pauses_is_counted_and_not_kept(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    await gateway.ask("INVITE", KIND, body=FLOWING)
    (facts,) = house.recorder.calls
    await gateway.speak(tmp_path, (400, 400))
    assert house.recorder.pause(facts.recording_id, by="u-7", reason="银行卡号")
    assert not house.recorder.pause(facts.recording_id, by="u-8", reason="again")
    await gateway.speak(tmp_path, (700, 700))
    (paused,) = house.recorder.calls
    assert [(one.by, one.reason, one.ended_at) for one in paused.pauses] == [("u-7", "银行卡号", None)]
    assert CallFacts.load(house.spool / str(facts.recording_id)) == paused
    assert house.recorder.resume(facts.recording_id, by="u-9")
    assert not house.recorder.resume(facts.recording_id, by="u-9")
    await gateway.speak(tmp_path, (1000, 1000))
    call = await gateway.hang_up()
    assert (call.agent, call.citizen) == ({400, 1000}, {400, 1000})
    assert [(one.by, one.ended_by) for one in call.facts.pauses] == [("u-7", "u-9")]
    # 0.4 s of 20 ms packets.
    assert [stream.received["paused_packets"] for stream in call.facts.streams] == [20, 20]


async def test_a_stream_that_begins_during_a_pause_pauses_too(house: House, link: Link, tmp_path: Path) -> None:
    gateway = Gateway(house, link)
    await gateway.ask("INVITE", KIND, body=offer(audio(40000, "1")))
    house.recorder.pause(house.recorder.calls[0].recording_id, by="u-7", reason="密码")
    await gateway.ask("INVITE", KIND, body=FLOWING)
    await gateway.speak(tmp_path, (400, 700))
    call = await gateway.hang_up()
    assert (call.agent, call.citizen) == (set(), set())
    # Nobody ended it: the call's end did.
    assert [(one.ended_at, one.ended_by) for one in call.facts.pauses] == [(call.facts.ended_at, "")]


async def test_only_when_every_stream_is_held_the_gateway_pauses(house: House, link: Link) -> None:
    gateway = Gateway(house, link)
    await gateway.ask("INVITE", KIND, body=FLOWING)
    await gateway.ask("INVITE", KIND, body=ONE_HELD)
    assert house.recorder.calls[0].pauses == ()
    await gateway.ask("INVITE", KIND, body=HELD)
    await gateway.ask("UPDATE", KIND, body=HELD)
    identifier = house.recorder.calls[0].recording_id
    assert house.recorder.pause(identifier, by="u-7", reason="同时")
    # Each ends its own.
    await gateway.ask("INVITE", KIND, body=FLOWING)
    assert house.recorder.resume(identifier, by="u-7")
    call = await gateway.hang_up()
    assert [(one.by, one.reason, one.ended_by) for one in call.facts.pauses] == [
        ("gateway", "INVITE with a=inactive and a=recvonly", "gateway"),
        ("u-7", "同时", "u-7"),
    ]


async def test_an_unknown_call_neither_pauses_nor_resumes(house: House) -> None:
    assert not house.recorder.pause(new_id(), by="u-7", reason="")
    assert not house.recorder.resume(new_id(), by="u-7")
