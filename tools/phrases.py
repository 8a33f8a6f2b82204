"""Which phrases the pages say, read from templates, Python and scripts; and what is said past the catalogue."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import jinja2
from jinja2 import nodes

from api.language import CHINESE

ROOT = Path(__file__).parent.parent
API = ROOT / "api"
PLACES = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
# The name of the product, and the name of each language in that language.
NAMES = frozenset({"回音", "中文", "English", "Huiyin"})
_ENGLISH = re.compile(r"[a-z]{3,}")
# What a script says stands in one literal, as the first argument of t().
_SCRIPT_STRING = re.compile(r"""(?<![\w$.])(t\(\s*)?("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)""")
_SCRIPT_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.S)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.S)


@dataclass
class Found:
    """Phrase → files that say it; and faults, a line each."""

    phrases: dict[str, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def say(self, phrase: str, where: str) -> None:
        if any(CHINESE.search(word) for word in _without_names(phrase)):
            self.phrases.setdefault(phrase, set()).add(where)


def everything(api: Path = API) -> Found:
    """All that the pages say."""
    found = Found()
    for path in sorted(api.rglob("*.py")):
        read_python(path.read_text(encoding="utf-8"), _name(path, api), found)
    for path in sorted((api / "templates").rglob("*.html")):
        read_template(path.read_text(encoding="utf-8"), _name(path, api), found)
    for path in sorted((api / "static").glob("*.js")):
        read_script(path.read_text(encoding="utf-8"), _name(path, api), found)
    return found


def places(text: str) -> set[str]:
    """The names of the places that a phrase leaves open."""
    return set(PLACES.findall(text))


def read_python(source: str, where: str, found: Found) -> None:
    """Every Chinese string but docstrings is a phrase; ``中文 / English`` speaks for itself."""
    tree = ast.parse(source)
    skipped = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in ast.walk(node))
            text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if CHINESE.search(text) and " / " not in text:
                found.faults.append(f"{where}:{node.lineno}: an f-string holds Chinese; give t() a phrase with places")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in skipped:
            continue
        if CHINESE.search(node.value) and " / " not in node.value:
            found.say(node.value, where)


def read_template(source: str, where: str, found: Found) -> None:
    """Chinese and English stand in expressions only, and what is put out directly goes through ``t()``."""
    tree = jinja2.Environment(autoescape=True).parse(source)
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, str) and CHINESE.search(constant.value):
            found.say(constant.value, where)
    for output in tree.find_all(nodes.Output):
        for text in _bare(output):
            found.faults.append(f"{where}:{output.lineno}: outside t(): {text.strip()[:60]}")
    reader = _Text()
    reader.feed(_JINJA.sub(lambda tag: re.sub(r"[^\n]", " ", tag[0]), source))
    for line, text in reader.english:
        found.faults.append(f"{where}:{line}: English outside t(): {text[:60]}")


def read_script(source: str, where: str, found: Found) -> None:
    """A Chinese literal of a script is the argument of ``t()``."""
    plain = _SCRIPT_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), source)
    for match in _SCRIPT_STRING.finditer(plain):
        text = match[2][1:-1]
        if not CHINESE.search(text):
            continue
        if match[1] and match[2][0] != "`":
            found.say(text, where)
        else:
            line = plain.count("\n", 0, match.start()) + 1
            found.faults.append(f'{where}:{line}: outside t("…"): {text[:60]}')


def _bare(node: nodes.Node) -> Iterator[str]:
    """Chinese text below a node that passes through no call on its way out."""
    if isinstance(node, nodes.Call):
        return
    text = node.data if isinstance(node, nodes.TemplateData) else node.value if isinstance(node, nodes.Const) else ""
    if isinstance(text, str) and any(CHINESE.search(word) for word in _without_names(text)):
        yield text
    for child in node.iter_child_nodes():
        yield from _bare(child)


def _without_names(text: str) -> list[str]:
    return re.split("|".join(sorted(NAMES)), text)


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Strings that stand alone as a statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


class _Text(HTMLParser):
    """English words in a page's own text; what is typed or run (``code``, ``kbd``) is no language."""

    def __init__(self) -> None:
        super().__init__()
        self.english: list[tuple[int, str]] = []
        self._typed = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._typed += tag in ("code", "kbd", "script", "style")
        for name, value in attrs:
            if name in ("aria-label", "placeholder", "title", "alt") and value and _ENGLISH.search(value):
                self.english.append((self.getpos()[0], value))

    def handle_endtag(self, tag: str) -> None:
        self._typed -= tag in ("code", "kbd", "script", "style")

    def handle_data(self, data: str) -> None:
        words = " ".join(_without_names(data))
        if not self._typed and _ENGLISH.search(words):
            self.english.append((self.getpos()[0], data.strip()))


def _name(path: Path, api: Path) -> str:
    return path.relative_to(api.parent).as_posix()
