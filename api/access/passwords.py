"""Passwords: argon2id hashes, and which passwords are good enough (NIST SP 800-63B: length and no common ones)."""

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from core.errors import Refused

SHORTEST, LONGEST = 10, 200
_HASHER = PasswordHasher()
# Those of at least ten characters that lists of broken passwords begin with, and ours.
_COMMON = frozenset(
    """1234567890 0123456789 0987654321 1111111111 0000000000 1234512345 1122334455 1q2w3e4r5t qwertyuiop asdfghjkl;
    1qaz2wsx3edc qwerty12345 qwerty123456 password12 password123 password1234 password12345 passw0rd123 p@ssw0rd123
    iloveyou123 administrator administrator1 letmein1234 welcome1234 football123 baseball123 changeme123 qazwsxedcr
    woaini1314520 woaini5201314 5201314520 1314520520 a123456789 a1234567890 aa123456789 q1w2e3r4t5 zxcvbnm123
    qwer12345678 abc1234567 abcd123456 abcd1234567 abcdefghij huiyin12345 huiyin123456 huiyinhuiyin 12345hotline
    hotline12345""".split()  # noqa: SIM905
)


def check(password: str, *names: str) -> None:
    """``Refused`` for a password that is too short, too long, common, one repeated character, or holds a name."""
    if len(password) < SHORTEST:
        raise Refused(f"密码太短，至少 {SHORTEST} 个字符 / the password is too short: at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise Refused(f"密码太长，最多 {LONGEST} 个字符 / the password is too long: at most {LONGEST} characters")
    plain = password.casefold()
    if plain in _COMMON or len(set(plain)) < 4:
        raise Refused("这个密码太常见，请用几个词连成一句 / this password is guessed first: use several words")
    if any(len(name) >= 2 and name.casefold() in plain for name in names):
        raise Refused("密码里不能有用户名 / the password holds the account's name")


def generate() -> str:
    """A random password, to be shown once."""
    return secrets.token_urlsafe(12)


async def hashed(password: str) -> str:
    """Its argon2id hash; takes tens of milliseconds by design, off the event loop."""
    return await asyncio.to_thread(_HASHER.hash, password)


class PasswordChecks:
    """Compares passwords with hashes and counts how often, so that it shows that no login skips the work."""

    def __init__(self) -> None:
        self.count = 0

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one; the same work is done where there is no hash to compare with."""
        self.count += 1
        right = await asyncio.to_thread(_matches, stored or _nobodys(), password[:LONGEST])
        return right and bool(stored)


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe(16))


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
