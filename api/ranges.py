"""One byte range of a sealed file (RFC 9110, section 14).  Several ranges at once, and what is no range, are answered
with the whole file, which section 14.2 allows; only GET has ranges."""

import re
from dataclasses import dataclass

# Section 14.1: the unit's name in any case, and decimal digits of ASCII as many as anyone likes to send.
_ONE_RANGE = re.compile(r"bytes=([0-9]{0,400})-([0-9]{0,400})", re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range lies outside the file: 416."""


@dataclass(frozen=True)
class Span:
    """Bytes ``start`` up to and without ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """The Content-Range of a 206."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def parse_range(header: str | None, size: int) -> Span | None:
    """The span asked for; ``None`` for the whole file (no range, a malformed one, or several); ``Unsatisfiable``
    when no byte of the file lies in it."""
    found = _ONE_RANGE.fullmatch(header.strip(" \t")) if header else None
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        span = Span(max(0, size - int(found[2])), size)
    elif found[2] and int(found[2]) < int(found[1]):
        return None
    else:
        span = Span(int(found[1]), min(int(found[2]) + 1, size) if found[2] else size)
    if span.start >= size or span.length <= 0:
        raise Unsatisfiable("the range lies outside the file")
    return span


def range_applies(if_range: str | None, etag: str) -> bool:
    """RFC 9110, section 13.1.5: the range counts only for the very representation; a date never matches here, since
    sealed audio has no modification time."""
    return if_range is None or if_range.strip(" \t") == etag


def still_matches(if_match: str | None, etag: str) -> bool:
    """RFC 9110, section 13.1.1: strong comparison with each tag of the list, or with any (``*``)."""
    if if_match is None:
        return True
    return if_match.strip(" \t") == "*" or etag in [each.strip(" \t") for each in if_match.split(",")]
