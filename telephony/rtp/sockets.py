"""The UDP sockets of a capture, and what this machine grants them."""

import logging
import resource
import socket
import struct
import sys
from contextlib import suppress

from core.settings import PortRange
from telephony.rtp.arena import SO_TIMESTAMPNS

log = logging.getLogger(__name__)

# A packet of 20 ms occupies 0.8 to 2.3 KiB of kernel memory: half a MiB (doubled by Linux) is 10 to 25 seconds.
RECEIVE_BUFFER = 512 << 10
# RTP, RTCP and the spool; and what the rest of the process has open.
_FILES_OF_A_STREAM, _OTHER_FILES = 3, 200
# <asm-generic/socket.h>, <linux/sock_diag.h>: nine counters, of which the last is how many packets were dropped.
_SO_RCVBUFFORCE, _SO_MEMINFO, _MEMINFO = 33, 55, struct.Struct("=9I")


def bind(host: str, port: int) -> socket.socket:
    """A non-blocking UDP socket that stamps what arrives; raises ``OSError``."""
    sock = socket.socket(_family(host), socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        _widen(sock)
        if SO_TIMESTAMPNS is not None:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def kernel_dropped(sock: socket.socket) -> int:
    """Packets that the kernel threw away for want of room; 0 where it does not say."""
    if sys.platform == "linux":
        with suppress(OSError, struct.error):
            return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1])
    return 0


def check_limits(host: str, ports: PortRange, *, wanted: int = RECEIVE_BUFFER) -> None:
    """Ask for as many open files as this process may have, and warn of limits that will cost calls or packets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    streams = (ports.last - ports.first + 1) // 2
    if allowed < streams * _FILES_OF_A_STREAM + _OTHER_FILES:
        facts = {
            "streams": max(0, allowed - _OTHER_FILES) // _FILES_OF_A_STREAM,
            "ports_for": streams,
            "remedy": f"raise the limit of open files (ulimit -n, LimitNOFILE=) from {allowed}",
        }
        log.warning("too few open files are allowed for all RTP ports", extra={"facts": facts})
    granted = granted_buffer(host, wanted)
    if granted < wanted:
        facts = {"granted": granted, "remedy": f"sysctl -w net.core.rmem_max={wanted}"}
        log.warning("the kernel grants smaller receive buffers than asked for", extra={"facts": facts})


def granted_buffer(host: str, wanted: int = RECEIVE_BUFFER) -> int:
    """How much receive buffer a socket gets, in octets as they are asked for."""
    with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
        _widen(probe, wanted)
        granted = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    # Linux says twice what it was asked for: its own bookkeeping counts as well.
    return granted // 2 if sys.platform == "linux" else granted


def _widen(sock: socket.socket, wanted: int = RECEIVE_BUFFER) -> None:
    try:
        # Beyond net.core.rmem_max, for whoever may (CAP_NET_ADMIN).
        if sys.platform == "linux":
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted)
            return
    except PermissionError:
        pass
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
