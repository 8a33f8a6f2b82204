"""A report as a value: what it says, in blocks, without a word on how it looks.  `reporting.word` prints it as DOCX,
`reporting.web` as HTML, so both always say the same."""

from collections.abc import Sequence
from dataclasses import dataclass

LEFT, CENTRE, RIGHT = "left", "centre", "right"


@dataclass(frozen=True)
class Heading:
    """First-level heading, with its number: 一、…"""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Body text, first line indented by two characters."""

    text: str


@dataclass(frozen=True)
class Note:
    """A smaller remark: formulas, what a mark means."""

    text: str


@dataclass(frozen=True)
class Column:
    """A table's column: its head, its width in millimetres and where its cells stand.  Lines break at ``\\n``."""

    head: str
    width: float
    align: str = CENTRE


@dataclass(frozen=True)
class Table:
    """Rows of text under heads that repeat on every page."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("every row of a table needs a cell for each column")


Block = Heading | Paragraph | Note | Table


@dataclass(frozen=True)
class Document:
    """Title, number, the period it is about, the blocks, and who signs it when (成文日期)."""

    title: str
    number: str
    period: str
    blocks: Sequence[Block]
    organisation: str
    signed_on: str
