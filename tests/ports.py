"""Ports for the servers of tests.

They lie below those that the kernel gives to outgoing connections, so that none of these takes one between the look
and the bind; and none is given twice.
"""

import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
# ``ip_local_port_range`` begins at 32768 on Linux; SeaweedFS wants the port 10000 above each of its ports too.
FIRST, LAST = 10_240, 22_700
_given: set[int] = set()


def free_port(*, also: int = 0) -> int:
    """A loopback port that nobody has bound, for TCP or UDP; with ``also``, the port that much above it neither."""
    return _free((0, also) if also else (0,), step=1)


def free_ports(count: int) -> int:
    """The first, even, of so many in a row."""
    return _free(range(count), step=2)


def _free(offsets: range | tuple[int, ...], *, step: int) -> int:
    for first in random.sample(range(FIRST, LAST, step), 1000):
        ports = [first + offset for offset in offsets]
        if _given.isdisjoint(ports) and all(map(_unbound, ports)):
            _given.update(ports)
            return first
    raise OSError("no free ports")


def _unbound(port: int) -> bool:
    with ExitStack() as bound:
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                bound.enter_context(socket.socket(socket.AF_INET, kind)).bind((LOOPBACK, port))
        except OSError:
            return False
    return True
