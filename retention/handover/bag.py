"""A BagIt bag (RFC 8493): manifests, tag files, and the check before it is called finished.  Only importer of bagit.

The payload is hashed while it is written (`writing`), not read once more; then the library reads everything back from
the disk with code that is not ours.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import bagit

from core.errors import Damaged
from retention.handover.journal import Journal

ALGORITHMS = ("sha256", "sha512")
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
TAG_MANIFESTS = tuple(f"tagmanifest-{algorithm}.txt" for algorithm in ALGORITHMS)
# The library logs each file that it has looked at.
logging.getLogger("bagit").setLevel(logging.ERROR)


def write_manifests(bag: Path, journal: Journal) -> None:
    """The payload manifests, by path, from what was noted while writing.  Our keys need no encoding of line ends."""
    for algorithm in ALGORITHMS:
        with (bag / f"manifest-{algorithm}.txt").open("w", encoding="utf-8", newline="\n") as file:
            for written in journal.under():
                file.write(f"{getattr(written, algorithm)}  {written.path}\n")


def write_declaration(bag: Path, info: Mapping[str, str], journal: Journal) -> None:
    """``bagit.txt`` and ``bag-info.txt``; Payload-Oxum comes from the journal."""
    octets, files = journal.totals()
    lines = {**info, "Payload-Oxum": f"{octets}.{files}"}
    (bag / "bagit.txt").write_text(DECLARATION, encoding="utf-8", newline="\n")
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    (bag / "bag-info.txt").write_text(text, encoding="utf-8", newline="\n")


def file_hashes(path: Path, algorithms: Iterable[str] = ALGORITHMS) -> dict[str, str]:
    """Hex digests of a file, read once; blocking."""
    digests = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            for digest in digests.values():
                digest.update(chunk)
    return {algorithm: digest.hexdigest() for algorithm, digest in digests.items()}


def write_tag_manifests(bag: Path) -> str:
    """The tag manifests, last of all; the SHA-256 of ``tagmanifest-sha256.txt`` names the whole bag."""
    tags = sorted(path.name for path in bag.iterdir() if path.is_file() and path.name not in TAG_MANIFESTS)
    hashes = {name: file_hashes(bag / name) for name in tags}
    for algorithm, target in zip(ALGORITHMS, TAG_MANIFESTS, strict=True):
        text = "".join(f"{hashes[name][algorithm]}  {name}\n" for name in tags)
        (bag / target).write_text(text, encoding="utf-8", newline="\n")
    return file_hashes(bag / TAG_MANIFESTS[0])["sha256"]


def validate(bag: Path) -> None:
    """Read the whole bag back through the library; ``Damaged`` names what it found.  Blocking."""
    try:
        bagit.Bag(str(bag)).validate()
    except bagit.BagError as error:
        raise Damaged("the bag does not validate", bag=bag, found=str(error)) from error
