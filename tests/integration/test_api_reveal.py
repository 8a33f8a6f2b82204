"""Numbers and names in full: a purpose, a row in the ledger before the answer, and never a line in the log."""

import json
import logging

import pytest
from sqlalchemy import select

from core.ledger import LedgerRow
from core.logging import set_up
from tests.web import CITIZEN, ORDER, Web


async def _revealed(web: Web) -> list[dict[str, object]]:
    async with web.archive.database.read() as session:
        rows = list(await session.scalars(select(LedgerRow).where(LedgerRow.kind == "revealed")))
    return [json.loads(row.leaf) for row in rows]


async def test_a_recordings_parties_are_shown_for_a_purpose(web: Web) -> None:
    way = f"/api/v1/recordings/{web.seeded.full}/reveal"
    for purpose in ("", "x", None):
        assert (await web.post(way, {"purpose": purpose})).status == 422
    assert await _revealed(web) == []
    seen = await (await web.post(way, {"purpose": f"再次回访 {CITIZEN}"})).json()
    assert seen == {"agent": {"number": "8001", "name": "李示例"}, "citizen": {"number": CITIZEN, "name": "王样本"}}
    (leaf,) = await _revealed(web)
    assert (leaf["actor"], leaf["subject"]) == ("agent", str(web.seeded.full))
    assert leaf["facts"] == {"what": "parties of a recording", "purpose": "再次回访 138****1234"}


async def test_an_orders_caller_and_text_are_shown_for_a_purpose(web: Web) -> None:
    masked = await (await web.get(f"/api/v1/work-orders/{ORDER}")).text()
    assert CITIZEN not in masked
    seen = await (await web.post(f"/api/v1/work-orders/{ORDER}/reveal", {"purpose": "核对来电人"})).json()
    assert seen["caller"] == {"number": CITIZEN, "name": "王样本"}
    assert CITIZEN in seen["content"]
    assert [leaf["subject"] for leaf in await _revealed(web)] == [ORDER]
    assert (await web.post("/api/v1/work-orders/none/reveal", {"purpose": "核对来电人"})).status == 404
    assert len(await _revealed(web)) == 1


@pytest.mark.parametrize("role", ["client", "system", "security", "audit"])
async def test_who_hears_nothing_sees_nobody(web: Web, role: str) -> None:
    assert (await web.post(f"/api/v1/recordings/{web.seeded.full}/reveal", {"purpose": "核对"}, role)).status == 403
    assert (await web.post(f"/api/v1/work-orders/{ORDER}/reveal", {"purpose": "核对"}, role)).status == 403


@pytest.mark.parametrize("kind", ["recording", "order"])
async def test_the_page_asks_first_and_is_kept_by_nobody(web: Web, kind: str) -> None:
    way = f"/recordings/{web.seeded.full}" if kind == "recording" else f"/orders/{ORDER}"
    browser, csrf = await web.browser("agent"), web.form_tokens["agent"]
    asked = await browser.get(f"{way}/reveal")
    assert asked.status == 200
    assert CITIZEN not in await asked.text()
    refused = await browser.post(f"{way}/reveal", data={"csrf": csrf, "purpose": "x"})
    assert (refused.status, CITIZEN in await refused.text()) == (422, False)
    shown = await browser.post(f"{way}/reveal", data={"csrf": csrf, "purpose": "再次回访"})
    page = await shown.text()
    assert CITIZEN in page
    assert "王样本" in page
    assert shown.headers["Cache-Control"] == "no-store"
    assert len(await _revealed(web)) == 1


async def test_the_log_never_holds_what_was_revealed(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        for form in ("text", "json"):
            set_up("web", form)
            await web.post(f"/api/v1/recordings/{web.seeded.full}/reveal", {"purpose": f"call {CITIZEN}"})
            await web.post(f"/api/v1/work-orders/{ORDER}/reveal", {"purpose": f"王样本 {CITIZEN}"})
            await web.post(f"/api/v1/recordings/{web.seeded.full}/reveal", {"purpose": CITIZEN[:2]})
            await web.get(f"/api/v1/recordings?person={CITIZEN}")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    written = capsys.readouterr().err
    assert "answered" in written
    for secret in (CITIZEN, "王样本", "李示例"):
        assert secret not in written
