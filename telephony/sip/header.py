"""Values of SIP header fields: lists, parameters, Via, CSeq and addresses (RFC 3261, sections 20 and 25.1)."""

import re
from dataclasses import dataclass, replace

Parameters = tuple[tuple[str, str | None], ...]

_VIA = re.compile(r"SIP\s*/\s*2\.0\s*/\s*([\w.!%*+`'~-]+)\s+(\[[^\]]+\]|[^\s:;\[\]]+)\s*(?::\s*([0-9]{1,5}))?\s*", re.I)
_SCHEME = re.compile(r"(sips?|tel):/{0,2}(.*)", re.I | re.S)


# Two bytes of GBK as ``surrogateescape`` shows them: the second may be a backslash, which then escapes nothing.
_GBK = re.compile("[\udc81-\udcfe][\x40-\x7e\udc80-\udcfe]")


def _without_gbk(text: str) -> str:
    return _GBK.sub("__", text)


_SHELTERING = re.compile('["<>]')


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a character that stands neither in a quoted string nor between angle brackets."""
    if separator not in text:
        return [text.strip()]
    if not _SHELTERING.search(text):
        return [part.strip() for part in text.split(separator)]
    parts, start, quoted, angle, skip = [], 0, False, False, False
    for place, char in enumerate(_without_gbk(text)):
        if skip:
            skip = False
        elif quoted:
            skip, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "<>":
            angle = char == "<"
        elif char == separator and not angle:
            parts.append(text[start:place])
            start = place + 1
    return [part.strip() for part in (*parts, text[start:])]


def parse_parameters(text: str) -> Parameters:
    """``;a=1;b`` → ``(("a", "1"), ("b", None))``; names in lower case, values as they stand."""
    found = []
    for part in split_outside(text, ";"):
        name, equals, value = part.partition("=")
        if name.strip():
            found.append((name.strip().lower(), value.strip() if equals else None))
    return tuple(found)


def print_parameters(parameters: Parameters) -> str:
    """The parameters with a semicolon before each."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in parameters)


class _WithParameters:
    parameters: Parameters

    def parameter(self, name: str) -> str | None:
        """A parameter's value; ``""`` when it stands without one, ``None`` when it is not there."""
        return next((value or "" for key, value in self.parameters if key == name), None)


@dataclass(frozen=True)
class Via(_WithParameters):
    """One hop; ``port`` is None where the sender gave none."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = ()

    @classmethod
    def parse(cls, text: str) -> "Via":
        found = _VIA.match(text)
        rest = text[found.end() :] if found else ""
        if not found or (rest and not rest.startswith(";")) or int(found[3] or 0) > 65535:
            raise ValueError("not a Via header")
        return cls(found[1].upper(), found[2], int(found[3]) if found[3] else None, parse_parameters(rest))

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{print_parameters(self.parameters)}"

    def seen_from(self, host: str, port: int) -> "Via":
        """With ``received`` and ``rport`` as the receiving transport adds them (RFC 3261 §18.2.1, RFC 3581 §4)."""
        wants_rport = self.parameter("rport") is not None
        if self.host.strip("[]") == host and not wants_rport:
            return self
        kept = tuple((name, value) for name, value in self.parameters if name not in ("received", "rport"))
        added: Parameters = (("received", host), *((("rport", str(port)),) if wants_rport else ()))
        return replace(self, parameters=kept + added)


@dataclass(frozen=True)
class CSeq:
    """Sequence number and method."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        parts = text.split()
        if len(parts) != 2 or not re.fullmatch(r"[0-9]{1,10}", parts[0]) or int(parts[0]) >= 2**31:
            raise ValueError("not a CSeq header")
        return cls(int(parts[0]), parts[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True)
class Address(_WithParameters):
    """A From, To, Contact or Route value: ``"display" <uri>;parameters``."""

    uri: str
    display: str = ""
    parameters: Parameters = ()

    @classmethod
    def parse(cls, text: str) -> "Address":
        opening = text.find("<", _end_of_quoted(text) if text.lstrip().startswith('"') else 0)
        if opening < 0:
            uri, _, rest = text.partition(";")
            display = ""
        else:
            uri, closed, rest = text[opening + 1 :].partition(">")
            display = _unquoted(text[:opening].strip())
            if not closed:
                raise ValueError("an address has no closing bracket")
        if not re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*:", uri):
            raise ValueError("an address has no URI")
        return cls(uri.strip(), display, parse_parameters(rest))

    def __str__(self) -> str:
        quoted = self.display.replace("\\", "\\\\").replace('"', '\\"')
        display = f'"{quoted}" ' if self.display else ""
        return f"{display}<{self.uri}>{print_parameters(self.parameters)}"

    @property
    def tag(self) -> str:
        """The dialog tag, empty where there is none."""
        return self.parameter("tag") or ""


def _end_of_quoted(text: str) -> int:
    found = re.match(r'\s*"(?:[^"\\]|\\.)*"', _without_gbk(text), re.S)
    if not found:
        raise ValueError("a quoted name has no end")
    return found.end()


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text.startswith('"') and text.endswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S)
    return text


def user_of(uri: str) -> str:
    """The user part of a SIP or tel URI without visual separators; empty where there is none.

    Read as gateways write it: without a scheme, with parameters in the user part, or a bare number without a host.
    """
    text = uri.strip().strip("<>")
    scheme, rest = found.groups() if (found := _SCHEME.match(text)) else ("", text)
    user, at, _ = rest.partition("?")[0].rpartition("@")
    if not at:
        user = rest if (scheme or "").lower() == "tel" or re.fullmatch(r"\+?[0-9]{3,}", rest.partition(";")[0]) else ""
    user = re.split("[;:]", user, maxsplit=1)[0]
    user = re.sub(r"%([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), user).replace("\0", "")
    return re.sub(r"[ ().-]", "", user) if re.fullmatch(r"\+?[\d ().-]+", user) else user


_PORT_AFTER = re.compile(r"\[[^\[\]]*\](?::[0-9]{1,5})?|[^:\[\]]*(?::[0-9]{0,5})?")


def check_uri(uri: str) -> None:
    """``ValueError`` for a SIP URI that names no host: in angle brackets, or an IPv6 address out of its own (§19.1)."""
    scheme, colon, rest = uri.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise ValueError("an address has no URI")
    if scheme.lower() in ("sip", "sips"):
        host = re.split("[;?]", rest.rpartition("@")[2], maxsplit=1)[0]
        if not _PORT_AFTER.fullmatch(host) or re.search('[<>" ]', uri):
            raise ValueError("a SIP URI names no host")
