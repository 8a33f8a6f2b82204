"""The built-in bridge of a phone that Cisco Unified CM controls: it forks each side into a dialog of its own."""

from pathlib import Path

import pytest

from telephony.sip.message import Response
from telephony.sip.sdp import parse_sdp
from telephony.sip.transport import Link
from tests.gateways.gateway import SDP, Gateway, Line, audio, kept, offer
from tests.recording import House

KIND = f"Content-Type: {SDP}"
BRIDGE = "x-refci=27001;x-nearenddevice=SEP0011;x-farendrefci=27000;x-farenddevice=SEP0022;x-farendaddr={far}"
PEOPLE = [("agent", "8106", ""), ("citizen", "13800000106", "")]


def leg(house: House, link: Link, side: str, *, ci: str = "27001", far: str = "13800000106") -> Gateway:
    parameters = BRIDGE.format(far=far).replace("27001", ci)
    sender = f"<sip:8106@ucm.invalid;{side};{parameters}>"
    return Gateway(house, link, sender=sender, contact="<sip:8106@{here}>", call_id=f"{side}-{ci}@ucm.invalid")


async def delayed(gateway: Gateway) -> None:
    """INVITE without a body, our offer in the 200, the answer in the ACK."""
    gateway._number += 1
    gateway.send("INVITE")
    response = await gateway.hear()
    assert isinstance(response, Response)
    assert response.status == 200
    media = parse_sdp(response.body).media
    assert [(one.kind, one.direction) for one in media] == [("audio", "recvonly")]
    gateway._to_tag, gateway.ports = response.recipient.tag, [media[0].port]
    gateway.send("ACK", KIND, body=offer(audio(46000)))


@pytest.mark.parametrize("first", ["x-nearend", "x-farend"])
async def test_cisco_built_in_bridge(house: House, link: Link, tmp_path: Path, first: str) -> None:
    second = "x-farend" if first == "x-nearend" else "x-nearend"
    one, other = leg(house, link, first), leg(house, link, second)
    await delayed(one)
    await one.speak(tmp_path, (400,))
    # The second leg comes late.
    await delayed(other)
    assert (await other.ask("OPTIONS")).status == 200
    (both,) = house.recorder.calls
    assert both.dialogs == (one.call_id, other.call_id)
    assert len(house.observer.begun) == 1
    assert [(stream.dialog, stream.port) for stream in both.streams] == [(0, one.ports[0]), (1, other.ports[0])]
    await other.speak(tmp_path, (700,))
    assert (await one.ask("BYE")).status == 200
    # It goes on until the last dialog ends.
    (alone,) = house.recorder.calls
    assert (alone.state, alone.end_reason) == ("recording", "")
    await other.speak(tmp_path, (1000,))
    call = await other.hang_up()
    assert call.people == PEOPLE
    heard = {first: {400}, second: {700, 1000}}
    assert (call.agent, call.citizen) == (heard["x-nearend"], heard["x-farend"])
    assert (call.facts.group, call.facts.end_reason) == ("SEP0011 27001", "bye")
    assert call.facts.flags == ("metadata missing",)
    assert [dict(stream.payload_types) for stream in call.facts.streams] == [
        {"8": "PCMA/8000", "101": "TELEPHONE-EVENT/8000"}
    ] * 2
    assert house.capture.open_ports == 0


async def test_cisco_built_in_bridge_with_offers(house: House, link: Link, tmp_path: Path) -> None:
    """The same with descriptions in the INVITEs; another call of the same phone stays apart."""
    near, far = leg(house, link, "x-nearend"), leg(house, link, "x-farend")
    stranger = leg(house, link, "x-nearend", ci="27002", far="13800000116")
    for gateway in (near, far, stranger):
        assert (await gateway.ask("INVITE", KIND, body=offer(audio(46010)))).status == 200
        assert gateway.answer == [Line(True, "", "recvonly")]
    for gateway, hertz in ((near, 400), (far, 700), (stranger, 1000)):
        await gateway.speak(tmp_path, (hertz,))
    assert (await near.ask("BYE")).status == 200
    call = await far.hang_up()
    assert (call.people, call.agent, call.citizen) == (PEOPLE, {400}, {700})
    assert (await stranger.ask("BYE")).status == 200
    other = await kept(house)
    assert (other.people[1], other.agent, other.citizen) == (("citizen", "13800000116", ""), {1000}, set())


async def test_what_tied_the_dialogs_of_a_call_that_ended_ties_nothing_to_it(
    house: House, link: Link, tmp_path: Path
) -> None:
    """A bridge that was restarted counts anew: its numbers come again, and each call is one of its own."""
    found = []
    for hertz in (400, 700):
        again = leg(house, link, "x-nearend")
        again.call_id = f"{hertz}-{again.call_id}"
        assert (await again.ask("INVITE", KIND, body=offer(audio(46040)))).status == 200
        await again.speak(tmp_path, (hertz,))
        found.append(await again.hang_up())
    assert [call.agent for call in found] == [{400}, {700}]
    assert len({call.facts.recording_id for call in found}) == 2


async def test_cisco_built_in_bridge_changes_its_far_end(house: House, link: Link, tmp_path: Path) -> None:
    near, far = leg(house, link, "x-nearend"), leg(house, link, "x-farend")
    for gateway in (near, far):
        await gateway.ask("INVITE", KIND, body=offer(audio(46030)))
    await far.speak(tmp_path, (400,))
    for gateway in (near, far):
        gateway._sender = gateway._sender.replace("13800000106", "13800000126")
        assert (await gateway.ask("UPDATE")).status == 200
    # A refresh that says nothing of the bridge changes nothing.
    near._sender = "<sip:8106@ucm.invalid>"
    assert (await near.ask("INVITE", KIND, body=offer(audio(46030)))).status == 200
    await far.speak(tmp_path, (700,))
    assert (await far.ask("BYE")).status == 200
    call = await near.hang_up()
    assert call.people == [*PEOPLE[:1], ("citizen", "13800000126", ""), PEOPLE[1]]
    assert (call.agent, call.citizen, call.facts.flags) == (set(), {400, 700}, ("metadata missing",))


async def test_a_leg_for_which_there_is_no_port_leaves_the_other_alone(tmp_path: Path) -> None:
    from core.settings import PortRange
    from tests.ports import free_ports
    from tests.recording import open_house

    first = free_ports(2)
    async with open_house(tmp_path, ports=PortRange(first, first + 1)) as house:
        link = await Link.open(house.address, "UDP")
        near, far = leg(house, link, "x-nearend"), leg(house, link, "x-farend")
        assert (await near.ask("INVITE", KIND, body=offer(audio(46020)))).status == 200
        assert (await far.ask("INVITE", KIND, body=offer(audio(46022)))).status == 503
        (running,) = house.recorder.calls
        assert (len(running.streams), house.capture.open_ports) == (1, 1)
        assert running.dialogs == (near.call_id,)
        await near.speak(tmp_path, (400,))
        call = await near.hang_up()
        assert (call.people, call.agent, call.citizen) == (PEOPLE, {400}, set())
        link.close()
