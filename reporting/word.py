"""DOCX after GB/T 9704-2012: A4, margins 37/35/28/26 mm, 22 lines a page, 3号 FangSong, page numbers outside.

python-docx writes only the Latin font of a run, so ``w:eastAsia`` is set by hand everywhere (the only docx importer).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from typing import Any

from docx import Document as new_document
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm, Pt

from reporting.document import CENTRE, LEFT, RIGHT, Block, Document, Heading, Note, Paragraph, Table

BODY, TITLE, HEADING, NUMBERS = "仿宋", "方正小标宋简体", "黑体", "宋体"
LATIN = "Times New Roman"
# What to show where a font is not installed (w:altName): every Windows and WPS has the second one.
ALTERNATIVES = {BODY: "仿宋_GB2312", TITLE: "宋体", HEADING: "SimHei", NUMBERS: "SimSun"}
BODY_SIZE, TITLE_SIZE, NOTE_SIZE, TABLE_SIZE, NUMBER_SIZE = Pt(16), Pt(22), Pt(12), Pt(10.5), Pt(14)
# 225 mm of text height over 22 lines.
PITCH = Pt(28.95)
# Tables of up to so many rows are not broken over pages.
SMALL = 8
_ILLEGAL = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
JUSTIFICATION = {LEFT: "left", CENTRE: "center", RIGHT: "right"}
EDGES = ("top", "left", "bottom", "right", "insideH", "insideV")
CELL_MARGINS = (("top", 60), ("left", 50), ("bottom", 60), ("right", 50))
# Twentieths of a point between the lines of a cell.
TABLE_PITCH = 300


def to_docx(document: Document, *, created: datetime) -> bytes:
    """The document as a Word file; ``created`` goes into its properties."""
    word = new_document()
    _prepare(word, document, created)
    _page(word)
    _front(word, document)
    for block in document.blocks:
        _block(word, block)
    _signature(word, document)
    target = BytesIO()
    word.save(target)
    return target.getvalue()


def _prepare(word: Any, document: Document, created: datetime) -> None:
    moment = created.astimezone(UTC).replace(tzinfo=None)
    properties = word.core_properties
    properties.title, properties.author, properties.subject = document.title, document.organisation, document.number
    properties.created = properties.modified = moment
    properties.language, properties.comments = "zh-CN", ""
    style = word.styles["Normal"]
    style.font.size = BODY_SIZE
    run = style.element.get_or_add_rPr()
    _fonts(run, BODY)
    _language(run)
    style.paragraph_format.space_before = style.paragraph_format.space_after = Pt(0)
    _name_alternatives(word)


def _fonts(properties: Any, east_asia: str) -> None:
    fonts = properties.get_or_add_rFonts()
    for name in [name for name in fonts.attrib if name.endswith("Theme")]:
        del fonts.attrib[name]
    for name, value in (("ascii", LATIN), ("hAnsi", LATIN), ("cs", LATIN), ("eastAsia", east_asia)):
        fonts.set(qn(f"w:{name}"), value)
    # Quotation marks, dashes and the like take the Chinese font too.
    fonts.set(qn("w:hint"), "eastAsia")


def _language(properties: Any) -> None:
    """Punctuation is drawn by language: Simplified Chinese puts it in the corner of its square."""
    language = properties.find(qn("w:lang"))
    if language is None:
        language = OxmlElement("w:lang")
        properties.append(language)
    for name, value in (("val", "en-US"), ("eastAsia", "zh-CN")):
        language.set(qn(f"w:{name}"), value)


def _name_alternatives(word: Any) -> None:
    for relation in word.part.rels.values():
        if relation.reltype == RELATIONSHIP_TYPE.FONT_TABLE:
            entries = "".join(
                f'<w:font w:name="{name}"><w:altName w:val="{other}"/></w:font>' for name, other in ALTERNATIVES.items()
            )
            part = relation.target_part
            part._blob = part.blob.replace(b"</w:fonts>", f"{entries}</w:fonts>".encode())


def _page(word: Any) -> None:
    section = word.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(37), Mm(35)
    section.left_margin, section.right_margin = Mm(28), Mm(26)
    # The page number stands 7 mm under the text.
    section.footer_distance = Mm(35 - 7 - 5)
    grid = section._sectPr.find(qn("w:docGrid"))
    if grid is None:
        grid = OxmlElement("w:docGrid")
        section._sectPr.append(grid)
    grid.set(qn("w:type"), "lines")
    grid.set(qn("w:linePitch"), str(round(PITCH.pt * 20)))
    word.settings.odd_and_even_pages_header_footer = True
    _page_number(section.footer, WD_ALIGN_PARAGRAPH.RIGHT)
    _page_number(section.even_page_footer, WD_ALIGN_PARAGRAPH.LEFT)


def _page_number(footer: Any, alignment: Any) -> None:
    """— 1 —, on the outer side, one character in."""
    footer.is_linked_to_previous = False
    paragraph = footer.paragraphs[0]
    paragraph.alignment = alignment
    indent = "right_indent" if alignment == WD_ALIGN_PARAGRAPH.RIGHT else "left_indent"
    setattr(paragraph.paragraph_format, indent, NUMBER_SIZE)
    _run(paragraph, "— ", NUMBERS, NUMBER_SIZE)
    for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        run = _run(paragraph, "", NUMBERS, NUMBER_SIZE)
        if kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
        else:
            mark = OxmlElement("w:instrText")
            mark.text = text
        run._r.append(mark)
    _run(paragraph, " —", NUMBERS, NUMBER_SIZE)


def _front(word: Any, document: Document) -> None:
    title = _paragraph(word)
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    title.paragraph_format.line_spacing = Pt(36)
    _run(title, document.title, TITLE, TITLE_SIZE)
    for text in (document.number, document.period):
        line = _paragraph(word)
        line.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _run(line, text, BODY, BODY_SIZE)
    _rule_below(line)
    _paragraph(word).paragraph_format.line_spacing = Pt(14)


def _rule_below(paragraph: Any) -> None:
    borders = OxmlElement("w:pBdr")
    bottom = OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "8"), ("space", "6"), ("color", "000000")):
        bottom.set(qn(f"w:{name}"), value)
    borders.append(bottom)
    paragraph._p.get_or_add_pPr().insert_element_before(
        borders, "w:shd", "w:tabs", "w:suppressAutoHyphens", "w:spacing", "w:ind", "w:jc", "w:rPr", "w:sectPr"
    )


def _block(word: Any, block: Block) -> None:
    match block:
        case Heading(text):
            paragraph = _paragraph(word, indent=BODY_SIZE * 2)
            paragraph.paragraph_format.keep_with_next = True
            _run(paragraph, text, HEADING, BODY_SIZE)
        case Paragraph(text):
            paragraph = _paragraph(word, indent=BODY_SIZE * 2)
            paragraph.alignment = WD_ALIGN_PARAGRAPH.JUSTIFY
            _run(paragraph, text, BODY, BODY_SIZE)
        case Note(text):
            paragraph = _paragraph(word, indent=NOTE_SIZE * 2)
            paragraph.paragraph_format.line_spacing = Pt(20)
            _off_grid(paragraph)
            _run(paragraph, text, BODY, NOTE_SIZE)
        case Table():
            _table(word, block)


def _signature(word: Any, document: Document) -> None:
    """Who and when, at the right, the date four characters in."""
    _paragraph(word)
    for text, characters in ((document.organisation, 2), (document.signed_on, 4)):
        line = _paragraph(word)
        line.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        line.paragraph_format.right_indent = BODY_SIZE * characters
        line.paragraph_format.keep_together = True
        _run(line, text, BODY, BODY_SIZE)


def _off_grid(paragraph: Any) -> None:
    """Small text keeps its own line pitch instead of the page's 22 lines."""
    snap = OxmlElement("w:snapToGrid")
    snap.set(qn("w:val"), "0")
    paragraph._p.get_or_add_pPr().insert_element_before(snap, "w:spacing", "w:ind", "w:jc", "w:rPr", "w:sectPr")


