"""Style sheets, scripts and pictures: read once, addressed by a version that changes with any of them.

``/static/<version>/review.js`` may be cached for ever, and what it imports beside itself has the same version.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web
from markupsafe import Markup

from api.language import english
from api.problems import Problem

ROOT = Path(__file__).parent / "static"
TYPES: Mapping[str, str] = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
FOREVER = "public, max-age=31536000, immutable"
# Without a version, or with an older one: ask again whether it changed.
FOR_NOW = "no-cache"
_PHRASE = re.compile(r'\bt\(\s*"((?:[^"\\]|\\.)*)"')
_IMPORT = re.compile(r'\b(?:from|import)\s*\(?\s*"\./([\w./-]+\.js)"')


@dataclass(frozen=True)
class Asset:
    """One file, as it is and compressed."""

    media: str
    plain: bytes
    packed: bytes
    etag: str


@cache
def assets() -> Mapping[str, Asset]:
    """Path below ``static`` → file.  Only what is listed here is served: no request reaches the disk."""
    paths = sorted(path for path in ROOT.rglob("*") if path.suffix in TYPES and path.is_file())
    return {path.relative_to(ROOT).as_posix(): _read(path) for path in paths}


@cache
def version() -> str:
    """Changes with the content of any file, and is the same on every host."""
    digest = hashlib.sha256()
    for name, asset in assets().items():
        digest.update(f"{name}\0{asset.etag}\0".encode())
    return digest.hexdigest()[:12]


@cache
def asset(name: str) -> str:
    """The address of a file; one that does not exist is an error of the template."""
    if name not in assets():
        raise LookupError(f"api/static has no {name}")
    return f"/static/{version()}/{name}"


@cache
def script(name: str, language: str) -> Markup:
    """The tags of a module, with the English of what it and its imports say; in Chinese it needs none."""
    tag = Markup('<script type="module" src="{}"></script>').format(asset(name))
    words = {phrase: english()[phrase] for phrase in sorted(_phrases(name, set())) if phrase in english()}
    if language == "zh" or not words:
        return tag
    # No “<” is left that could end the element.
    block = Markup(json.dumps(words, ensure_ascii=False).replace("<", "\\u003c"))  # noqa: S704
    return Markup('<script type="application/json" class="words">{}</script>').format(block) + tag


async def serve(request: web.Request) -> web.StreamResponse:
    """``/static/<version>/<name>``, or ``/static/<name>``."""
    wanted = request.match_info["name"]
    first, _, rest = wanted.partition("/")
    current = first == version()
    found = assets().get(rest if current else wanted) or assets().get(rest)
    if found is None:
        raise Problem(404)
    headers = {"Cache-Control": FOREVER if current else FOR_NOW, "ETag": found.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("If-None-Match") == found.etag:
        return web.Response(status=304, headers=headers)
    packed = bool(found.packed) and "gzip" in request.headers.get("Accept-Encoding", "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=found.packed if packed else found.plain, content_type=found.media, headers=headers)


def _read(path: Path) -> Asset:
    plain = path.read_bytes()
    packed = gzip.compress(plain, 9, mtime=0)
    etag = f'"{hashlib.sha256(plain).hexdigest()[:20]}"'
    return Asset(TYPES[path.suffix], plain, packed if len(packed) < len(plain) else b"", etag)


def _phrases(name: str, seen: set[str]) -> set[str]:
    """What a script says, and what the scripts beside it say that it imports."""
    if name in seen or name not in assets():
        return set()
    seen.add(name)
    source = assets()[name].plain.decode()
    said = {json.loads(f'"{phrase}"') for phrase in _PHRASE.findall(source)}
    folder = name.rpartition("/")[0]
    for imported in _IMPORT.findall(source):
        said |= _phrases(f"{folder}/{imported}" if folder else imported, seen)
    return said
