"""Receiving over real sockets: ports, drains, stalls, trouble with the disk."""

import asyncio
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.clock import utc_now
from core.errors import NotFound, Unavailable
from core.settings import PortRange
from telephony.rtp.capture import Capture
from telephony.rtp.packet import goodbye
from telephony.rtp.sockets import RECEIVE_BUFFER
from telephony.rtp.spool import SpoolReader
from tests.full_disk import files_of_at_most
from tests.ports import free_ports, media_ports
from tests.spools import packets, tone

HOST = "127.0.0.1"
_first = free_ports(32)
PORTS = PortRange(_first, _first + 31)
SOUND = [packet for _, packet in packets(tone(1000))]


@pytest.fixture
async def capture() -> AsyncIterator[Capture]:
    capture = Capture(HOST, PORTS, interval=0.02)
    yield capture
    await capture.stop()


@pytest.fixture
async def gateway() -> AsyncIterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        yield sock


def spooled(file: Path) -> tuple[list[bytes], list[bytes], list[int]]:
    """The RTP packets, the RTCP packets and the arrival times of the former."""
    rtp: list[bytes] = []
    rtcp: list[bytes] = []
    times: list[int] = []
    for block in SpoolReader(file).blocks():
        for row in range(block.settled):
            packet = block.data[block.starts[row] :][: block.sizes[row]]
            (rtcp if block.rtcp[row] else rtp).append(packet)
            if not block.rtcp[row]:
                times.append(block.offsets_ms[row])
    return rtp, rtcp, times


async def until(reached: Callable[[], bool]) -> None:
    """Let the timer drain until something is so."""
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - the timer of the capture is what is waited for
            await asyncio.sleep(0.01)


async def test_receives_rtp_and_rtcp_of_one_stream(capture: Capture, gateway: socket.socket, tmp_path: Path) -> None:
    before = utc_now()
    capture.start()
    port = capture.open(tmp_path / "1.rtpdump")
    assert port % 2 == 0
    for packet in SOUND:
        gateway.sendto(packet, (HOST, port))
    gateway.sendto(goodbye(7), (HOST, port + 1))
    # Multiplexed on the RTP port (RFC 5761), and an empty datagram, which is nothing at all.
    gateway.sendto(goodbye(8), (HOST, port))
    gateway.sendto(b"", (HOST, port))
    await until(lambda: len(spooled(tmp_path / "1.rtpdump")[0]) == 50)
    counts = capture.close(port)
    rtp, rtcp, _ = spooled(tmp_path / "1.rtpdump")
    assert rtp == SOUND
    assert sorted(rtcp) == [goodbye(7), goodbye(8)]
    assert counts["packets"] == 50
    assert counts["bytes"] == sum(map(len, SOUND))
    assert counts["rtcp_packets"] == 2
    assert counts["foreign_sources"] == counts["unspooled_packets"] == counts["late_bytes"] == 0
    assert counts["spool_error"] == ""
    header = SpoolReader(tmp_path / "1.rtpdump").header
    assert (header.address, header.port) == (HOST, port)
    assert before <= header.started_at <= datetime.fromisoformat(counts["first_at"]) + timedelta(milliseconds=1)
    assert counts["first_at"] <= counts["last_at"] <= utc_now().isoformat()


async def test_a_stalled_event_loop_loses_nothing_and_times_stay_true(
    capture: Capture, gateway: socket.socket, tmp_path: Path
) -> None:
    capture.start()
    port = capture.open(tmp_path / "1.rtpdump")
    await asyncio.sleep(0.05)
    for packet in SOUND:
        gateway.sendto(packet, (HOST, port))
        time.sleep(0.01)  # noqa: ASYNC251 - the stall is the point
    await until(lambda: len(spooled(tmp_path / "1.rtpdump")[0]) == 50)
    capture.close(port)
    rtp, _, times = spooled(tmp_path / "1.rtpdump")
    assert rtp == SOUND
    # The kernel's times, not the one moment at which the loop woke up.
    assert times[-1] - times[0] >= 400
    assert times == sorted(times)


