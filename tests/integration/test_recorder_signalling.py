"""A gateway written out message by message: what the recorder answers, keeps and survives."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from core.settings import Address, PortRange
from telephony.call import CallFacts
from telephony.sip.message import Message, Request, Response
from telephony.sip.sdp import parse_sdp
from telephony.sip.transport import Link
from tests.ports import free_ports, media_ports
from tests.recording import House, open_house

SDP = (
    "v=0\r\no=g 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\nm=audio 40002 RTP/AVP 8\r\na=label:2\r\na=sendonly\r\n"
)
ADDED = SDP + "m=audio 40004 RTP/AVP 0\r\na=label:3\r\na=sendonly\r\n"
METADATA = """<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<participant participant_id="p"><nameID aor="sip:8001@x"><name>甲</name></nameID></participant>
<participant participant_id="q"><nameID aor="sip:13900000001@x"><name>乙</name></nameID></participant>
<stream stream_id="s"><label>1</label></stream><stream stream_id="t"><label>2</label></stream>
<participantstreamassoc participant_id="p"><send>t</send></participantstreamassoc>
<participantstreamassoc participant_id="q"><send>s</send></participantstreamassoc>
<X-Work-Order>GD-META</X-Work-Order></recording>"""


class Gateway:
    """One dialog's client side without any cleverness."""

    def __init__(self, link: Link, call_id: str = "call@gw") -> None:
        self.link, self.call_id, self.to_tag, self.number = link, call_id, "", 0

    async def ask(self, method: str, *headers: str, body: str | bytes = b"", kind: str = "application/sdp") -> Response:
        """A request and its final response; a 2xx to an INVITE is acknowledged."""
        self.number += 1
        self.send(method, *headers, body=body, kind=kind)
        response = await self.hear()
        assert isinstance(response, Response)
        self.to_tag = self.to_tag or (response.recipient.tag if response.status < 300 else "")
        if method == "INVITE":
            self.send("ACK")
        return response

    def send(self, method: str, *headers: str, body: str | bytes = b"", kind: str = "application/sdp") -> None:
        self.link.send(self.request(method, *headers, body=body, kind=kind))

    def request(self, method: str, *headers: str, body: str | bytes = b"", kind: str = "application/sdp") -> bytes:
        content = body.encode() if isinstance(body, str) else body
        tag = f";tag={self.to_tag}" if self.to_tag else ""
        branch = f"z9hG4bK{self.call_id}{self.number}{method}"
        lines: Iterable[str] = (
            f"{method} sip:rec@host SIP/2.0",
            f"v: SIP/2.0/{self.link.transport} {self.link.local};rport;branch={branch}",
            f"f: <sip:gw@gw.invalid>;tag=g\r\nt: <sip:rec@host>{tag}\r\ni: {self.call_id}",
            f"CSeq: {self.number} {method}\r\nm: <sip:gw@{self.link.local}>",
            *headers,
            *((f"c: {kind}",) if content else ()),
            f"l: {len(content)}",
        )
        return "\r\n".join((*lines, "", "")).encode() + content

    async def hear(self) -> Message:
        message = await asyncio.wait_for(self.link.messages.get(), 240)
        assert message is not None
        return message

    async def call(self, **changes: str) -> Response:
        return await self.ask("INVITE", body=changes.get("body", SDP), kind=changes.get("kind", "application/sdp"))


