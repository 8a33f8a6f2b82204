"""The watched folder as it is found: which files lie there, one read as it stood, taken ones put away.

Whoever may write there is not trusted with more: everything goes by names within one open directory, no link is
followed, and only plain files are opened.  Functions block; ``OSError`` when the folder or a file refuses.
"""

import fcntl
import os
import re
import secrets
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePath

from api.intake.facts_beside import SIDES

SOUNDS = (".wav", ".mp3", ".ogg", ".oga", ".opus", ".flac")
DONE, LOCK = "done", ".huiyin.lock"
_PIECE = 1 << 20
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# A length that a WAV file states while its writer does not know it yet.
_OPEN_LENGTHS = (0, 0xFFFFFFFF)


@dataclass(frozen=True)
class Seen:
    """A plain file as one look found it: the same again means that nobody has touched it."""

    name: str
    size: int
    changed_ns: tuple[int, int]
    inode: int

    @property
    def stem(self) -> str:
        return PurePath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePath(self.name).suffix.lower()


@dataclass(frozen=True)
class Look:
    """What lies there: sound files, oldest first; side files by stem; how much of it is neither and is left alone."""

    sounds: tuple[Seen, ...]
    sides: dict[str, Seen]
    others: int


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Whether this process is the one that works on the folder, while the block runs (flock, so it ends with it)."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def look(folder: Path) -> Look:
    """Names that begin with a dot, and such as ``.part`` and ``.tmp``, are nobody's business yet."""
    sounds, sides, others = list[Seen](), dict[str, Seen](), 0
    with _opened(folder) as directory, os.scandir(directory) as entries:
        for entry in entries:
            suffix = PurePath(entry.name).suffix.lower()
            if entry.name.startswith(".") or entry.name == DONE:
                continue
            if suffix not in SOUNDS + SIDES or not entry.is_file(follow_symlinks=False):
                others += 1
                continue
            with suppress(FileNotFoundError):  # gone since
                seen = _seen(entry.name, entry.stat(follow_symlinks=False))
                if suffix in SOUNDS:
                    sounds.append(seen)
                else:
                    sides[seen.stem] = seen
    return Look(tuple(sorted(sounds, key=lambda each: (each.changed_ns, each.name))), sides, others)


def copy(folder: Path, seen: Seen, target: Path) -> bool:
    """Copy a file to ``target`` as it was seen; ``False`` when it is another one by now, or somebody writes to it."""
    with _opened(folder) as directory, _plain(directory, seen) as source:
        if source is None or _is_written(source):
            return False
        with target.open("wb") as copied:
            while piece := os.read(source, _PIECE):
                copied.write(piece)
        return _seen(seen.name, os.fstat(source)) == seen and _stands(directory, seen)


def read(folder: Path, seen: Seen, most: int) -> bytes | None:
    """The content of a small file as it was seen, or ``None``; ``ValueError`` when it is longer than ``most``."""
    if seen.size > most:
        raise ValueError(f"信息文件超过 {most // 1024} KiB / the side file is longer than {most // 1024} KiB")
    with _opened(folder) as directory, _plain(directory, seen) as source:
        if source is None:
            return None
        content = os.read(source, most + 1)
        return content if len(content) == seen.size and _stands(directory, seen) else None


def is_open_ended(head: bytes, size: int) -> bool:
    """Whether a file's first octets say that more is to come: it is empty, or a WAV whose length is not filled in or
    is more than what is there."""
    if size == 0:
        return True
    if head[:4] != b"RIFF" or len(head) < 8:
        return False
    stated = int.from_bytes(head[4:8], "little")
    return stated in _OPEN_LENGTHS or stated + 8 > size


def put_away(folder: Path, seen: Seen, day: date | None) -> None:
    """Move a file to ``done`` of that day, or remove it (``None``); one that is another by now is left."""
    with _opened(folder) as directory:
        if not _stands(directory, seen):
            return
        if day is None:
            os.unlink(seen.name, dir_fd=directory)
            return
        with _within(directory, DONE) as done, _within(done, day.isoformat()) as place:
            name = f"{secrets.token_hex(8)}{seen.suffix}" if _there(place, seen.name) else seen.name
            os.rename(seen.name, name, src_dir_fd=directory, dst_dir_fd=place)


def clear_done(folder: Path, before: date) -> int:
    """Remove what was put away before that day; how many files that were."""
    removed = 0
    with _opened(folder) as directory:
        if not _there(directory, DONE):
            return 0
        with _within(directory, DONE) as done:
            for day in _names(done):
                if not _DAY.fullmatch(day) or day >= before.isoformat():
                    continue
                with _within(done, day) as place:
                    for name in _names(place):
                        os.unlink(name, dir_fd=place)
                        removed += 1
                os.rmdir(day, dir_fd=done)
    return removed


def _names(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries)


def _seen(name: str, found: os.stat_result) -> Seen:
    return Seen(name, found.st_size, (found.st_mtime_ns, found.st_ctime_ns), found.st_ino)


def _stands(directory: int, seen: Seen) -> bool:
    """Whether that name is still that file."""
    try:
        return _seen(seen.name, os.stat(seen.name, dir_fd=directory, follow_symlinks=False)) == seen
    except FileNotFoundError:
        return False


def _there(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _within(directory: int, name: str) -> Iterator[int]:
    """A directory of ours in there, made if need be; a link in its place is an ``OSError``."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o750, dir_fd=directory)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _plain(directory: int, seen: Seen) -> Iterator[int | None]:
    """The file, opened for reading; ``None`` when that name is something else by now.  A FIFO must not hold us up."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(seen.name, flags, dir_fd=directory)
    except FileNotFoundError:
        yield None
        return
    try:
        found = os.fstat(descriptor)
        yield descriptor if stat.S_ISREG(found.st_mode) and _seen(seen.name, found) == seen else None
    finally:
        os.close(descriptor)


def _is_written(descriptor: int) -> bool:
    """Whether some process of this machine has the file open for writing: then no read lease is given (fcntl(2)).
    Where leases are not known, or not ours to take, nobody is told and the standstill must do."""
    try:
        # A writer that comes while we hold it is announced by this signal, which does nothing by default.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
