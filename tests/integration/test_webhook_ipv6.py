"""Webhooks over IPv6: real connections on ::1, and addresses in brackets that must lead to nobody.

Every name is asked of the machine's own resolver.
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_network

import pytest

from api.webhooks.addresses import Reach
from api.webhooks.sending import Post, Tried
from tests.ports import LOOPBACK
from tests.webhooks import Receiver, receiving

LOOPBACK_6 = "::1"
# Loopback, private and link-local addresses, and the forms in which IPv6 stands for 127.0.0.1: mapped, translated,
# NAT64, compatible, 6to4; and Teredo, whose server stands there.
REFUSED = (
    *("::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::0001", "::0.0.0.1"),
    *("fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1", "::"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:FFFF:7F00:0001", "::ffff:0:127.0.0.1", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::"),
    *("2002:7f00:1::", "2002:7f00:1::1", "2002:7f00:0001:0:0:0:7f00:1", "2001:0:7f00:1::1"),
    # With the name of an interface, as it stands in an address and as a URL would have it (RFC 6874).
    *("::1%lo", "::1%25lo", "::ffff:127.0.0.1%25lo", "fe80::1%25lo"),
)
# Brackets that hold, or are followed by, something else.
MALFORMED = (
    *("[127.0.0.1]", "[localhost]", "[::1", "::1]", "[]", "[[::1]]", "[::1]]", "[::1]x", "[::1].hook.example"),
    *("[v1.::1]", "[::1%]", "[::1%25]", "[::g]", "[1::2::3]", "[:::1]", "hook.example[::1]", "%5B::1%5D"),
)


@pytest.fixture
def ipv6() -> None:
    """An IPv6 loopback, which containers often lack."""
    try:
        socket.create_server((LOOPBACK_6, 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"NOT TESTED: this machine has no IPv6 loopback ({os.strerror(error.errno or 0)})")


@pytest.fixture
async def trap() -> AsyncIterator[Receiver]:
    """A service of the house on loopback, behind the same port on both where this machine has both."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        try:
            other = await stack.enter_async_context(receiving(host=LOOPBACK_6, port=receiver.port))
        except OSError:
            pass
        else:
            other.heard = receiver.heard
        yield receiver


def poster(*ports: int, networks: str = "") -> Post:
    return Post(Reach(frozenset(ports), http=True, networks=tuple(ip_network(each) for each in networks.split())), 60.0)


async def send(post: Post, url: str) -> Tried:
    return await post.send(url, {"webhook-id": "1"}, b"{}")


@pytest.mark.parametrize("address", REFUSED)
async def test_a_literal_that_leads_inward_is_not_connected_to(trap: Receiver, address: str) -> None:
    assert await send(poster(trap.port), trap.url(f"[{address}]")) == Tried(None, "address refused")
    assert trap.heard == []


@pytest.mark.parametrize("host", MALFORMED)
async def test_brackets_that_hold_no_address_lead_nowhere(trap: Receiver, host: str) -> None:
    assert await send(poster(trap.port), trap.url(host)) == Tried(None, "address refused")
    assert trap.heard == []


@pytest.mark.usefixtures("ipv6")
async def test_the_trap_would_hear_a_connection() -> None:
    """What the tests above rest on: with the loopback allowed, the same literals do lead there."""
    async with receiving(host=LOOPBACK_6) as receiver:
        post = poster(receiver.port, networks="::1/128")
        literals = ["[::1]", "[0:0:0:0:0:0:0:1]"]
        assert [(await send(post, receiver.url(literal))).status for literal in literals] == [204, 204]
        assert [each.headers["Host"] for each in receiver.heard] == [f"{each}:{receiver.port}" for each in literals]
        assert [each.body for each in receiver.heard] == [b"{}", b"{}"]


@pytest.mark.usefixtures("ipv6")
async def test_a_name_with_an_allowed_ipv6_address_is_connected_to_there() -> None:
    async def one(_host: str, _port: int) -> list[str]:
        return [LOOPBACK_6]

    async with receiving(host=LOOPBACK_6) as receiver:
        post = Post(Reach(frozenset({receiver.port}), http=True, networks=(ip_network("::1/128"),)), 60.0, one)
        assert (await send(post, receiver.url("hook.example"))).status == 204
        assert [each.headers["Host"] for each in receiver.heard] == [f"hook.example:{receiver.port}"]


@pytest.mark.usefixtures("ipv6")
async def test_allowing_one_loopback_allows_no_other(trap: Receiver) -> None:
    over_4, over_6 = poster(trap.port, networks=f"{LOOPBACK}/32"), poster(trap.port, networks="::1/128")
    assert (await send(over_4, trap.url("[::1]"))).outcome == "address refused"
    assert (await send(over_6, trap.url(LOOPBACK))).outcome == "address refused"
    assert (await send(over_6, trap.url("[::ffff:127.0.0.1]"))).outcome == "address refused"
    assert trap.heard == []
