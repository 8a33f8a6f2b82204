"""Webhooks through the API and the pages: a system administrator's day, and what an auditor of administrators sees."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientResponse, FormData
from sqlalchemy import select

from api.webhooks.tables import Webhook
from archive.house import Archive
from core.clock import utc_now
from core.ledger import LedgerRow
from core.sealed_secrets import SecretBox
from core.settings import Settings
from service.webhooks import sender_of
from tests.web import Web, serving
from tests.webhooks import Receiver, receiving

ROOM, SYSTEM = "/api/v1/webhooks", "system"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    allowed = (ip_network("127.0.0.0/8"),)
    ports = frozenset({443, receiver.port})
    return Settings(data_dir=tmp_path, webhook_http="yes", webhook_ports=ports, webhook_networks=allowed)


@pytest.fixture
async def web(archive: Archive, tmp_path: Path, settings: Settings) -> AsyncIterator[Web]:
    SecretBox.ensure(settings.secret_key)
    async with serving(archive, tmp_path, settings) as served:
        yield served


async def send_all(web: Web, settings: Settings) -> None:
    """What the scheduler's process does, until nothing is due."""
    sender = sender_of(web.archive.database, settings, utc_now)
    while lanes := await sender.turn():
        await asyncio.gather(*lanes)
    await sender.stop()


async def ask(web: Web, method: str, path: str, body: object = None, role: str = SYSTEM) -> ClientResponse:
    headers = await web.bearer(role)
    return await web.client().request(method, path, json=body, headers=headers, allow_redirects=False)


async def said(web: Web, method: str, path: str, body: object = None, status: int = 200) -> Any:
    answer = await ask(web, method, path, body)
    assert answer.status == status, await answer.text()
    return await answer.json()


def wish(receiver: Receiver, **changes: object) -> dict[str, object]:
    return {"label": "工单平台", "url": receiver.url(path="/hook?key=abc"), "events": ["recording.sealed"], **changes}


