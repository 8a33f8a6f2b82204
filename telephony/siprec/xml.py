"""Metadata bytes → an element tree, in whatever state of repair and whatever encoding gateways send them.

A DTD is refused whatever else there is: nothing that a gateway means needs one, and entities are how small documents
grow large.  What is not well-formed is repaired as far as it goes; the tree then says that it was.
"""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

_DEEPEST, _MOST_PREFIXES = 32, 20
_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml[^>]*\?>")
_FORBIDDEN = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.I)
_CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_TAG = re.compile(r"<[A-Za-z_][^<>]*>")
_BARE_ATTRIBUTE = re.compile(r"""(\s[\w:.-]+)=([^\s"'<>/]+)(?=[\s/>])""")
_DECLARED = re.compile(r"\sxmlns:([A-Za-z_][\w.-]*)\s*=")
_PREFIX = re.compile(r"</?([A-Za-z_][\w.-]*):|\s([A-Za-z_][\w.-]*):[\w.-]+\s*=")


class _Forbidden(ValueError):
    def __init__(self) -> None:
        super().__init__("the recording metadata has a DTD")


def read_xml(body: bytes) -> tuple[Element, bool]:
    """The root element, and whether the document had to be repaired.

    ``ValueError`` when it has a DTD, or when not even its root element can be read.
    """
    for text in _readings(body):
        try:
            return _parse(text), False
        except _Forbidden:
            raise
        except (ParseError, ValueError, LookupError):
            # Not well-formed, or in an encoding that expat does not know.
            continue
    root = _salvaged(_repaired(_DECLARATION.sub("", _text(body))))
    if root is None:
        raise ValueError("the recording metadata is not well-formed XML")
    return root, True


def _parse(text: bytes | str) -> Element:
    parser = DefusedXMLParser(target=_Growing(), forbid_dtd=True)
    try:
        parser.feed(text)
        root: Element = parser.close()
    except DefusedXmlException:
        raise _Forbidden from None
    return root


def _readings(body: bytes) -> Iterator[bytes | str]:
    yield body
    # Chinese gateways send GBK, declared (which expat cannot read) or not.
    for encoding in ("utf-8", "gb18030"):
        try:
            yield _DECLARATION.sub("", body.decode(encoding))
        except UnicodeDecodeError:
            continue


def _text(body: bytes) -> str:
    """What can be read of bytes that are no text in any encoding."""
    utf8, gbk = body.decode("utf-8", "replace"), body.decode("gb18030", "replace")
    return utf8 if utf8.count("\ufffd") <= gbk.count("\ufffd") else gbk


def _repaired(text: str) -> str:
    text = _LONE_AMPERSAND.sub("&amp;", _CONTROL.sub("\ufffd", text[max(text.find("<"), 0) :]))
    text = _TAG.sub(lambda tag: _BARE_ATTRIBUTE.sub(r'\1="\2"', tag[0]), text)
    prefixes = {first or second for first, second in _PREFIX.findall(text)}
    missing = sorted(prefixes - {"xml", "xmlns", *_DECLARED.findall(text)})[:_MOST_PREFIXES]
    declared = "".join(f' xmlns:{name}="undeclared:{name}"' for name in missing)
    return re.sub(r"\A((?:<[?!][^>]*>\s*)*<[A-Za-z_][\w:.-]*)", lambda root: root[1] + declared, text, count=1)


class _Growing(TreeBuilder):
    """A tree that can be had before it is complete.  It grows no deeper than any dialect, so that no document can
    keep us busy longer than its length is worth."""

    def __init__(self) -> None:
        super().__init__()
        self.root: Element | None = None
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("the recording metadata is nested too deep")
        element = super().start(tag, attrs)
        if self.root is None:
            self.root = element
        return element

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _salvaged(text: str) -> Element | None:
    """Everything up to the place where the document breaks."""
    if _FORBIDDEN.search(text):
        raise _Forbidden
    tree = _Growing()
    parser = DefusedXMLParser(target=tree, forbid_dtd=True)
    try:
        parser.feed(text)
        parser.close()
    except DefusedXmlException:
        raise _Forbidden from None
    except (ParseError, ValueError):
        return tree.root if tree.root is not None and len(tree.root) else None
    return tree.root
