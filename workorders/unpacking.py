"""What an .xlsx file unfolds to, looked at before anything of it is built: parts, octets, tags, and tags of one row.

Readers of spreadsheets keep a part's tree, or a row's, in memory; each tag costs them hundreds of octets.  What is read
here is read in pieces and forgotten.
"""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

_PIECE = 1 << 20
# The beginning or the end of a row, with or without a prefix; no text of XML holds a bare "<".
_ROW = re.compile(rb"</?(?:[\w.-]{1,40}:)?row[\s/>]")
# Small files may well be all zeros.
_SMALL = 10 * 2**20


@dataclass(frozen=True)
class Unfolded:
    """The most that may come out of one file.  ``ratio``: octets for each octet of the file, once they are many."""

    parts: int = 2_000
    octets: int = 300 * 2**20
    ratio: int = 200
    # Empty ones included, which spreadsheet programs write below a table that was once longer.
    rows: int = 400_000
    tags: int = 12_000_000
    # Of a part that is neither a sheet nor the table of texts: such a part is read as a whole.
    tags_of_other_parts: int = 1_000_000
    tags_of_a_row: int = 120_000


def too_much(source: Path, most: Unfolded) -> str:
    """Why a file is refused, Chinese first, or nothing; raises what `zipfile` does for one that is none."""
    with zipfile.ZipFile(source) as archive:
        parts = archive.infolist()
        octets = sum(part.file_size for part in parts)
        if len(parts) > most.parts:
            return "文件里的部件太多 / the file holds too many parts"
        if any(part.flag_bits & 1 for part in parts):
            return "加了密码的文件，请另存为不加密的 .xlsx / save it without a password"
        if octets > most.octets or (octets > _SMALL and octets > most.ratio * source.stat().st_size):
            return "文件解开后太大 / the file unpacks to too much"
        tags = 0
        for part in parts:
            found = _count(archive, part)
            tags += found.tags
            sheet = part.filename.startswith("xl/worksheets/")
            other = not sheet and not part.filename.startswith("xl/sharedStrings")
            if tags > most.tags or found.rows > most.rows or (other and found.tags > most.tags_of_other_parts):
                return "表格的内容太多，请分几个文件导入 / too many rows or cells; split the file"
            if sheet and found.longest > most.tags_of_a_row:
                return "有一行的单元格太多 / a row has too many cells"
    return ""


@dataclass(frozen=True)
class _Counted:
    """Tags of a part, its rows, and the tags of the longest of these."""

    tags: int
    rows: int
    longest: int


def _count(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> _Counted:
    """Behind a comment or CDATA, in which anything may stand, all is taken for one row."""
    tags = rows = row = longest = 0
    veiled = False
    with archive.open(part) as content:
        while piece := content.read(_PIECE):
            tags += piece.count(b"<")
            veiled = veiled or b"<!" in piece
            begin = 0
            for found in () if veiled else _ROW.finditer(piece):
                longest = max(longest, row + piece.count(b"<", begin, found.start()))
                row, begin = 0, found.start()
                rows += not found[0].startswith(b"</")
            row += piece.count(b"<", begin)
    return _Counted(tags, rows, max(longest, row))
