"""A gateway that closes its TCP connection in the middle of a call is asked, and hung up on, at the port of its Via."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from telephony.sip.message import Message, Request, StreamParser
from telephony.sip.transport import Link
from tests.integration.test_recorder_signalling import SDP, Gateway, answer
from tests.recording import House, open_house


@dataclass
class Listening:
    """The gateway's own TCP port; everything that comes is answered with 200."""

    port: int = 0
    messages: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        parser = StreamParser()
        while data := await reader.read(4096):
            for message in parser.feed(data):
                self.messages.put_nowait(message)
                if isinstance(message, Request):
                    writer.write(bytes(answer(message)))
        writer.close()

    async def heard(self) -> Request:
        message = await asyncio.wait_for(self.messages.get(), 240)
        assert isinstance(message, Request)
        return message


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    gateway = Listening()
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.port = server.sockets[0].getsockname()[1]
    async with server:
        yield gateway


async def call_and_hang_the_connection_up(house: House, port: int, *headers: str) -> None:
    link = await Link.open(house.address, "TCP")
    gateway = Gateway(link)
    invite = gateway.request("INVITE", *headers, body=SDP)
    local = f"v: SIP/2.0/TCP {link.local};".encode()
    assert local in invite
    link.send(invite.replace(local, f"v: SIP/2.0/TCP 127.0.0.1:{port};".encode()))
    gateway.to_tag = (await gateway.hear()).recipient.tag
    ack = gateway.request("ACK")
    link.send(ack.replace(local, f"v: SIP/2.0/TCP 127.0.0.1:{port};".encode()))
    link.close()


async def test_a_gateway_that_answers_a_call_back_keeps_its_call(tmp_path: Path) -> None:
    async with listening() as gateway, open_house(tmp_path, media_timeout=timedelta(seconds=1)) as house:
        await call_and_hang_the_connection_up(house, gateway.port, "Allow: INVITE, UPDATE")
        assert [(await gateway.heard()).method for _ in range(4)] == ["UPDATE"] * 4
        assert ([facts.state for facts in house.recorder.calls], gateway.connections) == (["recording"], 1)
        await house.recorder.stop(farewell=5.0)
        while (last := await gateway.heard()).method != "BYE":
            assert last.method == "UPDATE"
        assert (await house.finished())[0].end_reason == "shutdown"


async def test_a_gateway_that_is_nowhere_loses_its_silent_call(tmp_path: Path) -> None:
    async with listening() as gateway:
        nowhere = gateway.port
    async with open_house(tmp_path, media_timeout=timedelta(seconds=1)) as house:
        await call_and_hang_the_connection_up(house, nowhere)
        assert (await house.finished())[0].end_reason == "media timeout"