def _paragraph(place: Any, *, indent: int | None = None) -> Any:
    paragraph = place.add_paragraph()
    paragraph.paragraph_format.line_spacing_rule = WD_LINE_SPACING.EXACTLY
    paragraph.paragraph_format.line_spacing = PITCH
    if indent is not None:
        paragraph.paragraph_format.first_line_indent = indent
    return paragraph


def _run(paragraph: Any, text: str, font: str, size: Any, *, bold: bool = False) -> Any:
    run = paragraph.add_run(_legal(text))
    run.font.size, run.font.bold = size, bold
    _fonts(run._r.get_or_add_rPr(), font)
    return run


def _table(word: Any, block: Table) -> None:
    """A grid written as XML: python-docx looks a table through for every cell, a minute for a thousand rows."""
    heads = tuple(column.head for column in block.columns)
    together = len(block.rows) <= SMALL
    rows = [_row(block, heads, keep=True, head=True)]
    rows += [
        _row(block, row, keep=together and place < len(block.rows) - 1, head=False)
        for place, row in enumerate(block.rows)
    ]
    widths = "".join(f'<w:gridCol w:w="{_twentieths(column.width)}"/>' for column in block.columns)
    edges = "".join(f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="000000"/>' for side in EDGES)
    margins = "".join(f'<w:{side} w:w="{size}" w:type="dxa"/>' for side, size in CELL_MARGINS)
    whole = sum(_twentieths(column.width) for column in block.columns)
    grid = parse_xml(
        f'<w:tbl {nsdecls("w")}><w:tblPr><w:tblW w:w="{whole}" w:type="dxa"/><w:jc w:val="center"/>'
        f'<w:tblBorders>{edges}</w:tblBorders><w:tblLayout w:type="fixed"/><w:tblCellMar>{margins}</w:tblCellMar>'
        f"</w:tblPr><w:tblGrid>{widths}</w:tblGrid>{''.join(rows)}</w:tbl>"
    )
    word.element.body.sectPr.addprevious(grid)
    gap = _paragraph(word)
    gap.paragraph_format.line_spacing = Pt(10)
    _off_grid(gap)


def _row(block: Table, texts: Sequence[str], *, keep: bool, head: bool) -> str:
    """A row is never broken over pages; the head is repeated on each."""
    cells = "".join(
        _cell(text, CENTRE if head else column.align, column.width, HEADING if head else BODY, keep=keep)
        for column, text in zip(block.columns, texts, strict=True)
    )
    return f"<w:tr><w:trPr><w:cantSplit/>{'<w:tblHeader/>' if head else ''}</w:trPr>{cells}</w:tr>"


def _cell(text: str, align: str, width: float, font: str, *, keep: bool) -> str:
    parts = (f'<w:t xml:space="preserve">{escape(line)}</w:t>' for line in _legal(text).split("\n"))
    fonts = f'w:ascii="{LATIN}" w:hAnsi="{LATIN}" w:cs="{LATIN}" w:eastAsia="{font}" w:hint="eastAsia"'
    size = round(TABLE_SIZE.pt * 2)
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{_twentieths(width)}" w:type="dxa"/><w:vAlign w:val="center"/></w:tcPr><w:p><w:pPr>'
        f'{"<w:keepNext/>" if keep else ""}<w:snapToGrid w:val="0"/>'
        f'<w:spacing w:line="{TABLE_PITCH}" w:lineRule="atLeast"/><w:jc w:val="{JUSTIFICATION[align]}"/></w:pPr>'
        f'<w:r><w:rPr><w:rFonts {fonts}/><w:sz w:val="{size}"/><w:szCs w:val="{size}"/></w:rPr>'
        f"{'<w:br/>'.join(parts)}</w:r></w:p></w:tc>"
    )


def _legal(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold; imported cells may have some."""
    return _ILLEGAL.sub("", text)


def _twentieths(millimetres: float) -> int:
    """Twentieths of a point, in which Word measures."""
    return round(millimetres * 1440 / 25.4)
