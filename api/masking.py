"""What pages and API show of people: enough to recognise, not enough to look them up."""

import re

from core.logging import mask_numbers, numbers_in

_MOBILE = re.compile(r"(?:\+?86)?(1\d{2})\d{4}(\d{4})")


def mask_number(number: str) -> str:
    """``13800001234`` → ``138****1234``; other numbers keep their last four digits, short extensions stay."""
    found = _MOBILE.fullmatch(number)
    if found:
        return f"{found[1]}****{found[2]}"
    if len(number) <= 6:
        return number
    kept = 4 if len(number) >= 9 else 2
    return number[: len(number) - kept - 4] + "****" + number[-kept:]


def mask_name(name: str) -> str:
    """``张三`` → ``张*``; ``欧阳小明`` → ``欧***``; only the first character stays."""
    stripped = name.strip()
    return stripped[:1] + "*" * min(max(len(stripped) - 1, 0), 3)


def mask_text(text: str) -> str:
    """Free text with the telephone and identity numbers in it masked."""
    return mask_numbers(text)


def mask_person(text: str, number: str, name: str) -> str:
    """As ``mask_text``, and wherever the number and the name of somebody who is known stand in it."""
    shown = mask_text(text)
    if len(number.strip()) > 6:
        shown = shown.replace(number.strip(), mask_number(number.strip()))
    return shown.replace(name.strip(), mask_name(name)) if len(name.strip()) > 1 else shown


def unmask_text(text: str, original: str) -> str:
    """A text that a person wrote on top of ``mask_text(original)``: what is still masked in it is as it was."""
    for number in numbers_in(original):
        text = text.replace(mask_text(number), number, 1)
    return text
