"""What a failure was, in one word, and which of its words are for people."""

import errno
import re

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from api.language import english
from api.pages.failure_labels import FAILURES
from core.errors import Conflict, Damaged, HuiyinError, NoEngine, NotFound, Refused, SettingsError, Unavailable
from core.failures import KINDS, Failure, kind_of


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoEngine("no model"), "no engine"),
        (Unavailable("away"), "unavailable"),
        (Damaged("bytes differ"), "damaged"),
        (NotFound("no such recording"), "not found"),
        (Conflict("moved on"), "conflict"),
        (Refused("not now"), "refused"),
        (SettingsError("HUIYIN_X: wrong"), "settings"),
        (OperationalError("SELECT 1", {}, Exception("gone")), "database"),
        (IntegrityError("INSERT", {}, Exception("twice")), "internal"),
        (ConnectionResetError("reset"), "unavailable"),
        (TimeoutError("late"), "unavailable"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk full"),
        (PermissionError(errno.EACCES, "Permission denied"), "files"),
        (MemoryError(), "memory"),
        (ValueError("a mistake"), "internal"),
        (HuiyinError("of no kind"), "internal"),
    ],
)
def test_what_it_was(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind
    assert kind in KINDS


def test_only_words_in_both_languages_are_for_people() -> None:
    assert Failure.of(Refused("没有理由 / no reason", span=3)) == Failure(
        "refused", "没有理由 / no reason", "Refused: 没有理由 / no reason (span=3)"
    )
    assert Failure.of(Refused("no reason")).said == ""
    assert Failure.of(ValueError("中文 / English")).said == "", "words of a library are nobody's"


def test_every_kind_has_its_words_in_both_languages() -> None:
    assert set(FAILURES) == set(KINDS)
    for happened, what_to_do in FAILURES.values():
        for words in (happened, what_to_do):
            assert re.search("[\u3400-\u9fff]", words)
            assert english()[words]
    assert len({happened for happened, _ in FAILURES.values()}) == len(KINDS)
