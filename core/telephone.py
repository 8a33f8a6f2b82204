"""Telephone numbers as they are compared, however somebody wrote them."""

import re
import unicodedata

_SHORTEST = 5


def normal_telephone(number: str) -> str:
    """A telephone as it is compared: digits only, no country code, no 0 before a mobile number.

    ``+86 138-0000-0101``, ``013800000101`` and ``13800000101`` are one number, in wide digits too.
    """
    number = unicodedata.normalize("NFKC", number)
    digits = re.sub(r"\D", "", number)
    if number.strip().startswith("+86") or digits.startswith("0086"):
        digits = digits.removeprefix("00").removeprefix("86")
        # Behind a country code a land line loses the 0 of its area code.
        digits = digits if re.match(r"1[3-9]\d{9}$|0", digits) else "0" + digits
    elif re.fullmatch(r"861[3-9]\d{9}", digits):
        digits = digits[2:]
    if re.fullmatch(r"01[3-9]\d{9}", digits):
        digits = digits[1:]
    return digits if len(digits) >= _SHORTEST else ""


def person_of(number: str) -> str:
    """Who a number stands for: the telephone, or an extension too short to be one as it is."""
    return normal_telephone(number) or unicodedata.normalize("NFKC", number).strip()
