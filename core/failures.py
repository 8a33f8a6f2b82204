"""What made a piece of work fail: one word, for which pages have sentences; the words that the error has for people, if
any; and the technical text, for the log and for machines."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import Conflict, Damaged, HuiyinError, NoEngine, NotFound, Refused, SettingsError, Unavailable

# What the program itself did wrong, or nobody thought of.
INTERNAL = "internal"
FULL = "disk full"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# The first that fits: a kind before what it is a kind of.
_KINDS: Sequence[tuple[type[BaseException] | tuple[type[BaseException], ...], str]] = (
    (NoEngine, "no engine"),
    (Unavailable, "unavailable"),
    (Damaged, "damaged"),
    (NotFound, "not found"),
    (Conflict, "conflict"),
    (Refused, "refused"),
    (SettingsError, "settings"),
    ((OperationalError, InterfaceError, PoolTimeout), "database"),
    ((ConnectionError, TimeoutError), "unavailable"),
    (OSError, "files"),
    (MemoryError, "memory"),
)
KINDS = (*dict.fromkeys(kind for _, kind in _KINDS), FULL, INTERNAL)


@dataclass(frozen=True)
class Failure:
    """``said``: ``中文 / English``, or nothing where the error speaks to technicians only."""

    kind: str
    said: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """What ``error`` was."""
        message = error.message if isinstance(error, HuiyinError) else ""
        return cls(kind_of(error), message if " / " in message else "", f"{type(error).__name__}: {error}")


def kind_of(error: BaseException) -> str:
    """One word of ``KINDS``."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return FULL
    return next((kind for type_, kind in _KINDS if isinstance(error, type_)), INTERNAL)
