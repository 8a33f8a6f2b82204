"""A command whose every line is taken by hand: it cannot run ahead of whoever reads, however slow that one is.

A pipe of one page in packet mode (Linux) holds what was written at once; the next writing waits until that is read.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.running import ROOT

PAGE = 4096


@dataclass(frozen=True)
class Lockstep:
    """A running command that is at most a line and what lies between two lines ahead."""

    child: "subprocess.Popen[bytes]"
    lines: int

    def line(self) -> str:
        """What it says next; empty when it has ended."""
        return os.read(self.lines, PAGE).decode()

    def until(self, words: str) -> str:
        """Take lines up to one with these words."""
        while line := self.line():
            if words in line:
                return line
        raise AssertionError(f"it ended without saying {words}")

    def says_something(self) -> bool:
        """Whether a line waits to be taken."""
        return bool(_waiting(self.lines))

    def kill(self) -> None:
        """kill -9."""
        self.child.kill()
        self.child.wait()


def _waiting(descriptor: int) -> int:
    size = fcntl.ioctl(descriptor, 0x541B, b"\0\0\0\0")  # FIONREAD
    return int.from_bytes(size, sys.byteorder)


@contextmanager
def lockstep(variables: Mapping[str, str], *arguments: str) -> Iterator[Lockstep]:
    """Run ``huiyin ARGUMENTS``; killed at the end if it still runs."""
    ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_DIRECT)
    try:
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, PAGE)
        command = [sys.executable, "-m", "service", *arguments]
        child = subprocess.Popen(command, env=dict(variables), cwd=ROOT, stdout=theirs)
        os.close(theirs)
        running = Lockstep(child, ours)
        try:
            yield running
        finally:
            if child.poll() is None:
                running.kill()
    finally:
        os.close(ours)
