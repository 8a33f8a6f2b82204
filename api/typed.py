"""Numbers and times as people type and paste them."""

import re
import unicodedata

_CLOCK = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,4}):([0-5]?[0-9](?:\.[0-9]+)?)")
# Four digits or more with letters and hyphens around them: the number of an order, and not words of its title.
_NUMBER = re.compile(r"[A-Za-z-]*[0-9]{4}[0-9A-Za-z-]*")


def number_typed(text: str) -> str:
    """A number without what an input method or a table put around it: wide digits and letters become plain ones."""
    return unicodedata.normalize("NFKC", text).strip()


def seconds_typed(given: object) -> object:
    """``1:23``, ``1:02:03`` or ``83.5`` (wide digits too) as seconds; what has no colon is left for its field to judge.
    ``ValueError`` for no time of day."""
    if not isinstance(given, str):
        return given
    text = number_typed(given)
    if ":" not in text:
        return text
    found = _CLOCK.fullmatch(text)
    if found is None or (found[1] and int(found[2]) > 59):
        raise ValueError("a time such as 1:23, 1:02:03 or 83.5 is expected")
    return 3600 * int(found[1] or 0) + 60 * int(found[2]) + float(found[3])


def words_typed(text: str) -> str:
    """Words as they were typed; where they are a number, as a number."""
    number = number_typed(text)
    return number if _NUMBER.fullmatch(number) else text
