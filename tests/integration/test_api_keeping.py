"""Holds, batches and policies over HTTP: who may, what two people are needed for, and what is shown of people."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from core.ledger import LedgerRow
from tests.web import CITIZEN, ORDER, Web

HOLD = {"name": "投诉调查", "reason": f"市民 {CITIZEN} 投诉", "persons": [CITIZEN]}


async def test_a_hold_from_placing_to_release(web: Web) -> None:
    placed = await web.post("/api/v1/holds", HOLD, "auditor")
    assert placed.status == 202
    case = await placed.json()
    assert placed.headers["Location"] == f"/api/v1/holds/{case['id']}"
    assert (case["recordings"], case["applied_at"], case["working"]) == ({}, None, True)
    await web.work()
    case = (await (await web.get(placed.headers["Location"], "auditor")).json())["hold"]
    assert (case["recordings"], case["working"], case["failure"]) == ({"held": 2}, False, None)
    assert case["applied_at"]
    assert case["persons"] == ["138****1234"]
    assert CITIZEN not in await (await web.get("/api/v1/holds", "auditor")).text()
    shown = await (await web.get(f"/api/v1/holds/{case['id']}?limit=1", "auditor")).json()
    assert [each["state"] for each in shown["recordings"]] == ["held"]
    rest = await (await web.get(f"/api/v1/holds/{case['id']}?cursor={shown['next']}", "auditor")).json()
    assert len(rest["recordings"]) == 1
    detail = await (await web.get(f"/api/v1/recordings/{web.seeded.full}", "auditor")).json()
    assert detail["held"]
    why = await (await web.get(f"/api/v1/recordings/{web.seeded.full}/retention", "auditor")).json()
    assert why["held"]
    assert "按案件“投诉调查”" in why["chinese"]

    way = f"/api/v1/holds/{case['id']}/release"
    assert (await web.post(f"{way}/confirm", role="system")).status == 409
    assert (await web.post(way, {"reason": "调查结束"}, "auditor")).status == 200
    assert (await web.post(f"{way}/confirm", role="auditor")).status == 403
    released = await web.post(f"{way}/confirm", role="system")
    assert (released.status, released.headers["Location"]) == (202, placed.headers["Location"])
    released_case = await released.json()
    assert (released_case["state"], released_case["recordings"]) == ("released", {"held": 2})
    assert released_case["working"]
    await web.work()
    released_case = (await (await web.get(placed.headers["Location"], "auditor")).json())["hold"]
    assert (released_case["recordings"], released_case["working"]) == ({"let go": 2}, False)
    detail = await (await web.get(f"/api/v1/recordings/{web.seeded.full}", "auditor")).json()
    assert not detail["held"]
    async with web.archive.database.read() as session:
        leaves = (await session.scalars(select(LedgerRow.leaf))).all()
    assert not [leaf for leaf in leaves if CITIZEN in leaf]


async def test_a_link_by_a_person_joins_the_hold_of_its_order(web: Web) -> None:
    await web.post("/api/v1/holds", {"name": "甲", "reason": "乙", "orders": [ORDER]}, "auditor")
    await web.work()
    await web.post(f"/api/v1/recordings/{web.seeded.failed}/link", {"work_order": ORDER}, "agent")
    detail = await (await web.get(f"/api/v1/recordings/{web.seeded.failed}")).json()
    assert detail["held"]


@pytest.mark.parametrize("body", [{"name": "甲", "reason": "乙"}, {"name": "", "reason": "乙", "orders": ["1"]}])
async def test_a_hold_that_says_nothing_is_refused(web: Web, body: dict[str, object]) -> None:
    assert (await web.post("/api/v1/holds", body, "auditor")).status in (403, 422)


async def test_nothing_is_disposed_of_early(web: Web) -> None:
    body = {"recording": str(web.seeded.full), "reason": "腾空间"}
    refused = await web.post("/api/v1/disposals", body, "auditor")
    assert refused.status == 403
    assert "未到保存期限" in (await refused.json())["detail"]
    assert (await (await web.get("/api/v1/disposals", "auditor")).json())["items"] == []
    assert (await (await web.get("/api/v1/disposals/batches", "auditor")).json())["items"] == []


async def test_policies_are_set_and_listed(web: Web) -> None:
    today = (web.archive.clock() + timedelta(hours=8)).date()
    contract = {"effective_from": str(today), "contract": "服务合同", "ends": str(date(today.year + 4, 1, 31))}
    assert (await web.post("/api/v1/policies", {**contract, "years_after": 2}, "system")).status == 200
    listed = await web.post("/api/v1/policies", {"effective_from": str(today), "years": 3}, "system")
    said = await listed.json()
    assert said["floor"] == 2
    assert [(each["years"], each["contract"]) for each in said["items"]] == [(3, ""), (None, "服务合同")]
    assert (await web.post("/api/v1/policies", {"effective_from": str(today), "years": 1}, "system")).status == 403
    assert (await web.post("/api/v1/policies", {"effective_from": str(today)}, "system")).status == 422
