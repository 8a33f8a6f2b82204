"""A finished bag as one ZIP file: audio is stored as it is, text is deflated, no limit of 4 GiB."""

import os
import zipfile
from pathlib import Path
from typing import IO

# Sound is compressed already.
STORED = {".flac", ".docx", ".xlsx", ".zip"}
# The time of the files says nothing here, and the same bag should make the same ZIP file.
TIME = (1980, 1, 1, 0, 0, 0)


def zip_bag(bag: Path, target: Path) -> None:
    """Write the bag into ``target``, under a directory of the target's name; it appears whole or not at all."""
    partial = target.with_name(target.name + ".partial")
    with partial.open("wb") as file:
        write_zip(bag, file, target.stem)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)


def write_zip(bag: Path, file: IO[bytes], top: str) -> None:
    """Write the bag as a ZIP file, beginning where ``file`` stands."""
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for path in sorted(one for one in bag.rglob("*") if one.is_file()):
            info = zipfile.ZipInfo(f"{top}/{path.relative_to(bag).as_posix()}", TIME)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if path.suffix in STORED else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as out:
                while chunk := source.read(1 << 20):
                    out.write(chunk)
