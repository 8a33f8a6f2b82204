"""What a piece of code asks of the disk, in its order: syncs and renames, seen by Python's own profiling hook.

Nothing is replaced and everything really happens; threads that begin while it watches are watched too.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SYNC, SYNC_ALL, RENAME = "sync", "sync all", "rename"
Step = tuple[str, str]


@contextmanager
def watched_disk() -> Iterator[list[Step]]:
    """Steps as they are made: ``(sync, PATH)``, ``(sync all, "")`` and ``(rename, NEW NAME)``."""
    steps: list[Step] = []

    def see(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and called is os.fsync:
            steps.append((SYNC, str(Path(f"/proc/self/fd/{_descriptor(frame)}").readlink())))
        elif event == "c_call" and called in (os.rename, os.replace):
            steps.append((RENAME, str(frame.f_locals.get("target", ""))))
        elif event == "call" and frame.f_code.co_name == "sync_file_system":
            steps.append((SYNC_ALL, ""))

    threading.setprofile(see)
    sys.setprofile(see)
    try:
        yield steps
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _descriptor(frame: FrameType) -> int:
    """Of a file or a descriptor, by whichever of the names that the code has for it."""
    held = [frame.f_locals[name] for name in ("handle", "descriptor", "file") if name in frame.f_locals]
    (one,) = held
    return one if isinstance(one, int) else one.fileno()
