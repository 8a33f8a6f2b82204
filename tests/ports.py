"""Ports for the servers of tests.

``free_port`` and ``free_ports`` lie below those that the kernel gives to outgoing connections, so that none of these
takes one between the look and the bind; none is given twice.  ``media_ports`` are long rows for a recorder's media,
which passes over what somebody else has.  Processes that test side by side never share any.
"""

import os
import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
# ``ip_local_port_range`` begins at 32768 on Linux; SeaweedFS wants the port 10000 above each of its ports too.
FIRST, LAST = 10_240, 20_240
MEDIA_FIRST, MEDIA_LAST = 33_000, 61_000
SIDE_BY_SIDE = 4


def _share(first: int, last: int) -> range:
    """What belongs to this process."""
    size = (last - first) // SIDE_BY_SIDE
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    place = int(worker) if worker else random.randrange(SIDE_BY_SIDE)
    return range(first + size * (place % SIDE_BY_SIDE), first + size * (place % SIDE_BY_SIDE + 1))


_small, _media = _share(FIRST, LAST), _share(MEDIA_FIRST, MEDIA_LAST)
_given: set[int] = set()
_next_media = random.randrange(_media.start, _media.stop, 2)


def free_port(*, also: int = 0) -> int:
    """A loopback port that nobody has bound, for TCP or UDP; with ``also``, the port that much above it neither."""
    return _free((0, also) if also else (0,), step=1)


def free_ports(count: int) -> int:
    """The first, even, of so many in a row."""
    return _free(range(count), step=2)


def media_ports(count: int) -> int:
    """The first, even, of so many in a row that no other test of these days has; one or another may be taken."""
    global _next_media
    if _next_media + count > _media.stop:
        _next_media = _media.start
    first, _next_media = _next_media, _next_media + count + count % 2
    return first


def _free(offsets: range | tuple[int, ...], *, step: int) -> int:
    for first in random.sample(_small[::step], len(_small[::step])):
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
