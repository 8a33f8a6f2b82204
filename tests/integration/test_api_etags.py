"""Entity tags of JSON answers: the same answer, the same tag; another after a change; none for what is not JSON."""

from pathlib import Path

from api.etags import matches
from archive.house import Archive
from tests.web import OTHER_ORDER, serving


def test_tags_are_compared_weakly() -> None:
    assert matches('"a"', '"a"')
    assert matches('"x", W/"a"', '"a"')
    assert matches("*", '"a"')
    assert not any(matches(each, '"a"') for each in ("", "a", '"b"', '"aa"'))


async def test_what_has_not_changed_is_not_sent_again(archive: Archive, tmp_path: Path) -> None:
    async with serving(archive, tmp_path) as web:
        path = f"/api/v1/recordings/{web.seeded.pending}"
        first = await web.get(path)
        tag = first.headers["ETag"]
        again = await web.get(path, **{"If-None-Match": tag})
        assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == "no-store"
        assert (await web.post(f"{path}/link", {"work_order": OTHER_ORDER})).status == 201
        changed = await web.get(path, **{"If-None-Match": tag})
        assert changed.status == 200
        assert changed.headers["ETag"] != tag
        refused = await web.get(path, "client", **{"If-None-Match": changed.headers["ETag"]})
        assert refused.status == 403, "a tag opens nothing"
