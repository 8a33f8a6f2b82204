"""What a recorder watches, on real ports and a real spool: ports that run out, packets that the kernel drops."""

import socket
from dataclasses import replace
from pathlib import Path

from archive.connect import connect_store
from archive.house import Archive
from core.alerts import PACKETS_DROPPED, PORTS_EXHAUSTED, SPOOL_FULL, STORE_AWAY
from core.clock import utc_now
from core.ids import new_id
from core.settings import PortRange
from service.alarms import Alarms
from service.room import MEGABYTE, Room
from service.store_watch import watching_store
from service.watch import Watch, room_in
from telephony.call import CallFacts
from telephony.rtp.capture import Capture
from tests.integration.test_alarms import until
from tests.ports import free_port, free_ports
from tests.recording import Observer
from tests.spools import call

# Room for two streams.
PORTS = 4


def _ports() -> PortRange:
    first = free_ports(PORTS)
    return PortRange(first, first + PORTS - 1)


def _standing(alarms: Alarms) -> list[str]:
    return list(alarms.standing)


async def test_ports_that_run_out_are_an_alert(tmp_path: Path) -> None:
    ports = _ports()
    capture = Capture("127.0.0.1", ports)
    alarms = Alarms("recorder", utc_now)
    watch = Watch(alarms, capture, ports, room_in(tmp_path, 0, capture), Observer())
    watch.look()
    assert _standing(alarms) == []
    port = capture.open(tmp_path / "1.rtpdump")
    watch.look()
    assert _standing(alarms) == [PORTS_EXHAUSTED], "a call of two parties finds no room any more"
    assert watch.figures()["ports_free"] == 1
    capture.close(port)
    watch.look()
    assert _standing(alarms) == []
    await capture.stop()


async def test_packets_that_the_kernel_dropped_are_an_alert(tmp_path: Path) -> None:
    ports = _ports()
    capture = Capture("127.0.0.1", ports)
    alarms, observer = Alarms("recorder", utc_now), Observer()
    watch = Watch(alarms, capture, ports, room_in(tmp_path, 0, capture), observer)
    port = capture.open(tmp_path / "1.rtpdump")
    facts = replace(call("agent"), recording_id=new_id())
    watch.started(facts)
    assert watch.figures()["calls"] == 1
    # Nobody drains meanwhile: the kernel's buffer runs over.
    packet = bytes((0x80, 8, 0, 1)) + bytes(1000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(20_000):
            sender.sendto(packet, ("127.0.0.1", port))
    received = capture.close(port)
    assert received["kernel_dropped"] > 0
    finished: CallFacts = replace(facts, streams=(replace(facts.streams[0], received=received),))
    watch.finished(finished, tmp_path)
    watch.look()
    assert alarms.standing == (PACKETS_DROPPED,)
    assert (await observer.done.get())[0] == finished, "it is passed on"
    assert watch.figures()["calls"] == 0
    await capture.stop()


async def test_a_spool_without_room_is_an_alert(tmp_path: Path) -> None:
    capture = Capture("127.0.0.1", _ports())
    alarms = Alarms("recorder", utc_now)
    more_than_any_disk = Room(tmp_path, 1 << 62, lambda: False)
    watch = Watch(alarms, capture, PortRange(20000, 20999), more_than_any_disk, Observer())
    watch.look()
    assert alarms.standing == (SPOOL_FULL,)
    assert watch.figures()["free_mb"] == more_than_any_disk.free_octets // MEGABYTE
    await capture.stop()


async def test_a_store_that_is_away_is_an_alert(archive: Archive) -> None:
    away = replace(archive, store=connect_store(f"s3://key:secret@127.0.0.1:{free_port()}/evidence?secure=false"))
    alarms = Alarms("worker", utc_now)
    async with watching_store(away, alarms):
        await until(lambda: alarms.standing == (STORE_AWAY,))
    await away.store.close()
    async with watching_store(archive, alarms):
        await until(lambda: alarms.standing == ())
