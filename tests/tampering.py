"""What somebody who holds the store can do to it: with the local store's files, or as the keeper of an S3 server."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from minio import Minio

from tests.s3_relay import Answer, Forward, Relay, Request

DATE, HOLD = "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"
MODE = "x-amz-object-lock-mode"
Change = Callable[[bytes], bytes]


def one_bit(content: bytes) -> bytes:
    """One bit in the middle is another."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def cut_short(content: bytes) -> bytes:
    """The last octet is missing."""
    return content[:-1]


def change_byte(path: Path, change: Change = one_bit) -> tuple[str, str]:
    """Alter a read-only file; the hashes before and after."""
    before = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(change(before))
    return hashlib.sha256(before).hexdigest(), hashlib.sha256(change(before)).hexdigest()


class Vandal(Protocol):
    """Changes what lies under a key behind everybody's back."""

    def change(self, key: str, change: Change = one_bit) -> tuple[str, str]:
        """Alter the bytes; their SHA-256 before and after."""
        ...

    def swap(self, one: str, other: str) -> None:
        """Give each key's bytes under the other."""
        ...

    def lock(self, key: str, until: datetime | None) -> None:
        """Shorten the lock, or remove it."""
        ...

    def lift(self, key: str) -> None:
        """Remove the legal hold."""
        ...

    def remove(self, prefix: str) -> None:
        """Make everything under a prefix disappear."""
        ...


@dataclass(frozen=True)
class LocalVandal:
    """Root on the machine of a local store: its files are his."""

    store: Path

    def place(self, key: str) -> Path:
        """The directory of a key's only version."""
        return next((self.store / "objects" / key).glob("@*"))

    def change(self, key: str, change: Change = one_bit) -> tuple[str, str]:
        return change_byte(self.place(key) / "data", change)

    def swap(self, one: str, other: str) -> None:
        first, second = self.place(one) / "data", self.place(other) / "data"
        first.rename(first.with_name("aside"))
        second.rename(first)
        first.with_name("aside").rename(second)

    def lock(self, key: str, until: datetime | None) -> None:
        self.rewrite_lock(key, lock_until=until.isoformat() if until else None)

    def lift(self, key: str) -> None:
        self.rewrite_lock(key, held=False)

    def rewrite_lock(self, key: str, **facts: object) -> None:
        lock = self.place(key) / "lock.json"
        lock.chmod(0o644)
        lock.write_text(json.dumps({**json.loads(lock.read_text()), **facts}))

    def remove(self, prefix: str) -> None:
        shutil.rmtree(self.store / "objects" / prefix)


@dataclass
class ServerVandal:
    """The keeper of an S3 server, as clients meet him: between them and the real server he answers what he likes."""

    relay: Relay
    client: Minio
    bucket: str
    _bodies: dict[str, bytes] = field(default_factory=dict)
    _headers: dict[str, dict[str, str | None]] = field(default_factory=dict)
    _gone: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.relay.fate = self._fate

    def content(self, key: str) -> bytes:
        """What the server really has."""
        response = self.client.get_object(self.bucket, key)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def change(self, key: str, change: Change = one_bit) -> tuple[str, str]:
        before = self.content(key)
        self._bodies[key] = after = change(before)
        return hashlib.sha256(before).hexdigest(), hashlib.sha256(after).hexdigest()

    def swap(self, one: str, other: str) -> None:
        self._bodies[one], self._bodies[other] = self.content(other), self.content(one)

    def lock(self, key: str, until: datetime | None) -> None:
        date = f"{until:%Y-%m-%dT%H:%M:%SZ}" if until else None
        self._headers.setdefault(key, {}).update({DATE: date} if until else {DATE: None, MODE: None})

    def lift(self, key: str) -> None:
        self._headers.setdefault(key, {})[HOLD] = "OFF"

    def remove(self, prefix: str) -> None:
        self._gone.append(prefix)

    def _fate(self, request: Request, forward: Forward) -> Answer:
        key = request.path.removeprefix(f"/{self.bucket}/")
        if any(key.startswith(prefix) for prefix in self._gone) and request.method in ("GET", "HEAD"):
            return Answer(404, {"Content-Type": "application/xml"}, _NO_KEY if request.method == "GET" else b"")
        answer = forward(request)
        if "versions" in request.query:
            answer.body = self._without_gone(answer.body)
        elif request.method == "GET" and key in self._bodies:
            answer.body = self._bodies[key]
        for name, value in self._headers.get(key, {}).items():
            answer.headers = {each: text for each, text in answer.headers.items() if each.lower() != name}
            answer.headers |= {name: value} if value is not None else {}
        return answer

    def _without_gone(self, listing: bytes) -> bytes:
        for prefix in self._gone:
            listing = re.sub(_ENTRY % re.escape(prefix.encode()), b"", listing, flags=re.DOTALL)
        return listing


_ENTRY = rb"<Version>(?:(?!</Version>).)*<Key>%s(?:(?!</Version>).)*</Version>"
_NO_KEY = b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"