def multipart(*parts: tuple[str, str | bytes]) -> bytes:
    encoded = [(kind, content.encode() if isinstance(content, str) else content) for kind, content in parts]
    sections = [b"--b\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + content + b"\r\n" for kind, content in encoded]
    return b"".join((*sections, b"--b--\r\n"))


MIXED = "multipart/mixed; boundary=b"


@pytest.fixture(params=["UDP", "TCP"])
async def link(request: pytest.FixtureRequest, house: House) -> AsyncIterator[Link]:
    opened = await Link.open(house.address, request.param)
    yield opened
    opened.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def answer(request: Request, status: int = 200) -> Response:
    return Response(status, "-", tuple((name, request.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq")))


def send_rtp(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(bytes((0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1)) + bytes(160), ("127.0.0.1", port))


async def test_a_call_with_sdp_alone_is_recorded_and_flagged(house: House, link: Link) -> None:
    gateway = Gateway(link)
    response = await gateway.call()
    answer = parse_sdp(response.body)
    assert [(media.label, media.direction) for media in answer.media] == [("1", "recvonly"), ("2", "recvonly")]
    (begun,) = house.observer.begun
    assert CallFacts.load(house.spool / str(begun.recording_id)) == begun
    assert begun.flags == ("metadata missing", "roles assumed")
    for media in answer.media:
        send_rtp(media.port)
    assert (await gateway.ask("BYE")).status == 200
    facts, directory = await house.finished()
    assert [(one.role, one.received["packets"]) for one in facts.streams] == [("agent", 1), ("citizen", 1)]
    assert (facts.end_reason, facts.sip_call_id) == ("bye", "call@gw")
    assert facts.peer == f"{link.transport} {link.local}"
    assert house.capture.open_ports == 0
    assert CallFacts.load(directory) == facts


async def test_metadata_and_work_order_may_come_later_by_update(house: House, link: Link) -> None:
    gateway = Gateway(link)
    await gateway.call()
    response = await gateway.ask("UPDATE", body=METADATA, kind="application/rs-metadata+xml")
    assert (response.status, response.body) == (200, b"")
    (facts,) = house.recorder.calls
    assert (facts.flags, facts.work_order) == ((), "GD-META")
    assert [one.role for one in facts.streams] == ["citizen", "agent"]
    assert CallFacts.load(house.spool / str(facts.recording_id)) == facts
    await gateway.ask("UPDATE", "X-Work-Order: GD-LATER")
    assert house.recorder.calls[0].work_order == "GD-LATER"


async def test_an_m_line_is_added_and_removed(house: House, link: Link) -> None:
    gateway = Gateway(link)
    first = parse_sdp((await gateway.call()).body)
    second = parse_sdp((await gateway.call(body=ADDED)).body)
    assert [media.port for media in second.media[:2]] == [media.port for media in first.media]
    assert second.media[2].port not in (0, *(media.port for media in first.media))
    send_rtp(second.media[2].port)
    third = parse_sdp((await gateway.call(body=ADDED.replace("40004", "0"))).body)
    assert [media.port for media in third.media] == [*(media.port for media in first.media), 0]
    assert house.capture.open_ports == 2
    fourth = parse_sdp((await gateway.call(body=ADDED)).body)
    assert fourth.media[2].port != 0
    await gateway.ask("BYE")
    facts, _ = await house.finished()
    assert [(one.label, one.index, one.file) for one in facts.streams] == [
        ("1", 0, "1.rtpdump"),
        ("2", 1, "2.rtpdump"),
        ("3", 2, "3.rtpdump"),
        ("3", 2, "3-2.rtpdump"),
    ]
    assert [one.received["packets"] for one in facts.streams] == [0, 0, 1, 0]


async def test_a_refresh_without_sdp_repeats_our_answer(house: House, link: Link) -> None:
    gateway = Gateway(link)
    first = await gateway.call()
    assert (await gateway.ask("INVITE")).body == first.body
    assert len(list((house.spool / str(house.recorder.calls[0].recording_id) / "signalling").iterdir())) == 1


async def test_a_stream_that_changes_hands_is_nobodys(house: House, link: Link) -> None:
    gateway = Gateway(link)
    await gateway.ask("INVITE", body=multipart(("application/sdp", SDP), ("text/xml", METADATA)), kind=MIXED)
    assert [one.role for one in house.recorder.calls[0].streams] == ["citizen", "agent"]
    swapped = METADATA.replace("<send>t<", "<send>x<").replace("<send>s<", "<send>t<").replace("<send>x<", "<send>s<")
    await gateway.ask("UPDATE", body=swapped, kind="application/rs-metadata")
    (facts,) = house.recorder.calls
    assert [one.role for one in facts.streams] == ["unknown", "unknown"]
    assert facts.flags == ("stream changed party",)


@pytest.mark.parametrize("metadata", [b"<recording", b"\xff\xfe\x00nothing", b"<recording/>"])
async def test_unreadable_metadata_is_kept_and_flagged(house: House, link: Link, metadata: bytes) -> None:
    gateway = Gateway(link)
    body = multipart(("application/sdp", SDP), ("application/rs-metadata+xml", metadata))
    assert (await gateway.ask("INVITE", body=body, kind=MIXED)).status == 200
    (facts,) = house.recorder.calls
    assert facts.flags == ("metadata unreadable", "roles assumed")
    assert (house.spool / str(facts.recording_id) / "signalling" / "002.xml").read_bytes() == metadata


async def test_gbk_from_header_to_metadata(house: House, link: Link) -> None:
    gateway = Gateway(link)
    gbk = METADATA.encode("gbk")
    body = multipart(("application/sdp", SDP), ("application/rs-metadata+xml", gbk))
    link.send(b"")
    assert (await gateway.ask("INVITE", body=body, kind=MIXED)).status == 200
    (facts,) = house.recorder.calls
    assert [party.name for party in facts.parties] == ["甲", "乙"]
    assert (house.spool / str(facts.recording_id) / "signalling" / "002.xml").read_bytes() == gbk


@pytest.mark.parametrize(
    ("headers", "body", "kind", "status"),
    [
        ((), "v=0\r\nm=video 9 RTP/AVP 96\r\n", "application/sdp", 488),
        ((), "v=0\r\nm=audio 9 RTP/AVP 77\r\n", "application/sdp", 488),
        ((), "nonsense", "application/sdp", 400),
        ((), "--b--", "multipart/mixed", 415),
        ((), "hello", "application/unknownformat", 415),
        (("Require: gruu",), SDP, "application/sdp", 420),
        (("Content-Encoding: br",), "\x0b\x02", "application/sdp", 415),
    ],
)
async def test_refusals_leave_nothing_behind(
    house: House, link: Link, headers: tuple[str, ...], body: str, kind: str, status: int
) -> None:
    assert (await Gateway(link).ask("INVITE", *headers, body=body, kind=kind)).status == status
    assert (house.recorder.calls, list(house.spool.iterdir()), house.capture.open_ports) == ((), [], 0)


async def test_bytes_in_no_encoding_reach_disk_as_text(house: House, link: Link) -> None:
    gateway = Gateway(link)
    body = SDP.encode().replace(b"label:1", b"label:\xff\x80").replace(b"label:2", "label:../乙".encode("gbk"))
    response = await gateway.ask("INVITE", "X-Work-Order: 工单一".encode("gbk").decode("latin-1"), body=body)
    assert response.status == 200
    assert b"a=label:\xff\x80\r\n" in response.body
    (facts,) = house.recorder.calls
    assert CallFacts.load(house.spool / str(facts.recording_id)) == facts
    assert facts.streams[1].label == "../乙"
    assert {Path(one.file).name for one in facts.streams} == {one.file for one in facts.streams}


async def test_sound_without_an_ack_is_kept(house: House, link: Link) -> None:
    gateway = Gateway(link)
    gateway.send("INVITE", body=SDP)
    await gateway.hear()
    assert [one.data[:4] for one in house.recorder._server.fire(time.monotonic() + 33)] == []
    assert "not acknowledged" in house.recorder.calls[0].flags


async def test_noise_does_not_disturb_a_call(house: House, link: Link) -> None:
    gateway = Gateway(link)
    await gateway.call()
    for noise in (b"\r\n\r\n", b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256))):
        other = await Link.open(house.address, link.transport)
        other.send(noise)
        await asyncio.sleep(0.02)
        other.close()
    assert (await gateway.ask("OPTIONS")).status == 200
    assert (await gateway.ask("BYE")).status == 200
    assert house.recorder.dropped_messages >= 1


async def test_without_ports_new_calls_wait_and_old_ones_go_on(tmp_path: Path) -> None:
    row = free_ports(6)
    async with open_house(tmp_path, ports=PortRange(row, row + 5)) as house:
        link = await Link.open(house.address, "UDP")
        first = Gateway(link, "one")
        assert (await first.call()).status == 200
        refused = await Gateway(link, "two").call()
        assert (refused.status, refused.get("Retry-After")) == (503, "10")
        # Probes see it too, so that a gateway with several recorders turns to another, until a call has ended.
        assert (await Gateway(link, "probe").ask("OPTIONS")).status == 503
        assert (await first.call(body=ADDED)).status == 200
        four = ADDED + "m=audio 40006 RTP/AVP 0\r\na=label:4\r\n"
        assert (await first.call(body=four)).status == 503
        assert len(house.recorder.calls[0].streams) == 3
        assert len(list(house.spool.iterdir())) == 1
        assert (await first.ask("BYE")).status == 200
        assert (await Gateway(link, "probe again").ask("OPTIONS")).status == 200
        assert (await Gateway(link, "three").call()).status == 200
        link.close()


async def test_an_unwritable_spool_refuses_new_calls_only(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        link = await Link.open(house.address, "UDP")
        running = Gateway(link, "one")
        await running.call()
        aside = tmp_path / "aside"
        house.spool.rename(aside)
        house.spool.write_text("not a directory")
        refused = await Gateway(link, "two").call()
        assert (refused.status, refused.get("Retry-After")) == (503, "10")
        assert house.capture.open_ports == 2
        # The running call's facts cannot be written either: it goes on, and says so once they can.
        assert (await running.ask("UPDATE", "X-Work-Order: GD-2")).status == 200
        assert house.recorder.calls[0].flags[-1] == "facts not saved"
        house.spool.unlink()
        aside.rename(house.spool)
        assert (await running.ask("BYE")).status == 200
        facts, directory = await house.finished()
        assert (CallFacts.load(directory), facts.work_order) == (facts, "GD-2")
        link.close()


async def test_logs_name_neither_numbers_nor_people(house: House, link: Link, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    gateway = Gateway(link, "13900000001@gw")
    body = multipart(("application/sdp", SDP), ("application/rs-metadata+xml", METADATA))
    await gateway.ask("INVITE", body=body, kind=MIXED)
    await gateway.ask("BYE")
    await house.finished()
    lines = [f"{record.getMessage()} {getattr(record, 'facts', '')}" for record in caplog.records]
    assert any("call ended" in line for line in lines)
    assert not [line for line in lines if "13900000001" in line or "8001" in line or "甲" in line or "乙" in line]


async def test_a_wildcard_address_is_never_told(tmp_path: Path) -> None:
    async with open_house(tmp_path, bind=Address("0.0.0.0", 0), media_host="0.0.0.0") as house:
        link = await Link.open(Address("127.0.0.1", house.address.port), "UDP")
        response = await Gateway(link).call()
        assert parse_sdp(response.body).media[0].connection == "127.0.0.1"
        assert f"@127.0.0.1:{house.address.port};" in response.get("Contact")
        link.close()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_mutilated_requests_never_stop_the_service(
    tmp_path: Path, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whole INVITEs with bytes changed, cut and doubled at random: any answer will do, an exception will not."""
    chance = random.Random(2026)
    body = multipart(("application/sdp", SDP), ("application/rs-metadata+xml", METADATA))
    first = media_ports(800)
    async with open_house(tmp_path, ports=PortRange(first, first + 799)) as house:
        for number in range(150):
            link = await Link.open(house.address, transport)
            whole = Gateway(link, f"fuzz{number}").request("INVITE", "Subject: x", body=body, kind=MIXED)
            for _ in range(chance.randint(1, 6)):
                place, cut = chance.randrange(len(whole)), chance.choice((0, 0, 1, 1, 9, 60))
                whole = whole[:place] + chance.randbytes(chance.choice((0, 1, 1, 4))) + whole[place + cut :]
            link.send(whole)
            await asyncio.sleep(0)
            link.close()
        link = await Link.open(house.address, transport)
        assert (await Gateway(link, "after").ask("OPTIONS")).status == 200
        link.close()
        assert len(house.recorder.calls) > 1
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
