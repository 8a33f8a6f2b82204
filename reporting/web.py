"""The same document as one HTML file: no script, nothing loaded from anywhere, fit to print on A4."""

from html import escape

from reporting.document import LEFT, RIGHT, Block, Document, Heading, Note, Paragraph, Table

STYLE = """
@page { size: A4; margin: 37mm 26mm 35mm 28mm }
* { box-sizing: border-box }
body { margin: 0; background: #e9ebee; color: #111; font: 16pt/1.81 "仿宋", FangSong, "仿宋_GB2312", STFangsong,
  "Noto Serif CJK SC", serif }
main { width: 210mm; max-width: 100%; min-height: 297mm; margin: 10mm auto; padding: 37mm 26mm 35mm 28mm;
  background: #fff; box-shadow: 0 1px 10px #0003 }
h1 { margin: 0; font: 22pt/1.6 "方正小标宋简体", FZXiaoBiaoSong-B05S, "宋体", SimSun, STSong, "Noto Serif CJK SC",
  serif; text-align: center }
header p { margin: 0; text-align: center }
header { border-bottom: 1pt solid #000; padding-bottom: 6pt; margin-bottom: 14pt }
h2 { margin: 0; text-indent: 2em; font: 16pt/1.81 "黑体", SimHei, STHeiti, "Noto Sans CJK SC", sans-serif;
  break-after: avoid }
main > p { margin: 0; text-indent: 2em; text-align: justify }
main > p.note { font-size: 12pt; line-height: 20pt }
table { width: 100%; margin: 4pt 0 10pt; border-collapse: collapse; table-layout: fixed; font-size: 10.5pt;
  line-height: 1.5 }
th { font-family: "黑体", SimHei, STHeiti, "Noto Sans CJK SC", sans-serif; font-weight: normal }
th, td { border: 0.5pt solid #000; padding: 2pt; text-align: center; white-space: pre-line;
  overflow-wrap: anywhere }
td.left { text-align: left } td.right { text-align: right }
tr { break-inside: avoid } thead { display: table-header-group }
footer { margin-top: 29pt; text-align: right; break-inside: avoid }
footer p { margin: 0 2em 0 0 } footer p + p { margin-right: 4em }
@media (max-width: 210mm) { main { padding: 12mm 6mm } }
/* On a telephone a table is drawn sideways under the finger: no number is broken in two. */
@media screen and (max-width: 150mm) { table { display: block; overflow-x: auto }
  th, td:not(.left) { overflow-wrap: normal; word-break: keep-all; padding: 2pt 4pt } td.left { min-width: 6em } }
@media print { body { background: none } main { width: auto; margin: 0; padding: 0; box-shadow: none } }
"""


def to_html(document: Document) -> bytes:
    """The document as UTF-8 HTML; every text is escaped."""
    return f"""<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(document.title)} {escape(document.number)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{escape(document.title)}</h1>
<p>{escape(document.number)}</p>
<p>{escape(document.period)}</p>
</header>
{"".join(_block(block) for block in document.blocks)}<footer>
<p>{escape(document.organisation)}</p>
<p>{escape(document.signed_on)}</p>
</footer>
</main>
</body>
</html>
""".encode()


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>\n"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>\n"
        case Note(text):
            return f'<p class="note">{escape(text)}</p>\n'
        case Table():
            return _table(block)


def _table(block: Table) -> str:
    whole = sum(column.width for column in block.columns)
    widths = "".join(f'<col style="width:{column.width / whole:.2%}">' for column in block.columns)
    heads = "".join(f'<th scope="col">{escape(column.head)}</th>' for column in block.columns)
    marks = [f' class="{column.align}"' if column.align in (LEFT, RIGHT) else "" for column in block.columns]
    rows = "".join(
        "<tr>" + "".join(f"<td{mark}>{escape(text)}</td>" for mark, text in zip(marks, row, strict=True)) + "</tr>\n"
        for row in block.rows
    )
    return f"<table><colgroup>{widths}</colgroup>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n"