async def test_closing_drains_what_the_timer_has_not(capture: Capture, gateway: socket.socket, tmp_path: Path) -> None:
    port = capture.open(tmp_path / "1.rtpdump")
    for packet in SOUND:
        gateway.sendto(packet, (HOST, port))
    assert capture.close(port)["packets"] == 50
    assert spooled(tmp_path / "1.rtpdump")[0] == SOUND


async def test_streams_stay_apart(capture: Capture, gateway: socket.socket, tmp_path: Path) -> None:
    ports = {capture.open(tmp_path / f"{index}.rtpdump"): index for index in range(8)}
    assert capture.open_ports == len(ports) == 8
    for port, index in ports.items():
        gateway.sendto(SOUND[index], (HOST, port))
    capture.drain()
    for port, index in ports.items():
        assert capture.close(port)["packets"] == 1
        assert spooled(tmp_path / f"{index}.rtpdump")[0] == [SOUND[index]]


async def test_a_flooded_port_leaves_the_others_their_turn(
    capture: Capture, gateway: socket.socket, tmp_path: Path
) -> None:
    flooded, sound = capture.open(tmp_path / "1"), capture.open(tmp_path / "2")
    # Empty datagrams are nothing to keep, and no reason to go on for ever.
    for _ in range(400):
        gateway.sendto(b"", (HOST, flooded))
    for _ in range(12):
        gateway.sendto(bytes(60_000), (HOST, flooded))
    gateway.sendto(SOUND[0], (HOST, sound))
    capture.drain()
    assert spooled(tmp_path / "2")[0] == [SOUND[0]]
    assert capture.close(flooded)["packets"] == len(spooled(tmp_path / "1")[0]) > 0


async def test_foreign_senders_are_counted_and_kept(capture: Capture, gateway: socket.socket, tmp_path: Path) -> None:
    port = capture.open(tmp_path / "1.rtpdump")
    gateway.sendto(SOUND[0], (HOST, port))
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HOST, 0))
            other.sendto(SOUND[1], (HOST, port))
            other.sendto(SOUND[2], (HOST, port))
            capture.drain()
    counts = capture.close(port)
    assert counts["packets"] == 5
    assert (counts["foreign_sources"], counts["foreign_packets"]) in {(2, 4), (1, 4)}
    assert len(spooled(tmp_path / "1.rtpdump")[0]) == 5


async def test_ports_run_out_and_come_back(tmp_path: Path) -> None:
    even = free_ports(6)
    # An odd port at either end serves no stream.
    capture = Capture(HOST, PortRange(even - 1, even + 4))
    first, second = capture.open(tmp_path / "1"), capture.open(tmp_path / "2")
    assert {first, second} == {even, even + 2}
    with pytest.raises(Unavailable, match="no RTP port is free"):
        capture.open(tmp_path / "3")
    assert not (tmp_path / "3").exists()
    capture.close(first)
    assert capture.open(tmp_path / "4") == first
    await capture.stop()


async def test_a_port_in_use_elsewhere_is_passed_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        even = free_ports(4)
        stranger.bind((HOST, even + 1))
        capture = Capture(HOST, PortRange(even, even + 3))
        assert capture.open(tmp_path / "1") == even + 2
        await capture.stop()


async def test_a_spool_that_cannot_be_made_frees_its_port(tmp_path: Path) -> None:
    even = free_ports(2)
    capture = Capture(HOST, PortRange(even, even + 1))
    with pytest.raises(Unavailable, match="cannot create a spool file"):
        capture.open(tmp_path / "missing" / "1")
    assert capture.open(tmp_path / "1") == even
    await capture.stop()


async def test_quiet_seconds_count_from_the_last_packet(
    capture: Capture, gateway: socket.socket, tmp_path: Path
) -> None:
    port = capture.open(tmp_path / "1")
    await asyncio.sleep(0.1)
    # Nothing was drained since: a stalled loop is not a silent stream.
    assert capture.quiet_seconds(port) == 0
    capture.drain()
    assert capture.quiet_seconds(port) >= 0.1
    before = time.monotonic()
    gateway.sendto(SOUND[0], (HOST, port))
    capture.drain()
    assert capture.quiet_seconds(port) <= time.monotonic() - before
    with pytest.raises(NotFound):
        capture.quiet_seconds(port + 2)


