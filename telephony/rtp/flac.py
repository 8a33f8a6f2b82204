"""Stretches of samples to a FLAC file, atomically and durably."""

import os
from collections.abc import Iterator
from contextlib import suppress
from io import SEEK_SET
from pathlib import Path
from typing import BinaryIO

import soundfile

from telephony.rtp.codecs import Samples


class _Output:
    """The file that libsndfile writes to.  It swallows errors of its callbacks, so the first one is kept here."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error:
            return 0
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            return 0

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def write_flac(target: Path, stretches: Iterator[Samples], rate: int) -> int:
    """Write stereo stretches and return how many samples each channel has; raises ``OSError`` and then leaves no half
    file behind."""
    temporary = target.with_name(target.name + ".new")
    try:
        with temporary.open("w+b") as file:
            length = _encode(_Output(file), stretches, rate)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)
    return length


def _encode(output: _Output, stretches: Iterator[Samples], rate: int) -> int:
    length = 0
    with soundfile.SoundFile(output, "w", rate, 2, "PCM_16", format="FLAC") as flac:
        for stretch in stretches:
            flac.write(stretch)
            length += len(stretch)
            if output.error:
                raise output.error
    if output.error:
        raise output.error
    return length


def _sync_directory(directory: Path) -> None:
    """A rename is durable once its directory is."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
