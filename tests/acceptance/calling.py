"""Many real calls at once, whose senders can be asked at any moment how much they have sent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.settings import Address
from telephony.rtp.sender import Sender, run_together
from telephony.sip.client import Client
from telephony.sip.message import Response
from telephony.sip.sdp import parse_sdp
from telephony.sip.transport import Link

LABELS = ("1", "2")
PACKET_MS = 20
OFFER = "v=0\r\no=gateway 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + "".join(
    f"m=audio {40000 + 2 * place} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=label:{label}\r\na=sendonly\r\n"
    for place, label in enumerate(LABELS)
)


@dataclass(frozen=True)
class Call:
    """An answered call and its two senders, in the order of ``LABELS``."""

    client: Client
    senders: tuple[Sender, ...]

    @property
    def sent(self) -> tuple[int, ...]:
        """How many packets of each stream have left so far."""
        return tuple(sender.report(0.0).packets for sender in self.senders)


@asynccontextmanager
async def a_client(address: Address, *, patience: float = 240.0) -> AsyncIterator[Client]:
    """A gateway's signalling towards ``address``, over UDP."""
    link = await Link.open(address, "udp")
    try:
        yield Client(link, address, patience=patience)
    finally:
        link.close()


async def ask(address: Address, method: str) -> Response:
    """The answer to a request outside of any call; an INVITE is a whole offer."""
    body = OFFER.encode() if method == "INVITE" else b""
    async with a_client(address) as client:
        return await client.request(method, (("Content-Type", "application/sdp"),) if body else (), body)


@asynccontextmanager
async def calls(address: Address, audio: Path, number: int) -> AsyncIterator[Sequence[Call]]:
    """So many calls that all send ``audio`` while the block runs, or until it ends; nobody hangs up."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(a_client(address)) for _ in range(number)]
        placed = [await _place(client, audio) for client in clients]
        sending = asyncio.create_task(run_together([sender for call in placed for sender in call.senders]))
        try:
            yield placed
        finally:
            for call in placed:
                for sender in call.senders:
                    sender.stop()
            await sending


async def _place(client: Client, audio: Path) -> Call:
    response = await client.invite((("Content-Type", "application/sdp"),), OFFER.encode())
    media = {one.label: one for one in parse_sdp(response.body).media}
    places = [(media[label].connection, media[label].port) for label in LABELS]
    return Call(client, tuple(Sender(audio, place, seed=at) for at, place in enumerate(places)))


async def until_sent(placed: Sequence[Call], seconds: float) -> None:
    """Wait until every stream of every call has sent so much sound."""
    least = round(seconds * 1000 / PACKET_MS)
    async with asyncio.timeout(10 * seconds + 60):
        while any(sent < least for call in placed for sent in call.sent):  # noqa: ASYNC110 - senders have no events
            await asyncio.sleep(0.05)
