"""Places in long lists: what every list answers as ``next`` and takes as ``cursor``.

A cursor is opaque: it names its list and the last row that was answered, under a short digest, so that one of another
list, a shortened or an altered one is refused and never guessed at.  It opens nothing: what somebody may see is asked
of every page again.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from api.problems import Problem

_DIGEST = 6
_BETWEEN = "\n"


def write(of: str, *parts: object) -> str:
    """The cursor behind a row that ``parts`` name in the list ``of``."""
    content = _BETWEEN.join([of, *map(str, parts)]).encode()
    return base64.urlsafe_b64encode(_digest(content) + content).decode().rstrip("=")


def read(text: str, of: str, count: int) -> Sequence[str]:
    """The ``count`` parts of a cursor of the list ``of``; a ``Problem`` 400 for anything else."""
    try:
        octets = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        content = octets[_DIGEST:]
        name, *parts = content.decode().split(_BETWEEN)
    except (ValueError, binascii.Error):
        raise _no_cursor() from None
    if octets[:_DIGEST] != _digest(content) or name != of or len(parts) != count:
        raise _no_cursor()
    return parts


def write_time(of: str, at: datetime, identifier: UUID) -> str:
    """The cursor of a list in the order of time."""
    return write(of, at.isoformat(), identifier)


def read_time(text: str, of: str) -> tuple[datetime, UUID]:
    """What ``write_time`` wrote; a ``Problem`` 400 for anything else."""
    at, identifier = read(text, of, 2)
    try:
        moment = datetime.fromisoformat(at)
        found = UUID(identifier)
    except ValueError:
        raise _no_cursor() from None
    if moment.tzinfo is None:
        raise _no_cursor()
    return moment, found


def older(
    at: InstrumentedAttribute[datetime], identifier: InstrumentedAttribute[UUID], place: tuple[datetime, UUID]
) -> ColumnElement[bool]:
    """Rows behind a place in a list in the order of time, the newest first."""
    moment, last = place
    return and_(at <= moment, or_(at < moment, and_(at == moment, identifier < last)))


def read_number(text: str, of: str) -> int:
    """The only part of a cursor, as a number of 64 bits; a ``Problem`` 400 for anything else."""
    (part,) = read(text, of, 1)
    if not re.fullmatch(r"-?[0-9]{1,19}", part) or not -(2**63) <= int(part) < 2**63:
        raise _no_cursor()
    return int(part)


def read_id(text: str, of: str) -> UUID:
    """The only part of a cursor, as an identifier; a ``Problem`` 400 for anything else."""
    (part,) = read(text, of, 1)
    try:
        return UUID(part)
    except ValueError:
        raise _no_cursor() from None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(b"huiyin cursor\0" + content).digest()[:_DIGEST]


def _no_cursor() -> Problem:
    return Problem(400, "cursor: 不是这个列表的下一页 / not a cursor of this list")
