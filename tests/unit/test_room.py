"""Room for one more call: what is kept free, what is refused, and how rarely the disk is asked."""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from service.room import LEAST_FILES, LOOK_EVERY_SECONDS, Room, Space

MINIMUM = 100 << 20


@dataclass
class Disk:
    """A file system, a clock, and how often it was looked at."""

    space: Space | None = field(default_factory=lambda: Space(10 * MINIMUM, None))
    refusing: bool = False
    seconds: float = 0.0
    looks: int = 0

    def space_of(self, directory: Path) -> Space:
        self.looks += 1
        if self.space is None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self.space

    def room(self) -> Room:
        return Room(Path("/spool"), MINIMUM, lambda: self.refusing, now=lambda: self.seconds, space_of=self.space_of)

    def later(self) -> None:
        self.seconds += LOOK_EVERY_SECONDS


def test_it_is_looked_at_once_a_second_however_often_it_is_asked() -> None:
    disk = Disk()
    room = disk.room()
    assert [room() for _ in range(1000)] == [""] * 1000
    assert disk.looks == 1
    disk.later()
    assert room() == ""
    assert disk.looks == 2


def test_the_last_megabytes_are_kept_and_admission_does_not_flutter() -> None:
    disk = Disk(Space(MINIMUM - 1, None))
    room = disk.room()
    assert "99 MB left" in room()
    disk.space = Space(MINIMUM + 1, None)
    disk.later()
    assert "HUIYIN_SPOOL_MIN_FREE_MB" in room(), "a little more is not enough"
    disk.space = Space(MINIMUM + MINIMUM // 5, None)
    disk.later()
    assert room() == ""
    disk.space = Space(MINIMUM + 1, None)
    disk.later()
    assert room() == "", "above the minimum nothing is refused"


def test_files_run_out_before_space_does() -> None:
    disk = Disk(Space(10 * MINIMUM, LEAST_FILES - 1))
    assert "999 more files" in disk.room()()


def test_spools_that_refuse_writes_are_noticed_at_once() -> None:
    disk = Disk()
    room = disk.room()
    assert room() == ""
    disk.refusing = True
    assert room() == "the spool refuses writes"


def test_a_spool_that_is_gone_has_no_room() -> None:
    assert "cannot be reached" in Disk(None).room()()


def test_a_real_directory_has_some(tmp_path: Path) -> None:
    room = Room(tmp_path, 0, lambda: False)
    assert room() == ""
    assert room.free_octets > 0
