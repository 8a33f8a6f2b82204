"""Numbers as people type and paste them."""

import re
import unicodedata

# Four digits or more with letters and hyphens around them: the number of an order, and not words of its title.
_NUMBER = re.compile(r"[A-Za-z-]*[0-9]{4}[0-9A-Za-z-]*")


def number_typed(text: str) -> str:
    """A number without what an input method or a table put around it: wide digits and letters become plain ones."""
    return unicodedata.normalize("NFKC", text).strip()


def words_typed(text: str) -> str:
    """Words as they were typed; where they are a number, as a number."""
    number = number_typed(text)
    return number if _NUMBER.fullmatch(number) else text
