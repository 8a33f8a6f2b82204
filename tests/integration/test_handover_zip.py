"""ZIP files beyond 4 GiB, without 4 GiB on the disk: the bag is written behind a hole of 5 GiB in a sparse file.

What it shows: offsets beyond 32 bits are written and read, by our reader, by Python's and by Info-ZIP, and each entry
tells its sizes in 64 bits.  What it does not show: a single file of more than 4 GiB, which no recording is.
"""

import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from retention.handover.verify_handover import check_bag
from retention.handover.zipping import write_zip, zip_bag
from tests.bags import Made, make_bag

HOLE = 5 << 30
ZIP64 = 0x0001


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bag(tmp_path_factory.mktemp("zipped"))


@pytest.fixture
def far(made: Made, tmp_path: Path) -> Path:
    """The bag's ZIP file, all of it beyond 5 GiB."""
    place = tmp_path / "bag.zip"
    with place.open("wb") as file:
        file.truncate(HOLE)
        file.seek(HOLE)
        write_zip(made.bag, file, "bag")
    return place


def test_everything_lies_beyond_four_gibibytes(made: Made, far: Path) -> None:
    assert far.stat().st_size > HOLE
    assert far.stat().st_blocks * 512 < 64 << 20, "a hole takes no room"
    with zipfile.ZipFile(far) as archive:
        assert min(info.header_offset for info in archive.infolist()) >= HOLE
        assert archive.testzip() is None
        for path in sorted(one for one in made.bag.rglob("*") if one.is_file()):
            assert archive.read(f"bag/{path.relative_to(made.bag).as_posix()}") == path.read_bytes()
    assert not check_bag(far, str(made.key.verifier)).faults


def test_another_program_reads_it(made: Made, far: Path, tmp_path: Path) -> None:
    unzip = shutil.which("unzip")
    if unzip is None:
        pytest.skip("Info-ZIP is not installed")
    audio = next((made.bag / "data/recordings").rglob("audio.flac")).relative_to(made.bag).as_posix()
    done = subprocess.run([unzip, "-p", far, f"bag/{audio}"], capture_output=True, timeout=240)
    assert done.stdout == (made.bag / audio).read_bytes(), done.stderr


def test_every_entry_tells_its_sizes_in_64_bits(made: Made, tmp_path: Path) -> None:
    """So that a reader which streams needs not know beforehand how large a file is."""
    place = tmp_path / "bag.zip"
    zip_bag(made.bag, place)
    with zipfile.ZipFile(place) as archive, place.open("rb") as file:
        for info in archive.infolist():
            file.seek(info.header_offset)
            header = struct.unpack("<4s5H3L2H", file.read(30))
            assert header[0] == b"PK\x03\x04"
            assert header[7:9] == (0xFFFFFFFF, 0xFFFFFFFF), info.filename
            file.read(header[9])
            kind, length = struct.unpack("<2H", file.read(4))
            assert (kind, length) == (ZIP64, 16), info.filename
            size, packed = struct.unpack("<2Q", file.read(16))
            assert (size, packed) == (info.file_size, info.compress_size)
