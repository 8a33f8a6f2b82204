"""Where a file lies while it is taken in: a directory of its own beside the data, gone afterwards."""

import shutil
import tempfile
import time
from contextlib import suppress

from core.errors import Unavailable
from core.settings import Settings

MEGABYTE = 1 << 20
# What a process that was killed in the middle has left behind.
LEFT_BEHIND_SECONDS = 86400.0


def incoming(settings: Settings) -> "tempfile.TemporaryDirectory[str]":
    """A new directory, its place swept of what was left behind; ``Unavailable`` while the disk is nearly full."""
    place = settings.data_dir / "uploads"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in place.iterdir():
        with suppress(FileNotFoundError):  # one beside this one has just ended
            if time.time() - old.stat().st_mtime > LEFT_BEHIND_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    require_room(settings)
    return tempfile.TemporaryDirectory(dir=place)


def require_room(settings: Settings) -> None:
    """``Unavailable`` while the disk is nearly full; asked again while a file grows: it may be all that fills it."""
    free = shutil.disk_usage(settings.data_dir).free // MEGABYTE
    if free < settings.spool_min_free_mb:
        raise Unavailable(
            "磁盘快满了，文件须等候，以便通话照常录音 / the disk is nearly full: files wait so that calls are recorded",
            free_mb=free,
            remedy="腾出空间 / make room on the disk of HUIYIN_DATA_DIR",
        )
