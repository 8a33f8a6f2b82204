"""Receiving RTP: packets lost and CPU for each packet, with the spool, beside one asyncio callback a packet.

``python -m benchmarks.capture [--streams N] [--seconds S] [--senders P]``: processes of their own send N streams of 50
packets a second over loopback, first to the batch drain and then to a plain ``DatagramProtocol`` that writes the same
spool.  ``sent/s`` far below 50 N means that the senders were the limit.  The last line is JSON.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from core.settings import PortRange
from telephony.rtp.capture import RECEIVE_BUFFER, Capture
from telephony.rtp.spool import SpoolHeader, SpoolWriter

HOST = "127.0.0.1"
PORTS = PortRange(30000, 49999)
PACKETS_PER_SECOND = 50
INTERVAL = 0.1
_HEADER = struct.Struct(">BBHII")
PAYLOAD = bytes(range(160))


@dataclass(frozen=True)
class Received:
    """What a receiver process counted; CPU is user and system time of the whole process while packets came."""

    packets: int
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Figures:
    """One row of the table."""

    receiver: str
    sent: int
    sent_per_second: int
    received: int
    lost: int
    cpu_us_per_packet: float
    cpu_share: float
    peak_mb: float


def send(ports: Sequence[int], seconds: float, pipe: Connection) -> None:
    """50 packets a second to every port, one from each stream in turn; reports packets and the time they took."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        pack, sendto, sent = _HEADER.pack, sock.sendto, 0
        targets = [(number, (HOST, port)) for number, port in enumerate(ports)]
        started = time.perf_counter()
        for tick in range(round(seconds * PACKETS_PER_SECOND)):
            time.sleep(max(0.0, started + tick / PACKETS_PER_SECOND - time.perf_counter()))
            sequence, timestamp = tick & 0xFFFF, tick * 160
            for number, target in targets:
                sendto(pack(0x80, 8, sequence, timestamp, number) + PAYLOAD, target)
            sent += len(targets)
        pipe.send((sent, time.perf_counter() - started))


def receive_in_batches(streams: int, directory: Path, pipe: Connection) -> None:
    """The service's own way."""

    async def run() -> None:
        capture = Capture(HOST, PORTS, interval=INTERVAL)
        capture.start()
        ports = [capture.open(directory / f"{number}.rtpdump") for number in range(streams)]
        began = time.process_time()
        pipe.send(ports)
        await asyncio.to_thread(pipe.recv)
        capture.drain()
        cpu = time.process_time() - began
        packets = sum(capture.close(port)["packets"] for port in ports)
        await capture.stop()
        pipe.send(Received(packets, cpu, _peak_mb()))

    asyncio.run(run())


class _PlainReceiver(asyncio.DatagramProtocol):
    """One callback for each datagram, the way asyncio offers."""

    def __init__(self, spool: SpoolWriter, opened: float) -> None:
        self.spool, self.opened, self.packets = spool, opened, 0

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.packets += 1
        self.spool.append(data, int((time.monotonic() - self.opened) * 1000))


def receive_plainly(streams: int, directory: Path, pipe: Connection) -> None:
    """For comparison: the same sockets, buffers and spools."""

    async def run() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
        loop, receivers, transports = asyncio.get_running_loop(), [], []
        for number in range(streams):
            port = PORTS.first + 2 * number
            spool = SpoolWriter(directory / f"{number}.rtpdump", SpoolHeader(HOST, port, Capture(HOST, PORTS).clock()))
            make = partial(_PlainReceiver, spool, time.monotonic())
            transport, receiver = await loop.create_datagram_endpoint(make, (HOST, port))
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            receivers.append(receiver)
            transports.append(transport)
        began = time.process_time()
        pipe.send([PORTS.first + 2 * number for number in range(streams)])
        finished = asyncio.create_task(asyncio.to_thread(pipe.recv))
        while not finished.done():
            await asyncio.sleep(INTERVAL)
            for receiver in receivers:
                receiver.spool.flush()
        cpu = time.process_time() - began
        for transport, receiver in zip(transports, receivers, strict=True):
            transport.close()
            receiver.spool.close()
        pipe.send(Received(sum(receiver.packets for receiver in receivers), cpu, _peak_mb()))

    asyncio.run(run())


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(
    name: str, receive: Callable[[int, Path, Connection], None], streams: int, seconds: float, senders: int
) -> Figures:
    """Run one receiver process and its senders."""
    processes = multiprocessing.get_context("spawn")
    # Beside the working tree, so that the spool is on a disk and not in memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as directory:
        ours, theirs = processes.Pipe()
        receiver = processes.Process(target=receive, args=(streams, Path(directory), theirs))
        receiver.start()
        ports = cast("list[int]", ours.recv())
        pipes = []
        for number in range(senders):
            reports, pipe = processes.Pipe(duplex=False)
            processes.Process(target=send, args=(ports[number::senders], seconds, pipe)).start()
            pipes.append(reports)
        counts = [cast("tuple[int, float]", pipe.recv()) for pipe in pipes]
        # What the last drain has not read yet.
        time.sleep(3 * INTERVAL)
        ours.send("finish")
        received = cast(Received, ours.recv())
        receiver.join()
    sent, took = sum(count for count, _ in counts), max(time_taken for _, time_taken in counts)
    return Figures(
        name,
        sent,
        round(sent / took),
        received.packets,
        sent - received.packets,
        round(received.cpu_seconds / max(1, received.packets) * 1e6, 2),
        round(received.cpu_seconds / took, 3),
        round(received.peak_mb, 1),
    )


def main() -> None:
    """Measure both receivers and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture", description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--senders", type=int, default=1, help="sending processes")
    options = parser.parse_args()
    rows = [
        measure(name, receive, options.streams, options.seconds, options.senders)
        for name, receive in (("batch drain", receive_in_batches), ("asyncio callbacks", receive_plainly))
    ]
    expected = options.streams * PACKETS_PER_SECOND
    print(f"{options.streams} streams, {options.seconds:g} s, {expected} packets/s wanted, spool on disk")
    print(f"{'receiver':18} {'sent':>9} {'sent/s':>8} {'received':>9} {'lost':>8} {'CPU µs':>7} {'cores':>6} {'MB':>7}")
    for row in rows:
        print(
            f"{row.receiver:18} {row.sent:9} {row.sent_per_second:8} {row.received:9} {row.lost:8}"
            f" {row.cpu_us_per_packet:7.2f} {row.cpu_share:6.3f} {row.peak_mb:7.1f}"
        )
    if rows[0].sent_per_second < 0.95 * expected:
        print("The senders did not keep the pace: these figures are for the rate that they reached.")
    batch, plain = (asdict(row) for row in rows)
    print(json.dumps({"streams": options.streams, "seconds": options.seconds, "batch": batch, "plain": plain}))


if __name__ == "__main__":
    main()
