"""SIPp as the gateway: it checks our answers, we check what was recorded.

Debian builds SIPp without TLS: there socat, with OpenSSL, carries what it says.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.settings import Address, load
from telephony.call import CallFacts
from telephony.entrance import Entrance
from telephony.sip.accounts import add_account
from telephony.sip.digest import Account
from tests.certificates import Authority
from tests.interop.conftest import Bridge
from tests.interop.scenario import RECORDS, RS_METADATA, SDP, SIPREC, Scenario, metadata, sdp, session, whole_call
from tests.recording import House, open_house
from tests.sipp import play, write_tone


@dataclass
class Road:
    """A way for SIPp to a recorder."""

    house: House
    transport: str
    mode: str
    target: Address
    program: str
    directory: Path

    def scenario(self, name: str) -> Scenario:
        return Scenario(name, self.transport)

    async def play(self, scenario: Scenario, *more: str, calls: int = 1) -> None:
        await play(self.program, self.target, self.directory, scenario, self.mode, *more, calls=calls)

    async def call(self) -> CallFacts:
        """The facts of the next finished call, as they are on the disk."""
        facts, directory = await self.house.finished()
        assert facts == CallFacts.load(directory)
        assert facts.peer.startswith(f"{self.transport} 127.0.0.1:")
        return facts


@pytest.fixture(params=["UDP", "TCP", "TLS"])
async def road(request: pytest.FixtureRequest, sipp: str, tls_bridge: Bridge, tmp_path: Path) -> AsyncIterator[Road]:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue()
    settings = load(
        {
            "HUIYIN_SIP_TLS_BIND": "127.0.0.1:0",
            "HUIYIN_SIP_TLS_CERTIFICATE": str(certificate),
            "HUIYIN_SIP_TLS_KEY": str(key),
        }
    )
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(tmp_path, entrance=Entrance.from_settings(settings)))
        target = house.address
        if request.param == "TLS":
            assert house.recorder.tls_address is not None
            target = await stack.enter_async_context(tls_bridge(house.recorder.tls_address, authority.file))
        yield Road(house, request.param, "u1" if request.param == "UDP" else "t1", target, sipp, tmp_path)


async def test_a_call_with_sound(road: Road) -> None:
    tone = write_tone(road.directory)
    await road.play(whole_call(transport=road.transport))
    facts = await road.call()
    assert (facts.end_reason, facts.flags, facts.work_order) == ("bye", (), "GD-SIPP-1")
    assert [(party.role, party.name) for party in facts.parties] == [("agent", "坐席甲"), ("citizen", "市民乙")]
    assert [(one.label, one.role) for one in facts.streams] == [("1", "agent"), ("2", "citizen")]
    assert facts.streams[0].payload_types == {"8": "PCMA/8000", "101": "TELEPHONE-EVENT/8000"}
    assert [one.received["packets"] for one in facts.streams] == [50, 0]
    spool = (road.house.spool / str(facts.recording_id) / facts.streams[0].file).read_bytes()
    assert all(tone[place : place + 160] in spool for place in range(0, len(tone), 160))


async def test_eight_calls_at_once(road: Road) -> None:
    scenario = road.scenario("many").invite(*SIPREC, body=session(sdp())).expect(200, RECORDS).ack().pause(1000).bye()
    await road.play(scenario, "-r", "20", calls=8)
    assert {(await road.call()).end_reason for _ in range(8)} == {"bye"}
    assert len(list(road.house.spool.iterdir())) == 8


async def test_hold_and_resume_by_re_invite(road: Road) -> None:
    scenario = road.scenario("hold").invite(*SIPREC, body=session(sdp())).expect(200, RECORDS, ("a=recvonly",)).ack()
    scenario.send("INVITE", kind=SDP, body=sdp("inactive", 2)).expect(200, RECORDS, ("a=inactive",)).ack()
    scenario.send("OPTIONS").expect(200, {"Allow": "INVITE.*BYE"})
    scenario.send("INVITE", kind=SDP, body=sdp("sendonly", 3)).expect(200, RECORDS, ("a=recvonly",)).ack()
    await road.play(scenario.bye())
    facts = await road.call()
    assert (facts.end_reason, len(facts.streams)) == ("bye", 2)
    kept = sorted(path.suffix for path in (road.house.spool / str(facts.recording_id) / "signalling").iterdir())
    assert kept == [".sdp", ".sdp", ".sdp", ".xml"]


async def test_a_stream_that_a_re_invite_adds(road: Road) -> None:
    scenario = road.scenario("add").invite(*SIPREC, body=session(sdp(streams=1))).expect(200, RECORDS).ack()
    scenario.send("INVITE", kind=SDP, body=sdp(version=2)).expect(200, body=("a=label:2",)).ack()
    await road.play(scenario.bye())
    facts = await road.call()
    assert [(one.label, one.role) for one in facts.streams] == [("1", "agent"), ("2", "citizen")]


async def test_update_with_metadata_alone_and_with_sdp(road: Road) -> None:
    scenario = road.scenario("update").invite(*SIPREC, body=session(sdp())).expect(200, RECORDS).ack()
    scenario.send("UPDATE", kind=RS_METADATA, body=metadata("市民丙")).expect(200)
    scenario.send("UPDATE", kind=SDP, body=sdp("inactive", 2)).expect(200, body=("a=inactive",))
    scenario.send("UPDATE").expect(200)
    await road.play(scenario.bye())
    facts = await road.call()
    assert facts.end_reason == "bye"
    assert ("citizen", "市民丙") in [(party.role, party.name) for party in facts.parties]


async def test_a_delayed_offer(road: Road) -> None:
    """The INVITE is empty: we offer in the 200, the answer is in the ACK, and the sound comes to what we offered."""
    tone = write_tone(road.directory)
    scenario = road.scenario("delayed").send("INVITE", of_dialog=False)
    scenario.expect(200, RECORDS, (r"m=audio [1-9][0-9]* RTP/AVP 8 ", "a=recvonly"))
    scenario.ack(kind=SDP, body=sdp(streams=1)).play("tone.al", 1500).bye()
    await road.play(scenario)
    facts = await road.call()
    assert facts.end_reason == "bye"
    [heard] = [one for one in facts.streams if one.received.get("packets")]
    assert heard.received["packets"] == 50
    spool = (road.house.spool / str(facts.recording_id) / heard.file).read_bytes()
    assert tone[:160] in spool


async def test_a_late_cancel_changes_nothing(road: Road) -> None:
    scenario = road.scenario("cancel").invite(*SIPREC, body=session(sdp())).expect(200)
    scenario.send("CANCEL", of_dialog=False, branch="[branch-2]").expect(200).ack()
    await road.play(scenario.bye())
    assert (await road.call()).end_reason == "bye"


async def test_requests_for_no_call(road: Road) -> None:
    scenario = road.scenario("nothing").send("CANCEL", of_dialog=False).expect(481)
    scenario.send("BYE", of_dialog=False).expect(481)
    scenario.send("UPDATE", of_dialog=False).expect(481)
    await road.play(scenario)
    assert road.house.observer.begun == []


async def test_options_says_what_we_are(road: Road) -> None:
    scenario = road.scenario("options").send("OPTIONS", of_dialog=False)
    scenario.expect(200, {"Allow": "UPDATE", "Accept": "rs-metadata", "Supported": "siprec"})
    await road.play(scenario, calls=3)


async def test_an_offer_without_usable_audio_is_refused(road: Road) -> None:
    video = "\n".join(
        ("v=0", "o=s 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", "m=video 6000 RTP/AVP 96")
    )
    scenario = road.scenario("refused").invite(body=video, kind=SDP).expect(488)
    await road.play(scenario.send("ACK", branch="[branch-2]"))
    assert (road.house.observer.begun, list(road.house.spool.iterdir())) == ([], [])


async def test_a_session_timer_is_agreed_and_refreshed(road: Road) -> None:
    timer = ("Supported: timer", "Session-Expires: 90;refresher=uac", "Min-SE: 90")
    agreed = {"Session-Expires": "90;refresher=uac", "Require": "timer"}
    scenario = road.scenario("timer").invite(*SIPREC, *timer, body=session(sdp())).expect(200, agreed).ack()
    scenario.send("UPDATE", *timer).expect(200, agreed)
    scenario.send("INVITE", *timer, kind=SDP, body=sdp()).expect(200, agreed).ack()
    await road.play(scenario.bye())
    assert (await road.call()).end_reason == "bye"


async def test_an_interval_that_is_too_short_is_answered_with_ours(road: Road) -> None:
    timer = ("Supported: timer", "Session-Expires: 20")
    scenario = road.scenario("short").invite(*SIPREC, *timer, body=session(sdp())).expect(422, {"Min-SE": "90"})
    await road.play(scenario.send("ACK", branch="[branch-2]"))
    assert road.house.observer.begun == []


async def test_the_recorder_hangs_up(road: Road) -> None:
    scenario = road.scenario("bye").invite(*SIPREC, body=session(sdp())).expect(200).ack()
    scenario.send("UPDATE", "X-Work-Order: GD-CONFIRMED").expect(200).answer("BYE")
    playing = asyncio.create_task(road.play(scenario))

    def confirmed() -> bool:
        """A BYE must not overtake the ACK (RFC 3261 §15)."""
        return any(call.work_order == "GD-CONFIRMED" for call in road.house.recorder.calls)

    while not (playing.done() or confirmed()):  # noqa: ASYNC110 - another process calls
        await asyncio.sleep(0.02)
    await road.house.recorder.stop()
    await playing
    assert (await road.call()).end_reason == "shutdown"


async def test_digest_authentication(sipp: str, tmp_path: Path) -> None:
    """SIPp knows MD5 only, and reads only the first challenge: its account has only MD5."""
    add_account(tmp_path / "users", Account.of("sipp", "huiyin", "geheim", ["MD5"]))
    entrance = Entrance.from_settings(load({"HUIYIN_SIP_USERS_FILE": str(tmp_path / "users")}))
    body = session(sdp())
    right, wrong = "[authentication username=sipp password=geheim]", "[authentication username=sipp password=falsch]"
    async with open_house(tmp_path, entrance=entrance) as house:
        scenario = Scenario("digest").invite(*SIPREC, body=body).expect(401, {"WWW-Authenticate": "qop"}, auth=True)
        scenario.send("ACK", branch="[branch-2]").invite(*SIPREC, wrong, body=body).expect(401, auth=True)
        scenario.send("ACK", branch="[branch-2]").invite(*SIPREC, right, body=body).expect(200).ack()
        await play(sipp, house.address, tmp_path, scenario.bye(), "u1")
        facts, _ = await house.finished()
        assert facts.end_reason == "bye"
        assert len(house.observer.begun) == 1


async def test_a_connection_for_each_call(sipp: str, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        scenario = Scenario("sockets").invite(*SIPREC, body=session(sdp()))
        await play(
            sipp,
            house.address,
            tmp_path,
            scenario.expect(200).ack().pause(500).bye(),
            "tn",
            "-r",
            "20",
            "-max_socket",
            "100",
            calls=8,
        )
        peers = {(await house.finished())[0].peer for _ in range(8)}
        assert len(peers) == 8
