"""How calls end, and what keeps them: silence, signs of life, draining, stopping."""

import asyncio
from datetime import timedelta
from pathlib import Path

from telephony.call import CallFacts
from telephony.sip.message import Request
from telephony.sip.transport import Link
from tests.integration.test_recorder_signalling import SDP, Gateway, answer
from tests.recording import open_house


async def test_a_silent_call_is_closed_kept_and_hung_up(tmp_path: Path) -> None:
    async with open_house(tmp_path, media_timeout=timedelta(seconds=1)) as house:
        link = await Link.open(house.address, "TCP")
        gateway = Gateway(link)
        await gateway.call()
        asked = [await gateway.hear()]
        while (bye := await gateway.hear()).cseq.method != "BYE":
            asked.append(bye)
        assert {(one.cseq.method, one.call_id, one.recipient.tag) for one in asked} == {("OPTIONS", "call@gw", "g")}
        assert (bye.call_id, bye.recipient.tag) == ("call@gw", "g")
        facts, directory = await house.finished()
        assert (facts.end_reason, facts.state) == ("media timeout", "closed")
        assert CallFacts.load(directory) == facts
        link.close()


async def test_a_silent_call_whose_gateway_answers_goes_on(tmp_path: Path) -> None:
    # The answer to a probe has the other half of the time: enough for a busy machine.
    async with open_house(tmp_path, media_timeout=timedelta(seconds=3)) as house:
        link = await Link.open(house.address, "UDP")
        gateway = Gateway(link)
        assert (await gateway.ask("INVITE", "Allow: INVITE, UPDATE", body=SDP)).status == 200
        # Longer than the media timeout, as probes are due at half of it.
        for number in range(1, 4):
            probe = await gateway.hear()
            assert isinstance(probe, Request)
            assert (str(probe.cseq), probe.body) == (f"{number} UPDATE", b"")
            link.send(bytes(answer(probe)))
        assert [facts.state for facts in house.recorder.calls] == ["recording"]
        await gateway.ask("BYE")
        assert (await house.finished())[0].end_reason == "bye"
        link.close()


async def test_stopping_ends_calls_with_a_bye_and_takes_no_more(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        link = await Link.open(house.address, "UDP")
        gateway = Gateway(link)
        await gateway.call()
        stopping = asyncio.create_task(house.recorder.stop())
        bye = await gateway.hear()
        assert isinstance(bye, Request)
        assert bye.method == "BYE"
        refused = await Gateway(link, "late").call()
        assert (refused.status, house.recorder.available()) == (503, False)
        link.send(bytes(answer(bye)))
        await stopping
        facts, directory = await house.finished()
        assert (facts.end_reason, CallFacts.load(directory)) == ("shutdown", facts)
        link.close()


async def test_stopping_waits_for_the_ack_before_its_bye(tmp_path: Path) -> None:
    """RFC 3261 §15: the called side sends no BYE on a dialog that is not confirmed."""
    async with open_house(tmp_path) as house:
        link = await Link.open(house.address, "TCP")
        gateway, other = Gateway(link), Gateway(link, "other@gw")
        gateway.number = 1
        gateway.send("INVITE", body=SDP)
        accepted = await gateway.hear()
        gateway.to_tag = accepted.recipient.tag
        stopping = asyncio.create_task(house.recorder.stop(farewell=60))
        # Many rounds of the event loop, each seen by its answer; our 200 may come again in between.
        for other.number in range(1, 11):
            other.send("OPTIONS")
            while (heard := await gateway.hear()).call_id != other.call_id:
                assert not isinstance(heard, Request), "a BYE overtook the ACK"
        assert [facts.state for facts in house.recorder.calls] == ["recording"]
        gateway.send("ACK")
        while not isinstance(bye := await gateway.hear(), Request):
            continue
        assert (bye.method, bye.recipient.tag) == ("BYE", "g")
        link.send(bytes(answer(bye)))
        await asyncio.wait_for(stopping, 60)
        assert (await house.finished())[0].end_reason == "shutdown"
        link.close()


async def test_draining_waits_for_the_calls_in_progress_and_refuses_others(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        link = await Link.open(house.address, "UDP")
        gateway = Gateway(link)
        await gateway.call()
        draining = asyncio.create_task(house.recorder.drain())
        await asyncio.sleep(0)
        assert house.recorder.draining
        late = Gateway(link, "late")
        for refused in (await late.call(), await late.ask("OPTIONS")):
            assert (refused.status, refused.get("Retry-After")) == (503, "10")
        assert (await gateway.ask("UPDATE")).status == 200
        assert not draining.done()
        await gateway.ask("BYE")
        await asyncio.wait_for(draining, 60)
        facts, _ = await house.finished()
        assert facts.end_reason == "bye"
        await asyncio.wait_for(house.recorder.drain(), 60)
        link.close()
