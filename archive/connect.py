"""From ``HUIYIN_STORE_URL`` to an object store.  Nothing connects before the first request."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from archive.store import ObjectStore
from core.clock import Clock, utc_now
from core.errors import SettingsError

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
EXPECTED = "expected file:///DIRECTORY or s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=…&ca=…"


def connect_store(url: str, *, clock: Clock = utc_now) -> ObjectStore:
    """The store at ``file:///DIR`` or ``s3://KEY:SECRET@host:port/bucket?secure=…&region=…&ca=…`` (key and secret
    percent-encoded; ``ca``: a PEM file of the authorities to trust instead of the system's).

    ``SettingsError`` for anything else; it never shows the URL, which holds a secret."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path and not parts.netloc:
        from archive.local import LocalStore

        return LocalStore(unquote(parts.path), clock=clock)
    if parts.scheme == "s3":
        return _connect_s3(url, clock)
    raise SettingsError(f"HUIYIN_STORE_URL: {EXPECTED}")


def _connect_s3(url: str, clock: Clock) -> ObjectStore:
    from archive.s3 import S3Store  # only who uses it pays for loading the SDK

    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    secure, region = options.pop("secure", "true"), options.pop("region", None)
    authorities = options.pop("ca", None)
    bucket = parts.path.strip("/")
    complete = parts.username and parts.password and parts.hostname and _BUCKET.fullmatch(bucket)
    if not complete or options or secure not in ("true", "false"):
        raise SettingsError(f"HUIYIN_STORE_URL: {EXPECTED}")
    assert parts.username
    assert parts.password
    assert parts.hostname
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return S3Store(
        f"{host}:{parts.port}" if parts.port else host,
        bucket,
        key=unquote(parts.username),
        secret=unquote(parts.password),
        secure=secure == "true",
        region=region,
        authorities=Path(authorities) if authorities else None,
        clock=clock,
    )