async def test_a_subscriber_from_its_adding_to_its_removal(
    web: Web, receiver: Receiver, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = await said(web, "POST", ROOM, wish(receiver), status=201)
    one, secret = f"{ROOM}/{made['webhook']['id']}", made["secret"]
    assert secret.startswith("whsec_")
    test = await said(web, "POST", f"{one}/test", status=202)
    assert (test["event"], test["state"]) == ("test", "waiting")
    await send_all(web, settings)
    (heard,) = receiver.heard
    assert heard.signed_by(secret)
    assert heard.said == {"id": test["message"], "event": "test", "time": heard.said["time"], "data": {}}
    (told,) = (await said(web, "GET", f"{one}/deliveries"))["items"]
    assert (told["state"], told["status"], told["tries"], told["next_try_at"]) == ("delivered", 204, 1, None)
    again = await said(web, "POST", f"{one}/deliveries/{told['message']}/send", status=202)
    assert (again["state"], again["tries"], again["message"]) == ("waiting", 0, told["message"])
    renewed = await said(web, "POST", f"{one}/secret")
    await send_all(web, settings)
    assert receiver.heard[1].message == heard.message
    assert receiver.heard[1].signed_by(secret)
    assert receiver.heard[1].signed_by(renewed["secret"])
    changed = await said(web, "PATCH", one, {"events": ["alert", "disposal.due"], "active": False})
    assert (changed["events"], changed["active"], changed["stopped"]) == (["disposal.due", "alert"], False, "person")
    assert changed["label"] == "工单平台"
    assert (await ask(web, "POST", f"{one}/test")).status == 409
    assert (await ask(web, "POST", f"{one}/deliveries/{told['message']}/send")).status == 409
    listed = await (await ask(web, "GET", ROOM)).text()
    await said(web, "DELETE", one)
    assert (await said(web, "GET", ROOM))["items"] == []
    ways = (("GET", one), ("PATCH", one), ("DELETE", one), ("POST", f"{one}/test"), ("GET", f"{one}/deliveries"))
    for method, path in ways:
        body: object = {} if method == "PATCH" else None
        assert (await ask(web, method, path, body)).status == 404, (method, path)
    async with web.archive.database.read() as session:
        rows = await session.scalars(select(LedgerRow).where(LedgerRow.subject == made["webhook"]["id"]))
        entries = [(row.kind, row.leaf) for row in rows]
    assert [kind for kind, _ in entries] == [
        *("webhook added", "webhook secret renewed", "webhook changed", "webhook switched off", "webhook removed")
    ]
    logged = str([(record.getMessage(), getattr(record, "facts", None)) for record in caplog.records])
    assert "webhook tried" in logged
    for shown in (listed, logged, str(entries)):
        assert secret not in shown
        assert renewed["secret"] not in shown
    for shown in (logged, str(entries)):
        assert "key=abc" not in shown


async def test_what_the_database_holds_of_a_secret_says_nothing(
    web: Web, receiver: Receiver, settings: Settings
) -> None:
    made = await said(web, "POST", ROOM, wish(receiver), status=201)
    async with web.archive.database.read() as session:
        row = (await session.scalars(select(Webhook))).one()
    assert made["secret"].removeprefix("whsec_").rstrip("=") not in row.secret
    # A sealed secret that is moved to another row opens nothing there.
    other = await said(web, "POST", ROOM, wish(receiver), status=201)
    async with web.archive.database.write() as session:
        rows = {str(each.id): each for each in await session.scalars(select(Webhook))}
        rows[other["webhook"]["id"]].secret = row.secret
    await said(web, "POST", f"{ROOM}/{other['webhook']['id']}/test", status=202)
    await send_all(web, settings)
    (told,) = (await said(web, "GET", f"{ROOM}/{other['webhook']['id']}/deliveries"))["items"]
    assert (told["state"], told["outcome"], receiver.heard) == ("waiting", "no key", [])


# What is wrong with a wish, the status of the answer, and what its detail says.
WRONG: tuple[tuple[dict[str, object], int, str], ...] = (
    ({"url": "https://10.0.0.1/hook"}, 403, "HUIYIN_WEBHOOK_NETWORKS"),
    ({"url": "https://169.254.169.254/"}, 403, "metadata"),
    ({"url": "https://user:pw@hotline.example/"}, 403, "user name"),
    ({"url": "https://hotline.example:22/"}, 403, "HUIYIN_WEBHOOK_PORTS"),
    ({"url": "gopher://hotline.example/"}, 403, "https://"),
    ({"url": ""}, 422, "url"),
    ({"events": []}, 422, "events"),
    ({"events": ["everything"]}, 422, "events"),
    ({"label": ""}, 422, "label"),
    ({"secret": "mine"}, 422, "secret"),
)


async def test_what_is_refused_at_once(web: Web, receiver: Receiver, settings: Settings) -> None:
    for changes, status, says in WRONG:
        answer = await ask(web, "POST", ROOM, wish(receiver, **changes))
        detail = (await answer.json())["detail"]
        assert (answer.status, says in detail, "pw@" in detail) == (status, True, False), (changes, detail)
    settings.secret_key.unlink()
    answer = await ask(web, "POST", ROOM, wish(receiver))
    assert answer.status == 503
    assert "the key of stored secrets" in (await answer.json())["detail"], "without its file nothing can be sealed"
    assert (await said(web, "GET", ROOM))["items"] == []


async def test_deliveries_are_listed_page_by_page(web: Web, receiver: Receiver) -> None:
    made = await said(web, "POST", ROOM, wish(receiver), status=201)
    one = f"{ROOM}/{made['webhook']['id']}"
    for _ in range(5):
        await said(web, "POST", f"{one}/test", status=202)
    seen: list[str] = []
    following: str | None = ""
    while following is not None:
        page = await said(web, "GET", f"{one}/deliveries?limit=2&cursor={following}")
        seen += [each["message"] for each in page["items"]]
        following = page["next"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 5
    assert (await said(web, "GET", f"{one}/deliveries?state=failed"))["items"] == []
    for wrong in ("state=lost", "cursor=x", "limit=0"):
        assert (await ask(web, "GET", f"{one}/deliveries?{wrong}")).status == 400, wrong
    for path in (f"{one}/deliveries/{uuid4()}/send", f"{one}/deliveries/x/send", f"{ROOM}/x/test"):
        assert (await ask(web, "POST", path)).status == 404, path


async def submit(web: Web, path: str, role: str = SYSTEM, **fields: str | list[str]) -> tuple[int, str]:
    """Send a form as its page does; the status, and where it leads or what the page says."""
    browser, form = await web.browser(role), FormData({"csrf": web.form_tokens[role]})
    for name, value in fields.items():
        for each in [value] if isinstance(value, str) else value:
            form.add_field(name, each)
    answer = await browser.post(path, data=form, allow_redirects=False)
    return answer.status, answer.headers.get("Location") or await answer.text()


async def test_the_pages_do_the_same(web: Web, receiver: Receiver, settings: Settings) -> None:
    room = "/admin/webhooks"
    bad = await submit(web, room, label="平台", url="https://10.0.0.1/", events=["alert"])
    assert bad[0] == 422
    assert "HUIYIN_WEBHOOK_NETWORKS" in bad[1]
    assert 'value="https://10.0.0.1/"' in bad[1]
    status, shown = await submit(web, room, label="平台", url=receiver.url(), events=["alert", "recording.sealed"])
    assert status == 200
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", shown)
    assert secret
    (made,) = (await said(web, "GET", ROOM))["items"]
    one = f"{room}/{made['id']}"
    assert await submit(web, f"{one}/test") == (303, one)
    await send_all(web, settings)
    assert receiver.heard[0].signed_by(secret[0])
    (told,) = (await said(web, "GET", f"{ROOM}/{made['id']}/deliveries"))["items"]
    page = await (await web.get(one, SYSTEM)).text()
    assert secret[0] not in page
    assert all(each in page for each in ("已送达", "204", told["message"], "测试消息"))
    assert await submit(web, f"{one}/deliveries/{told['message']}/send") == (303, one)
    status, shown = await submit(web, f"{one}/secret")
    assert (status, shown.count("whsec_")) == (200, 1)
    assert await submit(web, one, label="新名称", url=receiver.url(), events=["alert"]) == (303, one)
    assert await submit(web, one, active="off") == (303, one)
    (now,) = (await said(web, "GET", ROOM))["items"]
    assert (now["label"], now["events"], now["active"]) == ("新名称", ["alert"], False)
    assert (await submit(web, f"{one}/test"))[0] == 422
    # Who audits administrators sees where messages go, and changes nothing.
    seen = await (await web.get(one, "audit")).text()
    assert receiver.url() in seen
    assert '<form method="post" action="/admin/webhooks' not in seen
    assert (await submit(web, one, role="audit", active="on"))[0] == 403
    assert await submit(web, f"{one}/remove") == (303, room)
    assert (await web.get(one, SYSTEM)).status == 404
