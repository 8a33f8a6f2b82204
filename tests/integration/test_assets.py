"""Scripts and style sheets: what is addressed by version may be kept for ever, and nothing else is reached."""

import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from api.assets import ROOT, asset, assets, script, version
from archive.house import Archive
from core.database import Database
from tests.web import serving_empty

REPOSITORY = Path(__file__).parent.parent.parent
Client = TestClient[Request, Application]


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One kind is enough: nothing here asks the database."""
    return sqlite_database


@pytest.fixture
async def client(archive: Archive, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving_empty(archive, tmp_path) as served:
        yield served


async def test_a_versioned_file_may_be_kept_for_ever(client: Client) -> None:
    answer = await client.get(asset("vendor/htmx.min.js"))
    assert (answer.status, answer.content_type) == (200, "text/javascript")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert await answer.read() == (ROOT / "vendor" / "htmx.min.js").read_bytes()


@pytest.mark.parametrize("path", ["/static/huiyin.css", "/static/0123456789ab/huiyin.css"])
async def test_without_the_version_of_now_it_is_asked_for_again(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
    again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")


async def test_who_takes_gzip_gets_it(client: Client) -> None:
    plain = (ROOT / "huiyin.css").read_bytes()
    async with client.session.get(
        client.make_url("/static/huiyin.css"), headers={"Accept-Encoding": "gzip"}, auto_decompress=False
    ) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await packed.read()) == plain
    async with client.session.get(
        client.make_url("/static/huiyin.css"), headers={"Accept-Encoding": "identity"}
    ) as whole:
        assert "Content-Encoding" not in whole.headers
        assert await whole.read() == plain


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/vendor/%2e%2e/%2e%2e/app.py",
        "/static/vendor/..%2f..%2fapp.py",
        f"/static/{'x' * 12}/../app.py",
        "/static//etc/passwd",
        "/static/none.js",
        "/static/vendor",
        "/static/vendor/VENDORED.md",
        "/static/huiyin.css%00.js",
    ],
)
async def test_nothing_else_is_reached(client: Client, path: str) -> None:
    async with client.session.get(
        client.make_url("/").join(client.make_url("/")).human_repr().rstrip("/") + path
    ) as it:
        assert it.status == (400 if "%00" in path else 404)


def test_the_version_is_that_of_the_contents() -> None:
    digest = hashlib.sha256()
    for name in sorted(assets()):
        digest.update(f"{name}\0{assets()[name].etag}\0".encode())
    assert version() == digest.hexdigest()[:12]
    assert assets()["page.js"].etag.strip('"') == hashlib.sha256((ROOT / "page.js").read_bytes()).hexdigest()[:20]


def test_a_misspelt_file_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"none\.css"):
        asset("none.css")


def test_the_words_of_a_script_come_with_it_in_english_only() -> None:
    assert "application/json" not in script("page.js", "zh")
    block = re.search(r'class="words">(.*?)</script>', script("page.js", "en"))
    assert block
    words = json.loads(block[1])
    assert words["没有连上服务，内容没有送出。请检查网络后再试。"].startswith("The service could not be reached")


@pytest.mark.parametrize("folder", [ROOT / "vendor", REPOSITORY / "tests" / "browser" / "vendor"])
def test_what_others_wrote_is_unchanged_and_licensed(folder: Path) -> None:
    said = (folder / "VENDORED.md").read_text(encoding="utf-8")
    hashes = dict(re.findall(r"^\| `([\w.]+)` .*`([0-9a-f]{64})` \|$", said, re.M))
    scripts = {path.name for path in folder.glob("*.js")}
    assert scripts == set(hashes)
    for name, expected in hashes.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected
        assert (folder / f"{name.split('.')[0]}.LICENSE").exists()
