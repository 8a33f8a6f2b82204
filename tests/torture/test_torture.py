"""Every vector, given to the parser and the server, and over real sockets: answered as it deserves, nothing raised."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import Address
from telephony.recorder import Recorder
from telephony.sip.admission import AccessControl
from telephony.sip.dialog import Flow
from telephony.sip.digest import Account
from telephony.sip.header import user_of
from telephony.sip.message import Request, Response, StreamParser, parse, readable
from telephony.sip.server import Server
from telephony.sip.transport import Link
from tests.fuzz.answering import Answering
from tests.recording import open_house
from tests.torture.invalid import INVALID
from tests.torture.ipv6 import IPV6
from tests.torture.semantics import LOOPED, SEMANTICS
from tests.torture.valid import SHORT_AND_TORTUOUS, VALID
from tests.torture.vector import SDP, Vector, request

VECTORS = (*VALID, *INVALID, *SEMANTICS, *IPV6)
NAMED = {vector.name: vector for vector in VECTORS}
UDP, TCP = Flow("UDP", "192.0.2.200", 5060), Flow("TCP", "192.0.2.200", 40000, 1)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Answering() as answering:
        yield answering


def answered(recorder: Recorder, data: bytes, flow: Flow = UDP) -> list[int]:
    """The statuses that a datagram gets."""
    try:
        message = parse(data)
    except ValueError:
        return []
    responses = [parse(one.data) for one in recorder._server.receive(message, flow, 0.0)]
    return [one.status for one in responses if isinstance(one, Response)]


def read(name: str) -> Request:
    message = parse(NAMED[name].data)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("flow", [UDP, TCP], ids=["UDP", "TCP"])
@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_each_gets_what_it_deserves(recorder: Recorder, vector: Vector, flow: Flow) -> None:
    assert answered(recorder, vector.data, flow) == ([] if vector.status is None else [vector.status])
    recorder._server.fire(100.0)


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_a_stream_parser_raises_nothing_but_value_error(vector: Vector, cut: int) -> None:
    parser = StreamParser()
    try:
        for place in range(0, len(vector.data), cut):
            list(parser.feed(vector.data[place : place + cut]))
    except ValueError:
        assert vector.status in (None, 400)


def test_the_short_and_tortuous_invite_is_read(recorder: Recorder) -> None:
    invite = read("wsinv")
    invite.require_complete()
    assert (invite.cseq.number, invite.recipient.tag, invite.sender.tag) == (9, "1918181833n", "98asjd8")
    assert (invite.sender.display, invite.get("Max-Forwards")) == ('D Caller \\"', "0068")
    assert [via.split(";")[0].split()[-1] for via in invite.values("Via")] == [
        "192.0.2.2",
        "spindle.example.com",
        "192.168.255.111",
    ]
    assert invite.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert (invite.get("UnknownHeaderWithUnusualValue"), invite.get("Subject")) == (";;,,;;,;", "")
    assert invite.body == SDP
    fresh = SHORT_AND_TORTUOUS.data.replace(b" ;   tag    = 1918181833n", b"")
    assert answered(recorder, fresh) == [200]


def test_every_character_that_a_name_may_hold_survives() -> None:
    message = read("intmeth")
    assert message.recipient.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert readable(message.sender.parameter("fromparam''~+*_!.-%") or "") == '"работающий"'
    assert message.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_escapes_mean_what_they_stand_for() -> None:
    invite = read("esc01")
    assert (user_of(invite.uri), user_of(invite.recipient.uri)) == ("sips:duty@example.com", "user")
    assert user_of(invite.sender.uri) == "I have spaces"


def test_what_follows_a_datagrams_message_is_dropped() -> None:
    assert b"INVITE" not in bytes(read("dblreq"))
    assert [message.cseq.method for message in StreamParser().feed(NAMED["dblreq"].data)] == ["REGISTER", "INVITE"]


def test_every_via_comes_back(recorder: Recorder) -> None:
    (sent,) = recorder._server.receive(read("transports"), UDP, 0.0)
    response = parse(sent.data)
    assert [via.split()[0].rpartition("/")[2] for via in response.values("Via")] == [
        "UDP",
        "SCTP",
        "TLS",
        "UNKNOWN",
        "TCP",
    ]


def test_binary_bodies_are_kept_to_the_octet() -> None:
    assert b"\x00\xff\xfe--\x80\r\n" in read("mpart01").body
    assert bytes(read("mpart01")).endswith(read("mpart01").body)


@pytest.mark.parametrize(("name", "status", "reason"), [("unreason", 200, "но сто"), ("noreason", 100, "")])
def test_reasons_are_for_people(name: str, status: int, reason: str) -> None:
    response = parse(NAMED[name].data)
    assert isinstance(response, Response)
    assert (response.status, reason in response.reason) == (status, True)


def test_a_branch_that_is_only_the_cookie_tells_nothing_apart(recorder: Recorder) -> None:
    """§3.2.1: two such requests are two transactions, the same one again is one."""
    assert answered(recorder, LOOPED) == [200]
    assert answered(recorder, LOOPED.replace(b"CSeq: 8", b"CSeq: 9").replace(b"OPTIONS", b"MESSAGE")) == [405]
    before = recorder._server.remembered
    assert answered(recorder, LOOPED) == [200]
    assert recorder._server.remembered == before


def test_an_unknown_authorization_is_none() -> None:
    """§3.3.7, asked of a server that wants credentials."""
    account = {"gw": Account("gw", "huiyin", {"MD5": "0" * 32})}
    with Answering() as recorder:
        server = Server(
            recorder._calls,
            contact=lambda flow: "192.0.2.1:5060",
            new_tag=lambda: "tag",
            admission=AccessControl(accounts=account),
        )
        data = request("INVITE", body=SDP, extra="Authorization: NoOneKnowsThisScheme opaque-data=here")
        (sent,) = server.receive(parse(data), UDP, 0.0)
    response = parse(sent.data)
    assert isinstance(response, Response)
    assert (response.status, response.get("WWW-Authenticate").partition(" ")[0]) == (401, "Digest")


def test_unsupported_is_told_by_name(recorder: Recorder) -> None:
    (sent,) = recorder._server.receive(read("bext01"), UDP, 0.0)
    assert parse(sent.data).values("Unsupported") == ["nothingSupportsThis", "nothingSupportsThisEither"]


async def status_of(link: Link) -> int | None:
    """What comes over a socket; None: nothing."""
    try:
        response = await asyncio.wait_for(link.messages.get(), 240)
    except TimeoutError:
        return None
    return response.status if isinstance(response, Response) else None


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_the_same_over_sockets(tmp_path: Path, transport: str, caplog: pytest.LogCaptureFixture) -> None:
    found: dict[str, int | None] = {}
    async with open_house(tmp_path) as house:
        for vector in VECTORS:
            if transport == "TCP" and vector.name == "clerr":
                continue
            # Answers over UDP go to the port that Via names, unless it asks for the source's.
            data = vector.data.replace(b";branch=", b";rport;branch=", 1)
            if b";rport" not in data and transport == "UDP":
                continue
            link = await Link.open(house.address, transport)
            link.send(data)
            if vector.status is not None:
                found[vector.name] = await status_of(link)
            link.close()
    assert found == {vector.name: vector.status for vector in VECTORS if vector.name in found}
    assert len(found) > 50
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


async def test_over_tcp_a_body_may_still_come(tmp_path: Path) -> None:
    """§3.1.2.2: on a stream, a Content-Length that is too large is only an early look."""
    async with open_house(tmp_path) as house:
        link = await Link.open(house.address, "TCP")
        link.send(NAMED["clerr"].data)
        link.send(b"\r\n" * ((9999 - len(SDP)) // 2) + b"\r")
        response = await asyncio.wait_for(link.messages.get(), 240)
        assert isinstance(response, Response)
        assert response.status == 200
        link.close()


async def test_over_tcp_a_negative_length_ends_the_connection(tmp_path: Path) -> None:
    """§3.1.2.3: answered, and closed because nobody knows where the next message begins."""
    async with open_house(tmp_path) as house:
        link = await Link.open(house.address, "TCP")
        link.send(NAMED["ncl"].data + request(name="after"))
        response = await asyncio.wait_for(link.messages.get(), 240)
        assert isinstance(response, Response)
        assert response.status == 400
        assert await asyncio.wait_for(link.messages.get(), 240) is None
        link.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_a_call_over_ipv6(tmp_path: Path) -> None:
    async with open_house(tmp_path, bind=Address("::1", 0), media_host="::1") as house:
        link = await Link.open(house.address, "UDP")
        link.send(request("INVITE", body=SDP, Via=f"SIP/2.0/UDP [::1]:{link.local.port};branch=z9hG4bK6"))
        response = await asyncio.wait_for(link.messages.get(), 240)
        assert isinstance(response, Response)
        assert (response.status, response.get("Contact")[:18]) == (200, "<sip:huiyin@[::1]:")
        assert b"c=IN IP6 ::1\r\n" in response.body
        link.close()
