"""rtpdump files: the exact octets, round trips, and tails that a crash cut off."""

import itertools
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telephony.rtp.spool import PENDING_LIMIT, SpoolHeader, SpoolReader, SpoolWriter
from tests.full_disk import files_of_at_most
from tests.spools import STARTED, packets, tone, write_spool

Record = tuple[bytes, int, bool]
records = st.tuples(st.binary(min_size=1, max_size=300), st.integers(0, 0xFFFF_FFFF), st.booleans())


def read(file: Path, size: int = 1 << 18, preview: int = 0) -> tuple[list[Record], int]:
    reader = SpoolReader(file)
    found = [
        (block.data[block.starts[row] :][: block.sizes[row]], block.offsets_ms[row], block.rtcp[row])
        for block in reader.blocks(size, preview)
        for row in range(block.settled)
    ]
    return found, reader.unread


def write(file: Path, content: list[Record]) -> Path:
    file.unlink(missing_ok=True)
    writer = SpoolWriter(file, SpoolHeader("127.0.0.1", 20002, STARTED))
    for packet, offset_ms, rtcp in content:
        writer.append(packet, offset_ms, rtcp=rtcp)
    assert writer.close()
    return file


def test_the_octets_of_the_format(tmp_path: Path) -> None:
    file = tmp_path / "1.rtpdump"
    writer = SpoolWriter(file, SpoolHeader("192.0.2.1", 20002, datetime(1970, 1, 1, 0, 0, 5, 7, tzinfo=UTC)))
    writer.append(b"\x80\x08ab", 20)
    writer.append(b"\x80\xc8", 21, rtcp=True)
    assert writer.close()
    assert file.read_bytes() == (
        b"#!rtpplay1.0 192.0.2.1/20002\n"
        b"\x00\x00\x00\x05\x00\x00\x00\x07\xc0\x00\x02\x01\x4e\x22\x00\x00"
        b"\x00\x0c\x00\x04\x00\x00\x00\x14\x80\x08ab"
        b"\x00\x0a\x00\x00\x00\x00\x00\x15\x80\xc8"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, max_size=30), st.integers(1, 700), st.integers(0, 5))
def test_round_trip(tmp_path: Path, content: list[Record], size: int, preview: int) -> None:
    assert read(write(tmp_path / "a", content), size, preview) == (content, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, min_size=1, max_size=8), st.data())
def test_a_cut_tail_costs_only_the_record_it_cuts(tmp_path: Path, content: list[Record], data: st.DataObject) -> None:
    file = write(tmp_path / "a", content)
    whole = file.stat().st_size
    cut = data.draw(st.integers(1, 7 + len(content[-1][0])))
    os.truncate(file, whole - cut)
    found, unread = read(file, data.draw(st.integers(1, 700)))
    assert found == content[:-1]
    assert unread == 8 + len(content[-1][0]) - cut


def test_a_tail_of_zeros_is_told_and_not_read(tmp_path: Path) -> None:
    file = write_spool(tmp_path / "a", packets(tone(100)))
    with file.open("ab") as stream:
        stream.write(bytes(5000))
    found, unread = read(file, 900)
    assert len(found) == 5
    assert unread == 5000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_any_file_is_read_or_refused(tmp_path: Path, garbage: bytes, with_header: bool) -> None:
    file = tmp_path / "a"
    file.write_bytes((bytes(SpoolHeader("127.0.0.1", 1, STARTED)) if with_header else b"") + garbage)
    with suppress(ValueError):
        found, unread = read(file, 16)
        assert sum(8 + len(packet) for packet, _, _ in found) + unread == len(garbage)


def test_a_preview_shows_what_comes_next(tmp_path: Path) -> None:
    file = write_spool(tmp_path / "a", packets(tone(2000)))
    blocks = list(SpoolReader(file).blocks(20 * 180, preview=3))
    assert len(blocks) > 3
    for block, following in itertools.pairwise(blocks):
        assert len(block.starts) - block.settled == 3
        assert block.offsets_ms[block.settled :] == following.offsets_ms[:3]
    assert blocks[-1].settled == len(blocks[-1].starts)


def test_refuses_what_is_no_rtpdump(tmp_path: Path) -> None:
    file = tmp_path / "a"
    for content in (b"", b"#!rtpplay1.0 ", b"#!rtpplay1.0 127.0.0.1/5\n\x00", b"RIFF" + bytes(60)):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="rtpdump"):
            SpoolReader(file)


def test_never_writes_over_a_spool(tmp_path: Path) -> None:
    file = write_spool(tmp_path / "a", [])
    with pytest.raises(FileExistsError):
        SpoolWriter(file, SpoolHeader("127.0.0.1", 1, STARTED))


def test_a_full_disk_holds_nothing_back_for_good(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "a", SpoolHeader("127.0.0.1", 1, STARTED))
    content = [(bytes([number]) * 1000, number, False) for number in range(1, 9)]
    with files_of_at_most(4096):
        for packet, offset_ms, rtcp in content:
            writer.append(packet, offset_ms, rtcp=rtcp)
        assert not writer.flush()
        assert writer.error
        # The disk took what it could, in the middle of a record; the rest waits.
        assert (tmp_path / "a").stat().st_size == 4096
    assert writer.close()
    assert read(tmp_path / "a") == (content, 0)


def test_what_waits_for_the_disk_has_a_limit(tmp_path: Path) -> None:
    with files_of_at_most(4096):
        writer = SpoolWriter(tmp_path / "a", SpoolHeader("127.0.0.1", 1, STARTED))
        for _ in range(PENDING_LIMIT // 60_000 + 3):
            writer.append(bytes(60_000), 0)
            writer.flush()
        assert writer.refused == 2
        assert not writer.close()
    assert read(tmp_path / "a")[0] == []


# rtpdump keeps milliseconds; every packet here looks like RTP, so that a record is known by more than its length.
HEADER = SpoolHeader("127.0.0.1", 20002, STARTED)
spoken = st.integers(20, 200).map(lambda size: b"\x80" + bytes(size))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.integers(0, 60), st.integers(5, 60), spoken, st.data())
def test_what_lies_behind_damage_is_read(
    tmp_path: Path, before: int, after: int, packet: bytes, data: st.DataObject
) -> None:
    """Records on both sides of overwritten, missing or added octets come back; the rest is told."""
    spool = tmp_path / "a.rtpdump"
    spool.unlink(missing_ok=True)
    writer = SpoolWriter(spool, HEADER)
    for number in range(before + 1 + after):
        writer.append(packet, 20 * number)
    assert writer.close()
    whole, record = spool.read_bytes(), len(packet) + 8
    first = len(whole) - record * (after + 1)
    start = first + data.draw(st.integers(0, 7))
    garbage = data.draw(st.sampled_from([b"", bytes(4096), b"\xff" * 100, b"\x00\x09" * 40]))
    missing = data.draw(st.integers(1, record - 1))
    spool.write_bytes(whole[:start] + garbage + whole[start + missing :])
    reader = SpoolReader(spool)
    offsets = [offset for block in reader.blocks(size=3000, preview=5) for offset in block.offsets_ms[: block.settled]]
    assert offsets[:before] == [20 * number for number in range(before)]
    # The record behind the damage may have lost its first octets with it.
    assert offsets[-after + 1 :] == [20 * number for number in range(before + 2, before + 1 + after)]
    # As many octets as are missing, behind the lengths of a record, leave its form whole: that cannot be seen.
    if len(garbage) != missing or start < first + 4:
        assert reader.damaged
    assert not reader.cut_short
    assert reader.unread == len(whole) - missing + len(garbage) - len(bytes(HEADER)) - record * len(offsets)
