"""What ``benchmarks.capture`` compares with: the same recorder, its RTP taken by one asyncio callback a packet."""

import asyncio
import resource
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.clock import utc_now
from core.settings import Address, PortRange, load
from telephony.call import CallFacts
from telephony.recorder import Recorder
from telephony.rtp.sockets import bind
from telephony.rtp.spool import SpoolHeader, SpoolWriter

WRITE_EVERY = 0.2


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, spool: SpoolWriter, rtcp: bool) -> None:
        self._spool, self._rtcp, self._opened = spool, rtcp, time.monotonic()

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        self._spool.append(data, int((time.monotonic() - self._opened) * 1000), rtcp=self._rtcp)


class PlainPorts:
    """``Ports`` the way that asyncio offers: the same sockets, buffers and spools."""

    def __init__(self, host: str, ports: PortRange) -> None:
        self._host = host
        self._free = deque(range(ports.first + ports.first % 2, ports.last, 2))
        self._spools: dict[int, SpoolWriter] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self, file: Path, *, protection: object = None, mux: bool = False) -> int:
        port = self._free.popleft()
        spool = self._spools[port] = SpoolWriter(file, SpoolHeader(self._host, port, utc_now()))
        for rtcp in (False, True):
            self._attach(bind(self._host, port + rtcp), spool, rtcp)
        return port

    def _attach(self, sock: socket.socket, spool: SpoolWriter, rtcp: bool) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.create_datagram_endpoint(lambda: _Receiver(spool, rtcp), sock=sock))
        self._tasks.add(task)

    def protect(self, port: int, protection: object) -> None: ...

    def pause(self, port: int) -> None: ...

    def resume(self, port: int) -> None: ...

    def quiet_seconds(self, port: int) -> float:
        return 0.0

    def close(self, port: int) -> Mapping[str, Any]:
        self._spools.pop(port).close()
        return {}

    async def write(self) -> None:
        """Hand what came to the operating system, for ever."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            for spool in list(self._spools.values()):
                spool.flush()


class _Nobody:
    def started(self, facts: CallFacts) -> None: ...

    def finished(self, facts: CallFacts, directory: Path) -> None: ...


async def main(directory: Path, address: Address, ports: PortRange) -> None:
    """Record until killed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    settings = load({"HUIYIN_DATA_DIR": str(directory), "HUIYIN_SIP_BIND": str(address)})
    capture = PlainPorts(address.host, ports)
    await Recorder.from_settings(settings, capture, _Nobody()).start()
    await capture.write()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Address.parse(sys.argv[2]), PortRange.parse(sys.argv[3])))
