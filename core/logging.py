"""Structured log lines on standard error: JSON for machines, text for people.

Facts are passed as ``extra={"facts": {...}}``.  Telephone and identity numbers never belong there; as a last guard
anything that looks like one is masked on its way out.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

# Mobile numbers and Beijing land lines, standing alone: identifiers and hashes contain longer runs of digits.
_TELEPHONE = re.compile(r"(?<![0-9A-Fa-f])(?:\+?86)?(1[3-9]\d|0\d{2,3}-?)\d{4}(\d{4})(?![0-9A-Fa-f])")


# Identity numbers of residents (GB 11643): six digits of a place, a birthday, three digits, a check character.
_IDENTITY = re.compile(
    r"(?<![0-9A-Za-z])([1-9]\d{2})\d{3}(?:19|20)\d{2}(?:0\d|1[0-2])(?:[0-2]\d|3[01])(\d{3}[0-9Xx])(?![0-9A-Za-z])"
)


def mask_numbers(text: str) -> str:
    """``13800001234`` → ``138****1234``, ``110…1234`` → ``110***********1234`` wherever a telephone or identity number
    stands in ``text``."""
    return _TELEPHONE.sub(r"\1****\2", _IDENTITY.sub(r"\1***********\2", text))


def numbers_in(text: str) -> list[str]:
    """Every number that ``mask_numbers`` masks, as it stands in ``text``."""
    return [found[0] for pattern in (_IDENTITY, _TELEPHONE) for found in pattern.finditer(text)]


class _Formatter(logging.Formatter):
    def __init__(self, process: str, form: str) -> None:
        super().__init__()
        self.process, self.form = process, form

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        assert isinstance(facts, Mapping)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        if self.form == "text":
            details = " ".join(f"{name}={value}" for name, value in facts.items())
            line = _one_line(f"{moment} {record.levelname:7} {self.process}: {record.getMessage()} {details}".rstrip())
        else:
            line = json.dumps(
                {
                    "at": moment,
                    "level": record.levelname.lower(),
                    "process": self.process,
                    "logger": record.name,
                    "message": record.getMessage(),
                    **{
                        name: value if isinstance(value, int | float | bool) else str(value)
                        for name, value in facts.items()
                    },
                    **({"trace": self.formatException(record.exc_info)} if record.exc_info else {}),
                },
                ensure_ascii=False,
            )
        if self.form == "text" and record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return mask_numbers(line)


def _one_line(text: str) -> str:
    """What came from outside must not end a line and begin another one, nor move a terminal's cursor."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def set_up(process: str, form: str = "json") -> None:
    """Send this process's log to standard error in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(process, form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # A library's warning may repeat what somebody sent: it becomes one line like every other, with numbers masked.
    logging.captureWarnings(True)
    for chatty in ("sqlalchemy.engine", "apscheduler", "urllib3", "faster_whisper", "aiohttp.access", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
