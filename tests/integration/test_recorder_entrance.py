"""Who gets into the recorder and how: TLS, the allow-list and digest authentication, through real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import Refused, Unavailable
from core.settings import Address, load
from service.health import ping_sip
from telephony.entrance import Entrance
from telephony.simulator import CallReport, place_call
from telephony.sip.accounts import add_account
from telephony.sip.client import Client, Login
from telephony.sip.digest import Account
from telephony.sip.message import Request, Response
from telephony.sip.transport import Link
from tests.certificates import Authority
from tests.recording import House, open_house, tone

SDP = (
    b"v=0\r\no=g 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\nm=audio 40002 RTP/AVP 8\r\na=label:2\r\na=sendonly\r\n"
)
OFFER = (("Content-Type", "application/sdp"),)
LOGIN = Login("gateway", "geheim")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@contextlib.asynccontextmanager
async def house_with(directory: Path, authority: Authority | None = None, **settings: str) -> AsyncIterator[House]:
    """A recorder whose entrance is made from settings, as the service makes it."""
    if authority is not None:
        certificate, key = authority.issue()
        settings |= {"sip_tls_bind": "127.0.0.1:0", "sip_tls_certificate": str(certificate), "sip_tls_key": str(key)}
    variables = {f"HUIYIN_{name.upper()}": value for name, value in settings.items()}
    async with open_house(directory, entrance=Entrance.from_settings(load(variables))) as house:
        yield house


@pytest.fixture
def users(tmp_path: Path) -> Path:
    add_account(tmp_path / "users", Account.of(LOGIN.user, "huiyin", LOGIN.password))
    return tmp_path / "users"


async def call(house: House, tmp_path: Path, **options: object) -> CallReport:
    voice = tone(tmp_path / "v.wav", 440, 0.2)
    target = house.recorder.tls_address if options.get("transport") == "tls" else house.address
    assert target is not None
    return await place_call(
        target,
        voice,
        voice,
        agent_number="8001",
        citizen_number="13800000001",
        speed=10,
        **options,  # type: ignore[arg-type]
    )


@contextlib.asynccontextmanager
async def secure(house: House, authority: Authority) -> AsyncIterator[Link]:
    assert house.recorder.tls_address is not None
    link = await Link.open(house.recorder.tls_address, "TLS", authority.trusted())
    try:
        yield link
    finally:
        link.close()


async def test_a_call_over_tls(tmp_path: Path, authority: Authority) -> None:
    async with house_with(tmp_path, authority) as house:
        report = await call(house, tmp_path, transport="tls", ca=authority.file)
        facts, _ = await house.finished()
        assert sum(one.received["packets"] for one in facts.streams) == report.packets
        assert (facts.peer.partition(" ")[0], facts.end_reason) == ("TLS", "bye")
        # UDP and TCP stay open beside it.
        await call(house, tmp_path, transport="udp")


async def test_our_bye_returns_on_the_same_connection(tmp_path: Path, authority: Authority) -> None:
    async with house_with(tmp_path, authority) as house, secure(house, authority) as link:
        tls = house.recorder.tls_address
        client = Client(link, Address("127.0.0.1", 1))
        response = await client.invite(OFFER, SDP)
        assert response.get("Contact").startswith(f"<sip:huiyin@{tls};transport=tls>")
        stopping = asyncio.create_task(house.recorder.stop())
        bye = await asyncio.wait_for(link.messages.get(), 240)
        assert isinstance(bye, Request)
        assert (bye.method, bye.via.transport, f"{bye.via.host}:{bye.via.port}") == ("BYE", "TLS", str(tls))
        copied = tuple((name, bye.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq"))
        link.send(bytes(Response(200, "OK", copied)))
        await stopping


async def test_a_call_whose_connection_is_gone_ends_cleanly(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with house_with(tmp_path, authority) as house:
        async with secure(house, authority) as link:
            await Client(link, Address("127.0.0.1", 1)).invite(OFFER, SDP)
        while house.recorder.connections:  # noqa: ASYNC110 - the kernel tells the server
            await asyncio.sleep(0.01)
        assert len(house.recorder.calls) == 1
        await house.recorder.stop(farewell=0.1)
        facts, _ = await house.finished()
        assert facts.end_reason == "shutdown"
    assert "not sent: the peer's connection is closed" in [record.getMessage() for record in caplog.records]


async def test_a_new_certificate_drops_no_call(tmp_path: Path, authority: Authority) -> None:
    async with house_with(tmp_path, authority) as house, secure(house, authority) as link:
        client = Client(link, Address("127.0.0.1", 1))
        await client.invite(OFFER, SDP)
        renewed = Authority(tmp_path / "renewed")
        for old, new in zip(authority.issue(), renewed.issue(), strict=True):
            new.replace(old)
        house.recorder.reload()
        with pytest.raises(Unavailable, match="certificate"):
            async with secure(house, authority):
                pass
        async with secure(house, renewed) as other:
            assert (await Client(other, Address("127.0.0.1", 1)).request("OPTIONS")).status == 200
        assert (await client.request("BYE")).status == 200
        facts, _ = await house.finished()
        assert facts.end_reason == "bye"


async def test_our_bye_waits_for_the_ack(tmp_path: Path) -> None:
    async with house_with(tmp_path) as house:
        link = await Link.open(house.address, "TCP")
        via = f"SIP/2.0/TCP {link.local};branch=z9hG4bK"
        sender, contact = ("From", "<sip:a@b>;tag=1"), ("Contact", f"<sip:a@{link.local}>")

        def request(method: str, to: str, body: bytes = b"") -> bytes:
            names = (("Via", via + method), sender, ("To", to), ("Call-ID", "x"), ("CSeq", f"1 {method}"), contact)
            return bytes(Request(method, "sip:rec@host", (*names, *OFFER), body))

        link.send(request("INVITE", "<sip:c@d>", SDP))
        answer = await asyncio.wait_for(link.messages.get(), 240)
        assert isinstance(answer, Response)
        stopping = asyncio.create_task(house.recorder.stop(farewell=20))
        await asyncio.sleep(0.1)
        assert link.messages.empty()
        link.send(request("ACK", answer.get("To")))
        bye = await asyncio.wait_for(link.messages.get(), 240)
        assert isinstance(bye, Request)
        copied = tuple((name, bye.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq"))
        link.send(bytes(Response(200, "OK", copied)))
        await stopping
        link.close()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_authentication(tmp_path: Path, authority: Authority, users: Path, transport: str) -> None:
    async with house_with(tmp_path, authority, sip_users_file=str(users)) as house:
        for login in (None, Login("gateway", "wrong"), Login("stranger", "geheim")):
            with pytest.raises(Refused, match="401"):
                await call(house, tmp_path, transport=transport, ca=authority.file, login=login)
        assert (house.observer.begun, list(house.spool.iterdir())) == ([], [])
        await call(house, tmp_path, transport=transport, ca=authority.file, login=LOGIN)
        facts, _ = await house.finished()
        assert facts.end_reason == "bye"
        assert await asyncio.to_thread(ping_sip, house.address) == ""


async def test_accounts_that_are_added_later(tmp_path: Path, users: Path) -> None:
    async with house_with(tmp_path, sip_users_file=str(users)) as house:
        later = Login("second", "neu")
        with pytest.raises(Refused, match="401"):
            await call(house, tmp_path, login=later)
        add_account(users, Account.of(later.user, "huiyin", later.password))
        house.recorder.reload()
        await call(house, tmp_path, login=later)


async def test_the_allow_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with house_with(tmp_path, sip_allow="192.0.2.0/24") as house:
        for _ in range(3):
            with pytest.raises(Refused, match="403"):
                await call(house, tmp_path)
        # Strangers get no connection at all.
        with pytest.raises(Unavailable, match="closed the connection"):
            await call(house, tmp_path, transport="tcp")
        assert (house.observer.begun, list(house.spool.iterdir())) == ([], [])
        assert await asyncio.to_thread(ping_sip, house.address) == ""
    told = [(record.getMessage(), getattr(record, "facts", {})["peer"]) for record in caplog.records]
    assert told == [("a SIP peer was refused", "127.0.0.1"), ("trouble with a SIP peer", "127.0.0.1")]
    async with house_with(tmp_path / "second", sip_allow="192.0.2.0/24 127.0.0.0/8") as house:
        await call(house, tmp_path, transport="tcp")
        await call(house, tmp_path)


async def test_both_rules_together(tmp_path: Path, users: Path) -> None:
    async with house_with(tmp_path, sip_allow="192.0.2.0/24", sip_users_file=str(users)) as house:
        with pytest.raises(Refused, match="403"):
            await call(house, tmp_path, login=LOGIN)
    async with house_with(tmp_path / "second", sip_allow="127.0.0.1", sip_users_file=str(users)) as house:
        with pytest.raises(Refused, match="401"):
            await call(house, tmp_path)
        await call(house, tmp_path, login=LOGIN)
