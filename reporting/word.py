"""DOCX after GB/T 9704-2012: A4, margins 37/35/28/26 mm, 22 lines a page, 3号 FangSong, page numbers outside.

python-docx writes only the Latin font of a run, so ``w:eastAsia`` is set by hand everywhere (the only docx importer).
"""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from docx import Document as new_document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from reporting.document import CENTRE, RIGHT, Block, Document, Heading, Note, Paragraph, Table

BODY, TITLE, HEADING, NUMBERS = "仿宋", "方正小标宋简体", "黑体", "宋体"
LATIN = "Times New Roman"
# What to show where a font is not installed (w:altName): every Windows and WPS has the second one.
ALTERNATIVES = {BODY: "仿宋_GB2312", TITLE: "宋体", HEADING: "SimHei", NUMBERS: "SimSun"}
BODY_SIZE, TITLE_SIZE, NOTE_SIZE, TABLE_SIZE, NUMBER_SIZE = Pt(16), Pt(22), Pt(12), Pt(10.5), Pt(14)
# 225 mm of text height over 22 lines.
PITCH = Pt(28.95)
# Tables of up to so many rows are not broken over pages.
SMALL = 8
ALIGNMENT = {CENTRE: WD_ALIGN_PARAGRAPH.CENTER, RIGHT: WD_ALIGN_PARAGRAPH.RIGHT}


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
    run = paragraph.add_run(text)
    run.font.size, run.font.bold = size, bold
    _fonts(run._r.get_or_add_rPr(), font)
    return run


def _table(word: Any, block: Table) -> None:
    table = word.add_table(rows=1, cols=len(block.columns))
    table.style, table.alignment, table.autofit = "Table Grid", WD_TABLE_ALIGNMENT.CENTER, False
    _cell_margins(table)
    for place, column in enumerate(block.columns):
        table.columns[place].width = Mm(column.width)
        _cell(table.rows[0].cells[place], column.head, CENTRE, column.width, font=HEADING)
    _repeat(table.rows[0])
    for row in block.rows:
        cells = table.add_row().cells
        for place, (column, text) in enumerate(zip(block.columns, row, strict=True)):
            _cell(cells[place], text, column.align, column.width)
    for row in table.rows:
        _keep_whole(row)
    if len(block.rows) <= SMALL:
        _keep_together(table)
    gap = _paragraph(word)
    gap.paragraph_format.line_spacing = Pt(10)
    _off_grid(gap)


def _keep_together(table: Any) -> None:
    """A small table stays on one page, with the heading above it."""
    for row in list(table.rows)[:-1]:
        for cell in row.cells:
            cell.paragraphs[0].paragraph_format.keep_with_next = True


def _cell(cell: Any, text: str, align: str, width: float, *, font: str = BODY) -> None:
    cell.width = Mm(width)
    cell.vertical_alignment = 1
    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.line_spacing_rule = WD_LINE_SPACING.AT_LEAST
    paragraph.paragraph_format.line_spacing = Pt(15)
    _off_grid(paragraph)
    if align in ALIGNMENT:
        paragraph.alignment = ALIGNMENT[align]
    _run(paragraph, text, font, TABLE_SIZE)


def _cell_margins(table: Any) -> None:
    margins = OxmlElement("w:tblCellMar")
    for side, twentieths in (("top", "60"), ("left", "50"), ("bottom", "60"), ("right", "50")):
        element = OxmlElement(f"w:{side}")
        element.set(qn("w:w"), twentieths)
        element.set(qn("w:type"), "dxa")
        margins.append(element)
    table._tbl.tblPr.append(margins)


def _repeat(row: Any) -> None:
    header = OxmlElement("w:tblHeader")
    row._tr.get_or_add_trPr().append(header)


def _keep_whole(row: Any) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
