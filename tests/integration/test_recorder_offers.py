"""Who offers, who answers: INVITEs without an offer, offers that cross, and what else a gateway may ask in a call."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from telephony.call import CallFacts
from telephony.sip.message import Response
from telephony.sip.sdp import parse_sdp
from telephony.sip.transport import Link
from tests.integration.test_recorder_signalling import METADATA, SDP, Gateway, send_rtp
from tests.recording import House, open_house

ANSWER = (
    "v=0\r\no=g 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=sendonly\r\n"
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture(params=["UDP", "TCP"])
async def gateway(request: pytest.FixtureRequest, house: House) -> AsyncIterator[Gateway]:
    link = await Link.open(house.address, request.param)
    yield Gateway(link)
    link.close()


async def invite(gateway: Gateway, *headers: str, body: str = "", kind: str = "application/sdp") -> Response:
    """An INVITE that is not yet acknowledged."""
    gateway.number += 1
    gateway.send("INVITE", *headers, body=body, kind=kind)
    response = await gateway.hear()
    assert isinstance(response, Response)
    gateway.to_tag = response.recipient.tag
    return response


async def test_a_call_without_an_offer_gets_ours_and_answers_in_its_ack(house: House, gateway: Gateway) -> None:
    response = await invite(gateway)
    (media,) = parse_sdp(response.body).media
    assert (response.status, response.get("Content-Type"), media.direction) == (200, "application/sdp", "recvonly")
    assert {"PCMA/8000", "PCMU/8000", "TELEPHONE-EVENT/8000"} <= set(media.encodings().values())
    gateway.send("ACK", body=ANSWER)
    send_rtp(media.port)
    assert (await gateway.ask("BYE")).status == 200
    facts, directory = await house.finished()
    (stream,) = facts.streams
    assert (dict(stream.payload_types), stream.received["packets"]) == ({"0": "PCMU/8000"}, 1)
    assert "our offer was not answered" not in facts.flags
    assert ANSWER.encode() in [file.read_bytes() for file in (directory / "signalling").iterdir()]


async def test_an_ack_without_an_answer_is_flagged_and_the_call_recorded(house: House, gateway: Gateway) -> None:
    response = await invite(gateway)
    gateway.send("ACK")
    send_rtp(parse_sdp(response.body).media[0].port)
    await gateway.ask("BYE")
    facts, _ = await house.finished()
    assert "our offer was not answered" in facts.flags
    assert [stream.received["packets"] for stream in facts.streams] == [1]


async def test_metadata_without_an_offer_is_read_all_the_same(house: House, gateway: Gateway) -> None:
    await invite(gateway, body=METADATA, kind="application/rs-metadata+xml")
    gateway.send("ACK", body=ANSWER)
    assert (await gateway.ask("OPTIONS")).status == 200
    (facts,) = house.recorder.calls
    assert [party.number for party in facts.parties] == ["8001", "13900000001"]


async def test_a_change_without_an_offer_gets_our_description_and_follows_the_answer(
    house: House, gateway: Gateway
) -> None:
    await gateway.call()
    response = await invite(gateway)
    ports = [media.port for media in parse_sdp(response.body).media]
    assert ports == [stream.port for stream in house.recorder.calls[0].streams]
    gateway.send("ACK", body=SDP.replace("40002", "0"))
    assert (await gateway.ask("OPTIONS")).status == 200
    assert house.capture.open_ports == 1


async def test_offers_that_cross_ours_wait(house: House, gateway: Gateway) -> None:
    await invite(gateway)
    number = gateway.number
    for method, body, status in (("INVITE", SDP, 491), ("UPDATE", SDP, 491), ("UPDATE", "", 200)):
        assert (await gateway.ask(method, body=body)).status == status
    after, gateway.number = gateway.number, number
    gateway.send("ACK", body=ANSWER)
    gateway.number = after
    assert (await gateway.ask("UPDATE", body=ANSWER)).status == 200
    assert house.recorder.calls[0].flags.count("our offer was not answered") == 0


async def test_an_offer_of_which_nothing_can_be_taken_leaves_the_call_as_it_was(house: House, gateway: Gateway) -> None:
    """RFC 3261 §14.2: 488, and what was agreed stays in force; its sound goes on, and the offer is kept."""
    first = await gateway.call()
    ports = [media.port for media in parse_sdp(first.body).media]
    unknown = SDP.replace("RTP/AVP 8", "RTP/AVP 111")
    assert unknown != SDP
    for method in ("INVITE", "UPDATE"):
        assert (await gateway.ask(method, body=unknown)).status == 488
    send_rtp(ports[0])
    assert (await gateway.ask("OPTIONS")).status == 200
    assert house.capture.open_ports == 2
    # Lines that the gateway closes itself are another matter.
    closed = SDP.replace("40000", "0").replace("40002", "0")
    assert (await gateway.ask("INVITE", body=closed)).status == 200
    assert house.capture.open_ports == 0
    await gateway.ask("BYE")
    facts, directory = await house.finished()
    assert facts.streams[0].received["packets"] == 1
    assert "audio line 1 refused: no known codec" in facts.flags
    assert unknown.encode() in [file.read_bytes() for file in (directory / "signalling").iterdir()]


async def test_a_call_that_cannot_be_recorded_is_told_with_the_remedy(
    house: House, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await gateway.ask("INVITE", body=SDP.replace("RTP/AVP 8", "RTP/AVP 111"))).status == 488
    (told,) = [record for record in caplog.records if record.msg == "a SIP peer was refused"]
    facts = vars(told)["facts"]
    lines = "audio line 1 refused: no known codec; audio line 2 refused: no known codec"
    assert facts["why"].startswith(f"488, {lines}; let it offer G.711")
    assert facts["peer"] == "127.0.0.1"


async def test_keys_told_by_info_are_noted(house: House, gateway: Gateway) -> None:
    await gateway.call()
    relay = "application/dtmf-relay"
    assert (await gateway.ask("INFO", body="Signal=5\r\nDuration=160\r\n", kind=relay)).status == 200
    assert (await gateway.ask("INFO", body="Signal= 11\r\n", kind=relay)).status == 200
    assert (await gateway.ask("INFO", "Info-Package: infoDtmf", body="d", kind="application/dtmf")).status == 200
    assert (await gateway.ask("INFO", body="<media_control/>", kind="application/media_control+xml")).status == 200
    refused = await gateway.ask("INFO", "Info-Package: weather")
    assert (refused.status, refused.get("Recv-Info")) == (469, "infoDtmf")
    await gateway.ask("BYE")
    facts, directory = await house.finished()
    assert [key.digit for key in facts.keys] == ["5", "#", "D"]
    assert CallFacts.load(directory) == facts


async def test_what_a_recorder_has_no_use_for_leaves_the_call_alone(house: House, gateway: Gateway) -> None:
    await gateway.call()
    for method, status in (("MESSAGE", 405), ("REFER", 405), ("PRACK", 481), ("FROBNICATE", 501), ("OPTIONS", 200)):
        assert (await gateway.ask(method, body="hello" if method == "MESSAGE" else "")).status == status
    assert [facts.state for facts in house.recorder.calls] == ["recording"]
    assert (await gateway.ask("BYE")).status == 200


async def test_a_session_timer_keeps_a_silent_call(tmp_path: Path) -> None:
    async with open_house(tmp_path, media_timeout=timedelta(seconds=1)) as house:
        link = await Link.open(house.address, "UDP")
        timed, silent = Gateway(link, "timed@gw"), Gateway(link, "silent@gw")
        assert (await timed.ask("INVITE", "Supported: timer", "x: 30", body=SDP)).status == 422
        agreed = await timed.ask("INVITE", "Supported: timer", "x: 1800;refresher=uac", body=SDP)
        assert (agreed.get("Session-Expires"), agreed.get("Require")) == ("1800;refresher=uac", "timer")
        await silent.call()
        assert (await house.finished())[0].end_reason == "media timeout"
        assert [facts.sip_call_id for facts in house.recorder.calls] == ["timed@gw"]
        link.close()


async def test_a_session_timer_is_asked_for_where_the_settings_say_so(tmp_path: Path) -> None:
    async with open_house(tmp_path, session_expires=timedelta(seconds=600)) as house:
        link = await Link.open(house.address, "UDP")
        told = [
            (await Gateway(link, f"{number}@gw").ask("INVITE", *headers, body=SDP)).get("Session-Expires")
            for number, headers in enumerate(((), ("Supported: timer",), ("Supported: timer", "Min-SE: 700")))
        ]
        assert told == ["", "600;refresher=uac", "700;refresher=uac"]
        link.close()