async def test_one_spool_in_trouble_leaves_the_others_alone(
    capture: Capture, gateway: socket.socket, tmp_path: Path
) -> None:
    capture.start()
    troubled, sound = capture.open(tmp_path / "1"), capture.open(tmp_path / "2")
    with files_of_at_most(4096):
        for packet in SOUND:
            gateway.sendto(packet, (HOST, troubled))
        for packet in SOUND[:10]:
            gateway.sendto(packet, (HOST, sound))
        await until(lambda: capture.failing == (troubled,))
        await until(lambda: len(spooled(tmp_path / "2")[0]) == 10)
        assert len(spooled(tmp_path / "1")[0]) < 50
    await until(lambda: not capture.failing)
    for packet in SOUND[10:]:
        gateway.sendto(packet, (HOST, sound))
    counts = capture.close(troubled)
    assert counts["spool_error"]
    assert counts["unspooled_packets"] == counts["late_bytes"] == 0
    assert spooled(tmp_path / "1")[0] == SOUND
    assert capture.close(sound)["spool_error"] == ""
    assert spooled(tmp_path / "2")[0] == SOUND


async def test_a_spool_in_trouble_at_its_end_is_written_later(
    capture: Capture, gateway: socket.socket, tmp_path: Path
) -> None:
    port = capture.open(tmp_path / "1")
    with files_of_at_most(4096):
        for packet in SOUND:
            gateway.sendto(packet, (HOST, port))
        capture.drain()
        counts = capture.close(port)
        assert not capture.written(tmp_path)
        assert 0 < len(spooled(tmp_path / "1")[0]) < 50
    assert (counts["packets"], counts["unspooled_packets"]) == (50, 0)
    assert counts["late_bytes"] > 0
    assert counts["spool_error"]
    assert capture.written(tmp_path)
    assert spooled(tmp_path / "1")[0] == SOUND
    assert capture.written(tmp_path), "nothing is left to write"


async def test_stopping_closes_every_port(gateway: socket.socket, tmp_path: Path) -> None:
    capture = Capture(HOST, PORTS)
    capture.start()
    ports = [capture.open(tmp_path / f"{index}") for index in range(3)]
    for port in ports:
        gateway.sendto(SOUND[0], (HOST, port))
    await capture.stop()
    assert capture.open_ports == 0
    assert [spooled(tmp_path / f"{index}")[0] for index in range(3)] == [[SOUND[0]]] * 3


async def test_receives_on_ipv6(tmp_path: Path) -> None:
    capture = Capture("::1", PORTS)
    try:
        port = capture.open(tmp_path / "1")
    except Unavailable:
        pytest.skip("this machine has no IPv6")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as gateway:
        gateway.sendto(SOUND[0], ("::1", port))
        assert capture.close(port)["packets"] == 1
    await capture.stop()
    assert SpoolReader(tmp_path / "1").header.address == "::1"
    assert spooled(tmp_path / "1")[0] == [SOUND[0]]


async def test_a_pause_counts_sound_but_keeps_none_of_it(
    capture: Capture, gateway: socket.socket, tmp_path: Path
) -> None:
    port = capture.open(tmp_path / "1")

    def send(*numbers: int) -> None:
        for number in numbers:
            gateway.sendto(SOUND[number], (HOST, port))

    send(0, 1)
    # What had come before the pause belongs to the recording, what came during it does not: nobody drained in between.
    capture.pause(port)
    send(2, 3, 4)
    gateway.sendto(goodbye(7), (HOST, port + 1))
    capture.resume(port)
    send(5)
    counts = capture.close(port)
    rtp, rtcp, _ = spooled(tmp_path / "1")
    assert rtp == [SOUND[0], SOUND[1], SOUND[5]]
    assert (counts["packets"], counts["paused_packets"]) == (3, 3)
    assert (rtcp, counts["rtcp_packets"]) == ([goodbye(7)], 1)


