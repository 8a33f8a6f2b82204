"""Datagrams read in batches: one system call for all that wait at a socket, and numpy for what each of them tells.

Linux reads with ``recvmmsg`` through ctypes, which costs half of a Python receive; other systems read one by one into
the same slots.  A slot has room for a record's head in front of the datagram, so that records need not be moved.
"""

import ctypes
import errno
import mmap
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.spool import RECORD

HEAD = RECORD.size
# The longest datagram, and 128 octets more than a power of two: slots must not compete for the same cache lines.
_SLOT = 65536 + 128
SLOTS = 1024
# One call reads at most so many: at 20 ms a packet, five seconds of one stream.
AT_ONCE = 256

# <asm-generic/socket.h>: arrival times as a struct timespec in an ancillary message.
SO_TIMESTAMPNS = 35 if sys.platform == "linux" else None
_NAME, _CONTROL = 28, 32
_TIMESPEC = struct.Struct("@ll")

_IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
# struct mmsghdr of a 64-bit, little-endian Linux.
_MMSGHDR = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u8"),
        ("parts", "u8"),
        ("part_count", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "u8"),
        ("size", "u4"),
        ("_", "u4"),
    ]
)
# struct sockaddr_in and sockaddr_in6 in words: family, port and IPv4 address; IPv6 address; scope.
_Words = NDArray[np.uint64]
_RecordHead = np.dtype([("length", ">u2"), ("size", ">u2"), ("offset_ms", ">u4")])
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))


class Arena:
    """Slots that fill from the front until ``clear``.

    ``octets[slot, HEAD:]`` is a datagram and ``heads[slot]`` the record's head in front of it; ``sizes`` (octets),
    ``arrivals`` (wall-clock nanoseconds, 0: unknown) and ``sources`` (equal numbers: equal senders) are true for the
    first ``used`` slots once ``measure`` was called.
    """

    def __init__(self, *, portable: bool = False) -> None:
        """``portable`` reads as systems without ``recvmmsg`` do."""
        # Anonymous memory, of which only what packets touch becomes real; in huge pages all of it would.
        memory = mmap.mmap(-1, SLOTS * _SLOT)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        self.octets: NDArray[np.uint8] = np.frombuffer(memory, np.uint8).reshape(SLOTS, _SLOT)
        self.heads: NDArray[Any] = np.ndarray((SLOTS,), _RecordHead, memory, strides=(_SLOT,))
        self.sizes: NDArray[np.int64] = np.zeros(SLOTS, np.int64)
        self.arrivals: NDArray[np.int64] = np.zeros(SLOTS, np.int64)
        self.sources: NDArray[np.uint64] = np.zeros(SLOTS, np.uint64)
        self.used = 0
        self._reader: _ManyAtOnce | _OneByOne
        receive = None if portable else _recvmmsg()
        self._reader = _ManyAtOnce(self, receive) if receive else _OneByOne(self, memoryview(memory))

    @property
    def room(self) -> int:
        """How many slots are left."""
        return SLOTS - self.used

    def receive(self, sock: socket.socket, most: int = AT_ONCE) -> int:
        """Read datagrams that wait at a non-blocking socket, at most ``most`` and ``room``; returns how many came.

        Raises ``OSError`` when the socket has failed.
        """
        count = self._reader.receive(sock, self.used, min(most, SLOTS - self.used))
        self.used += count
        return count

    def octets_from(self, first: int) -> int:
        """How much lies in the slots from ``first`` on."""
        return self._reader.octets(first, self.used)

    def measure(self) -> None:
        """Fill the columns for everything received since ``clear``."""
        self._reader.measure(self.used)

    def clear(self) -> None:
        """Give every slot back."""
        self._reader.clear(self.used)
        self.used = 0

    def address(self, slot: int) -> tuple[str, int]:
        """Where a datagram came from."""
        return self._reader.address(slot)


