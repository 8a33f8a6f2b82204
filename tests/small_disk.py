"""A real file system of a few megabytes, so that it can really be full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import Missing

# Enough files for many calls: the service itself watches how many more there is room for.
INODES = 20_000


class SmallDisk:
    """A mounted file system that a test fills and empties."""

    def __init__(self, path: Path) -> None:
        self.path, self._ballast = path, path / "ballast"

    @property
    def free(self) -> int:
        """Octets that are left."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leave: int) -> None:
        """Take everything but ``leave`` octets."""
        with self._ballast.open("ab", buffering=0) as file:
            # Somebody else may be writing, too: whoever comes first gets the rest.
            while (wanted := self.free - leave) > 0:
                try:
                    file.write(bytes(min(wanted, 1 << 20)))
                except OSError:
                    return

    def make_read_only(self) -> None:
        """As the kernel does when a disk fails."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)

    def empty(self) -> None:
        """Give it all back."""
        self._ballast.unlink()


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount it at ``path``; ``Missing`` where mounting is not allowed."""
    path.mkdir()
    options = f"size={megabytes}m,nr_inodes={INODES}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True)
    if mounted.returncode:
        raise Missing("a small disk cannot be mounted here: run as root, with CAP_SYS_ADMIN")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