async def test_packets_of_many_lengths_stay_as_they_are(
    capture: Capture, gateway: socket.socket, tmp_path: Path
) -> None:
    port = capture.open(tmp_path / "1")
    sent = [bytes([0x80, 8]) + bytes(length) for length in (12, 40, 1400, 9000, 65_000, 12, 0)]
    for packet in sent:
        gateway.sendto(packet, (HOST, port))
        gateway.sendto(b"", (HOST, port))
        capture.drain()
    # Of one length but for the last, and all in one drain.
    more = [*SOUND[:20], SOUND[20][:100]]
    for packet in more:
        gateway.sendto(packet, (HOST, port))
    counts = capture.close(port)
    assert spooled(tmp_path / "1")[0] == [*sent, *more]
    assert counts["bytes"] == sum(map(len, [*sent, *more]))


async def test_multiplexed_rtcp_needs_no_second_port(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway,
    ):
        even = free_ports(2)
        stranger.bind((HOST, even + 1))
        capture = Capture(HOST, PortRange(even, even + 1))
        with pytest.raises(Unavailable):
            capture.open(tmp_path / "1")
        port = capture.open(tmp_path / "2", mux=True)
        gateway.sendto(SOUND[0], (HOST, port))
        gateway.sendto(goodbye(7), (HOST, port))
        counts = capture.close(port)
    assert (counts["packets"], counts["rtcp_packets"]) == (1, 1)
    assert spooled(tmp_path / "2")[:2] == ([SOUND[0]], [goodbye(7)])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what it dropped")
async def test_what_the_kernel_had_no_room_for_is_counted(gateway: socket.socket, tmp_path: Path) -> None:
    capture = Capture(HOST, PORTS)
    port = capture.open(tmp_path / "1")
    sent = 0
    # Nobody reads: half a MiB, doubled, holds less than this of such packets.
    for _ in range(2 * RECEIVE_BUFFER // 1000 * 3):
        sent += bool(gateway.sendto(bytes([0x80, 8]) + bytes(1000), (HOST, port)))
    counts = capture.close(port)
    assert counts["kernel_dropped"] > 0
    assert counts["packets"] + counts["kernel_dropped"] == sent
    assert len(spooled(tmp_path / "1")[0]) == counts["packets"]


async def test_more_sockets_than_one_slice_reads_all_get_their_turn(gateway: socket.socket, tmp_path: Path) -> None:
    first = media_ports(500)
    capture = Capture(HOST, PortRange(first, first + 499), interval=0.05)
    capture.start()
    ports = [capture.open(tmp_path / f"{number}") for number in range(200)]
    # Ports that close while others wait for their turn take nothing from those.
    for port in ports[::2]:
        capture.close(port)
    for packet in SOUND[:10]:
        for port in ports[1::2]:
            gateway.sendto(packet, (HOST, port))
    await until(lambda: all(len(spooled(tmp_path / f"{number}")[0]) == 10 for number in range(1, 200, 2)))
    await capture.stop()


async def test_streams_share_what_may_wait_for_a_full_disk(gateway: socket.socket, tmp_path: Path) -> None:
    capture = Capture(HOST, PORTS, held=4000)
    ports = [capture.open(tmp_path / f"{number}") for number in range(4)]
    with files_of_at_most(64):
        for packet in SOUND:
            for port in ports:
                gateway.sendto(packet, (HOST, port))
            capture.drain()
        counts = [capture.close(port) for port in ports]
    # A drain's worth beyond the share is taken before it shows, for the first one when it was alone in trouble.
    assert all(1000 <= count["late_bytes"] <= 2000 for count in counts)
    assert all(count["packets"] == 50 and count["unspooled_packets"] >= 38 for count in counts)


async def test_too_few_open_files_are_named_with_their_remedy(tmp_path: Path) -> None:
    capture = Capture(HOST, PORTS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.open(tmp_path, os.O_RDONLY) for _ in range(3)]
    # Three are free below the limit: enough for one stream.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened) + 1, hard))
    try:
        for descriptor in opened:
            os.close(descriptor)
        capture.open(tmp_path / "1")
        with pytest.raises(Unavailable, match="raise the limit of open files"):
            capture.open(tmp_path / "2")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert capture.open(tmp_path / "3") != 0
    await capture.stop()
