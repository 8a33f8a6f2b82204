"""Errors that carry facts.

A wire parser raises ``ValueError``; everything else that can go wrong in the domain is a ``HuiyinError`` that names the
thing, what was expected and what was found, and (where there is one) the remedy.
"""

from collections.abc import Mapping


class HuiyinError(Exception):
    """Base of every domain error.  ``facts`` go to logs, so they must never hold names or telephone numbers."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts: Mapping[str, object] = facts

    def __str__(self) -> str:
        if not self.facts:
            return self.message
        details = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.message} ({details})"


class SettingsError(HuiyinError):
    """A configuration value is wrong; the message is one line that names the variable."""


class NotFound(HuiyinError):
    """The thing asked for does not exist, or may not be known to exist by whoever asked."""


class Conflict(HuiyinError):
    """The request contradicts the present state (already exists, already decided, version moved on)."""


class Refused(HuiyinError):
    """A rule forbids the request: a lock, a hold, a permission, the two-year minimum."""


class Unavailable(HuiyinError):
    """A store, database or engine that is needed cannot be reached now; trying later may succeed."""


class NoEngine(Unavailable):
    """The speech engine or its model is not there, or does not fit this machine."""


class Damaged(HuiyinError):
    """Bytes are not what was sealed: the error names the object, the expected and the found hash."""


def with_cause(chinese: str, english: str, cause: object) -> str:
    """``中文 / English``, each with its half of the cause (all of it, where that is in one language)."""
    first, slash, second = str(cause).partition(" / ")
    return f"{chinese}：{first} / {english}: {second if slash else first}"