class _ManyAtOnce:
    def __init__(self, arena: Arena, receive: Callable[[int, int, int, int, None], int]) -> None:
        self._arena, self._receive = arena, receive
        self._names: _Words = np.zeros((SLOTS, 4), np.uint64)
        self._controls: NDArray[np.int64] = np.zeros((SLOTS, 4), np.int64)
        self._parts = np.zeros(SLOTS, _IOVEC)
        self._messages = np.zeros(SLOTS, _MMSGHDR)
        rows = np.arange(SLOTS, dtype=np.uint64)
        self._parts["base"] = arena.octets.ctypes.data + rows * np.uint64(_SLOT) + np.uint64(HEAD)
        self._parts["length"] = _SLOT - HEAD
        for column, array in (("name", self._names), ("parts", self._parts), ("control", self._controls)):
            self._messages[column] = array.ctypes.data + rows * np.uint64(array.strides[0])
        self._messages["part_count"] = 1
        self._address = self._messages.ctypes.data
        self.clear(SLOTS)

    def receive(self, sock: socket.socket, first: int, most: int) -> int:
        count = self._receive(sock.fileno(), self._address + first * _MMSGHDR.itemsize, most, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            if number not in (errno.EAGAIN, errno.EINTR):
                raise OSError(number, os.strerror(number))
            return 0
        return count

    def octets(self, first: int, end: int) -> int:
        return int(self._messages["size"][first:end].sum())

    def measure(self, count: int) -> None:
        arena, messages, controls = self._arena, self._messages[:count], self._controls[:count]
        arena.sizes[:count] = messages["size"]
        times = controls[:, 2] * 1_000_000_000 + controls[:, 3]
        arena.arrivals[:count] = np.where(messages["control_length"] == _CONTROL, times, 0)
        names = self._names[:count]
        arena.sources[:count] = names[:, 0] ^ names[:, 1] * _MIX[0] ^ names[:, 2] * _MIX[1] ^ names[:, 3] * _MIX[2]

    def clear(self, count: int) -> None:
        # The kernel has put the lengths in their places.
        self._messages["name_length"][:count] = _NAME
        self._messages["control_length"][:count] = _CONTROL

    def address(self, slot: int) -> tuple[str, int]:
        name = self._names[slot].tobytes()
        (port,) = struct.unpack_from(">H", name, 2)
        if struct.unpack_from("=H", name)[0] == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, name[4:8]), port
        return socket.inet_ntop(socket.AF_INET6, name[8:24]), port


class _OneByOne:
    def __init__(self, arena: Arena, memory: memoryview) -> None:
        self._arena, self._memory = arena, memory
        self._addresses: list[Any] = [None] * SLOTS

    def receive(self, sock: socket.socket, first: int, most: int) -> int:
        arena, ancillary_size = self._arena, socket.CMSG_SPACE(_TIMESPEC.size)
        for slot in range(first, first + most):
            part = self._memory[slot * _SLOT + HEAD : (slot + 1) * _SLOT]
            try:
                size, ancillary, _, sender = sock.recvmsg_into([part], ancillary_size)
            except (BlockingIOError, InterruptedError):
                return slot - first
            arena.sizes[slot], arena.arrivals[slot] = size, 0
            if ancillary:
                seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2][: _TIMESPEC.size])
                arena.arrivals[slot] = seconds * 1_000_000_000 + nanoseconds
            arena.sources[slot] = hash(sender) & 0xFFFF_FFFF_FFFF_FFFF
            self._addresses[slot] = sender
        return most

    def octets(self, first: int, end: int) -> int:
        return int(self._arena.sizes[first:end].sum())

    def measure(self, count: int) -> None:
        """The columns are true already."""

    def clear(self, count: int) -> None:
        """Nothing was changed that has to be put back."""

    def address(self, slot: int) -> tuple[str, int]:
        host, port, *_ = self._addresses[slot]
        return host, port


def _recvmmsg() -> Callable[[int, int, int, int, None], int] | None:
    """The C library's function, where its structures are those that are written here."""
    if sys.platform != "linux" or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).recvmmsg
    except AttributeError:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
    function.restype = ctypes.c_int
    receive: Callable[[int, int, int, int, None], int] = function
    # A sandbox may have the function and refuse the call.
    receive(-1, 0, 0, 0, None)
    return None if ctypes.get_errno() == errno.ENOSYS else receive
