"""Reading in batches, on real sockets, the fast way and the one that every system has."""

import socket
import time
from collections.abc import Iterator

import pytest

from telephony.rtp.arena import HEAD, SLOTS, Arena
from telephony.rtp.sockets import bind

HOST = "127.0.0.1"


@pytest.fixture(params=[False, True], ids=["many at once", "portable"])
def arena(request: pytest.FixtureRequest) -> Arena:
    return Arena(portable=request.param)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with bind(HOST, 0) as sock:
        yield sock


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        yield sock


def packet(arena: Arena, slot: int) -> bytes:
    return arena.octets[slot, HEAD : HEAD + arena.sizes[slot]].tobytes()


def test_datagrams_lie_in_slots_with_size_time_and_sender(
    arena: Arena, receiver: socket.socket, sender: socket.socket
) -> None:
    sent = [b"one", b"", bytes(range(256)) * 255, b"four"]
    before = time.time_ns()
    for data in sent:
        sender.sendto(data, receiver.getsockname())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"five", receiver.getsockname())
    after = time.time_ns()
    assert arena.receive(receiver) == arena.used == 5
    arena.measure()
    assert [packet(arena, slot) for slot in range(5)] == [*sent, b"five"]
    assert all(before <= arrival <= after for arrival in arena.arrivals[:5].tolist())
    assert arena.arrivals[:5].tolist() == sorted(arena.arrivals[:5].tolist())
    assert len(set(arena.sources[:4].tolist())) == 1
    assert arena.sources[4] != arena.sources[0]
    assert arena.address(0) == sender.getsockname()
    assert arena.octets_from(3) == 8
    assert arena.receive(receiver) == 0


def test_slots_run_out_and_come_back(arena: Arena, receiver: socket.socket, sender: socket.socket) -> None:
    for round_number in range(2):
        left = SLOTS + 7
        while left:
            for number in range(min(left, 200)):
                sender.sendto(number.to_bytes(2), receiver.getsockname())
            left -= min(left, 200)
            arena.receive(receiver)
        assert (arena.room, arena.receive(receiver)) == (0, 0)
        arena.measure()
        assert packet(arena, SLOTS - 1) == ((SLOTS - 1) % 200).to_bytes(2), round_number
        arena.clear()
        # What found no slot waits in the kernel.
        assert arena.receive(receiver) == 7
        arena.clear()


def test_most_is_kept_to(arena: Arena, receiver: socket.socket, sender: socket.socket) -> None:
    for _ in range(5):
        sender.sendto(b"x", receiver.getsockname())
    assert [arena.receive(receiver, 3), arena.receive(receiver, 3), arena.receive(receiver, 3)] == [3, 2, 0]


def test_senders_on_ipv6_are_told_apart(arena: Arena) -> None:
    try:
        receiver = bind("::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with (
        receiver,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as two,
    ):
        for sock in (one, two, one):
            sock.bind(("::1", 0)) if sock.getsockname()[1] == 0 else None
            sock.sendto(b"x", receiver.getsockname())
        assert arena.receive(receiver) == 3
        arena.measure()
        first, second, third = arena.sources[:3].tolist()
        assert first == third != second
        assert arena.address(1) == two.getsockname()[:2]


def test_a_socket_that_fails_says_so(arena: Arena) -> None:
    sock = bind(HOST, 0)
    sock.close()
    with pytest.raises(OSError, match="descriptor"):
        arena.receive(sock)
