"""Settings and dictionaries over HTTP and on pages: who may, what holds at once, and what it changes elsewhere."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.context import CONTEXT
from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from tests.web import PASSWORD, Web, order, serving

REASON = "合同约定"


@pytest.fixture
async def web(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Web]:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path) as served:
        yield served
    await store.close()


def _local(web: Web) -> date:
    return web.app[CONTEXT].today()


async def setting(web: Web, name: str, role: str = "audit") -> dict[str, Any]:
    answer = await web.get(f"/api/v1/settings/{name}", role)
    assert answer.status == 200
    found: dict[str, Any] = await answer.json()
    return found


async def _due(web: Web) -> dict[str, str]:
    items = (await (await web.get("/api/v1/work?show=due")).json())["items"]
    return {each["order"]: each["until"] for each in items}


async def test_a_setting_changes_what_the_house_does_at_once(web: Web) -> None:
    before = (await setting(web, "callback_days"))["setting"]
    assert (before["value"], before["source"], before["variable"]) == ("3", "default", "HUIYIN_CALLBACK_DAYS")
    day = _local(web)
    async with web.archive.database.write() as session:
        session.add(order("GD-TODAY", closed_at=web.archive.clock()))
    due = await _due(web)
    assert due["GD-TODAY"] == str(day + timedelta(days=3))
    asked = {"value": "0", "effective_from": str(day), "reason": REASON}
    answer = await web.post("/api/v1/settings/callback_days", asked, "system")
    assert answer.status == 200
    later = {**asked, "value": "9", "effective_from": str(day + timedelta(days=5))}
    assert (await web.post("/api/v1/settings/callback_days", later, "system")).status == 200
    found = await setting(web, "callback_days")
    assert (found["setting"]["value"], found["setting"]["source"]) == ("0", "page")
    assert found["setting"]["coming"] == [{"effective_from": str(day + timedelta(days=5)), "value": "9"}]
    assert [(each["value"], each["by"], each["reason"]) for each in found["changes"]] == [
        ("9", "operator", REASON),
        ("0", "operator", REASON),
    ]
    # Terms that began before today keep the days of their day.
    assert await _due(web) == {**due, "GD-TODAY": str(day)}


async def test_the_name_of_the_house_is_on_the_next_page(web: Web) -> None:
    asked = {"value": "示例区热线办", "effective_from": str(_local(web)), "reason": REASON}
    assert (await web.post("/api/v1/settings/organisation", asked, "system")).status == 200
    assert "示例区热线办" in await (await web.get("/admin/settings", "system")).text()
    back = {**asked, "value": None, "reason": "王样本来电 13800001234 要求"}
    assert (await web.post("/api/v1/settings/organisation", back, "system")).status == 200
    assert "示例区热线办" not in await (await web.get("/account", "system")).text()
    assert "13800001234" not in (await setting(web, "organisation"))["changes"][0]["reason"], (
        "the ledger holds no numbers"
    )


async def test_who_gets_in_is_set_by_the_security_administrator_with_the_password_again(web: Web) -> None:
    asked = {"value": "90", "effective_from": str(_local(web)), "reason": REASON}
    path = "/api/v1/settings/session_idle_minutes"
    assert (await web.post(path, asked, "system")).status == 404, "it is no setting of how the work is done"
    assert (await web.post(path, asked, "security")).status == 403
    assert (await web.post(f"{path}/secure", asked, "security")).status == 422, "no password"
    assert (await web.post(f"{path}/secure", {**asked, "password": "wrong"}, "security")).status == 422
    assert (await setting(web, "session_idle_minutes"))["setting"]["source"] == "default"
    assert (await web.post(f"{path}/secure", {**asked, "password": PASSWORD}, "security")).status == 200
    assert (await setting(web, "session_idle_minutes"))["setting"]["value"] == "90"
    wrong = {**asked, "value": "1", "password": PASSWORD}
    assert (await web.post(f"{path}/secure", wrong, "security")).status == 403, "nobody could mend it"


async def test_limits_and_logins_follow_at_once(web: Web) -> None:
    asked = {"effective_from": str(_local(web)), "reason": REASON, "password": PASSWORD}
    for name, value in (("requests_per_minute", "60"), ("second_factor_roles", "client")):
        assert (await web.post(f"/api/v1/settings/{name}/secure", {**asked, "value": value}, "security")).status == 200
    assert (await web.get("/api/v1/reports", "client")).status == 403, "a second factor is to be set up first"
    answers = [(await web.get("/api/v1/recordings")).status for _ in range(70)]
    assert answers[0] == 200
    assert 429 in answers


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("rates.weights", "0.2 0.4 0.4", 200),
        ("rates.weights", "0.2 0.4", 422),
        ("rates.weights", "0.5 0.4 0.4", 422),
        ("rates.fairly_factor", "1.5", 422),
        ("rates.fairly_factor", "0.8", 200),
        ("callback_days", "many", 403),
        ("database_url", "x", 404),
    ],
)
async def test_values_are_looked_at(web: Web, name: str, value: str, status: int) -> None:
    asked = {"value": value, "effective_from": str(_local(web)), "reason": REASON}
    answer = await web.post(f"/api/v1/settings/{name}", asked, "system")
    assert answer.status == status, await answer.text()
    if status == 200:
        assert (await setting(web, name))["setting"]["value"] == value


async def test_secrets_are_never_shown(web: Web) -> None:
    listed = (await (await web.get("/api/v1/settings", "system")).json())["items"]
    shown = {each["name"]: each["value"] for each in listed}
    assert set(shown) >= {"database_url", "store_url", "oidc_client_secret", "callback_days", "rates.weights"}
    assert {shown[name] for name in ("database_url", "store_url", "oidc_client_secret")} <= {"", "•••"}


async def _form(web: Web, path: str, role: str, **fields: str) -> int:
    browser = await web.browser(role)
    form = {**fields, "csrf": web.form_tokens[role]}
    return (await browser.post(path, data=form, allow_redirects=False)).status


async def test_pages_change_settings_too(web: Web) -> None:
    day = str(_local(web))
    form = {"value": "6", "effective_from": day, "reason": REASON}
    assert await _form(web, "/admin/settings/callback_days", "system", **form) == 303
    text = await (await web.get("/admin/settings/callback_days", "audit")).text()
    assert REASON in text
    assert "operator" in text
    assert await _form(web, "/admin/settings/callback_days", "system", **{**form, "value": "99"}) == 422
    assert await _form(web, "/admin/settings/callback_days", "system", **{**form, "effective_from": "x"}) == 422
    assert await _form(web, "/admin/settings/callback_days", "system", **form, installed="1") == 303
    assert (await setting(web, "callback_days"))["setting"]["value"] == "3"
    roles = {**form, "value": "system", "password": PASSWORD}
    assert await _form(web, "/admin/settings/second_factor_roles/secure", "security", **roles) == 303
    to_do = await web.get("/admin/settings", "system")
    assert (to_do.status, to_do.headers["Location"]) == (303, "/account"), "it needs a second factor now"
    assert (await web.get("/admin/settings/data_dir", "audit")).status == 404


async def test_another_name_of_a_unit_finds_the_same_orders(web: Web) -> None:
    listed = "/api/v1/work-orders?unit="
    assert (await (await web.get(listed + "城管局")).json())["total"] == 0
    entry = {"value": "示例区城管委", "aliases": ["城管局"]}
    answer = await web.post("/api/v1/dictionaries/unit", entry, "supervisor")
    assert answer.status == 201
    assert (await (await web.get(listed + "城管局")).json())["total"] == 2
    found = await (await web.get("/api/v1/search?unit=城管局")).json()
    assert [each["recording"]["id"] for each in found["items"]][-1] == str(web.seeded.full)
    assert (await web.post("/api/v1/dictionaries/unit", entry, "supervisor")).status == 409
    assert (await web.post("/api/v1/dictionaries/nothing", entry, "supervisor")).status == 404
    assert (await web.post("/api/v1/dictionaries/unit", entry, "auditor")).status == 403


async def test_entries_are_followed_and_ended(web: Web) -> None:
    day = _local(web)
    base = "/api/v1/dictionaries/purpose"
    first = (await (await web.get(base, "auditor")).json())["items"][0]
    assert first["set_by"] == ""
    new = {"value": "投诉复查", "valid_from": str(day + timedelta(days=1))}
    assert (await web.post(f"{base}/{first['id']}", new, "system")).status == 200
    tomorrow = await (await web.get(f"{base}?on={day + timedelta(days=1)}", "auditor")).json()
    now = await (await web.get(f"{base}?on={day}", "auditor")).json()
    assert first["value"] in [each["value"] for each in now["items"]]
    values = [each["value"] for each in tomorrow["items"]]
    assert "投诉复查" in values
    assert first["value"] not in values
    second = now["items"][1]
    assert (await web.post(f"{base}/{second['id']}/end", {}, "system")).status == 200
    assert (await web.post(f"{base}/{second['id']}/end", {}, "system")).status == 409
    past = {**new, "valid_from": "0001-01-01"}
    assert (await web.post(f"{base}/{now['items'][2]['id']}", past, "system")).status == 403
    page = await (await web.get("/admin/dictionaries/purpose", "supervisor")).text()
    assert second["value"] in page, "what has ended is still told"


async def test_pages_change_dictionaries_too(web: Web) -> None:
    page = "/admin/dictionaries/unit"
    entry = {"value": "供热公司", "aliases": "热力，热力公司\n热企", "valid_from": str(_local(web))}
    assert await _form(web, page, "supervisor", **entry) == 303
    assert await _form(web, page, "supervisor", **entry) == 422
    (made,) = (await (await web.get("/api/v1/dictionaries/unit", "audit")).json())["items"]
    assert made["aliases"] == ["热力", "热力公司", "热企"]
    changed = {"value": "供热集团", "valid_from": str(_local(web))}
    assert await _form(web, f"{page}/{made['id']}", "supervisor", **changed) == 303
    items = (await (await web.get(f"/api/v1/dictionaries/unit?on={_local(web)}", "audit")).json())["items"]
    assert [each["value"] for each in items] == ["供热集团"]
    assert await _form(web, f"{page}/{items[0]['id']}/end", "supervisor") == 303
    assert (await (await web.get("/api/v1/dictionaries", "audit")).json())["items"][0]["valid"] == 0


@pytest.mark.parametrize(
    ("role", "path", "dictionary"),
    [("auditor", "/recordings/{full}", "purpose"), ("agent", "/recordings/{full}/reveal", "purpose")],
)
async def test_purposes_are_offered_where_one_is_asked(web: Web, role: str, path: str, dictionary: str) -> None:
    entry = {"value": "区长热线督办", "english": "Asked by the district"}
    assert (await web.post(f"/api/v1/dictionaries/{dictionary}", entry, "system")).status == 201
    text = await (await web.get(path.format(full=web.seeded.full), role)).text()
    assert '<option value="区长热线督办"' in text
