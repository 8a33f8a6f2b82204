"""消息推送 in a real browser, by keyboard alone: a subscriber is added, gets a test, and says goodbye."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from core.sealed_secrets import SecretBox
from core.settings import Settings
from service.webhooks import sender_of
from tests.browser.driving import PATIENCE, chromium, listen, require_chromium, tab_to, visitor
from tests.web import Web, serving
from tests.webhooks import Receiver, receiving, status

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(status(503, "busy")) as found:
        yield found


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    ports, networks = frozenset({receiver.port}), (ip_network("127.0.0.0/8"),)
    return Settings(data_dir=tmp_path, webhook_http="yes", webhook_ports=ports, webhook_networks=networks)


@pytest.fixture
async def web(sqlite_database: Database, store: ObjectStore, tmp_path: Path, settings: Settings) -> AsyncIterator[Web]:
    require_chromium()
    SecretBox.ensure(settings.secret_key)
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path, settings) as served:
        yield served


async def press(page: Page, name: str) -> None:
    await tab_to(page, page.get_by_role("button", name=name, exact=True))
    await page.keyboard.press("Enter")


async def send_due(web: Web, settings: Settings) -> None:
    sender = sender_of(web.archive.database, settings, utc_now)
    await asyncio.gather(*await sender.turn())


async def test_a_subscriber_by_mouse(web: Web, receiver: Receiver) -> None:
    async with chromium() as browser:
        page = await (await visitor(browser, web, "system")).new_page()
        await page.goto("/admin/webhooks")
        await page.get_by_label("名称", exact=True).fill("工单平台")
        await page.get_by_label("网址", exact=True).fill(receiver.url())
        await page.get_by_label("运行告警").check()
        await page.get_by_role("button", name="新增", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("工单平台")
        await page.get_by_role("button", name="发送测试消息").click()
        await expect(page.get_by_role("status")).to_contain_text("测试消息已排队")


async def test_a_subscriber_by_keyboard_alone(web: Web, settings: Settings, receiver: Receiver) -> None:
    async with chromium() as browser:
        page = await (await visitor(browser, web, "system")).new_page()
        page.set_default_timeout(PATIENCE)
        errors = listen(page)
        await page.goto("/admin/webhooks")
        for label, text in (("名称", "工单平台"), ("网址", receiver.url())):
            await tab_to(page, page.get_by_label(label, exact=True))
            await page.keyboard.type(text)
        await tab_to(page, page.get_by_label("运行告警"))
        await page.keyboard.press("Space")
        await press(page, "新增")
        await expect(page.get_by_role("heading", level=1)).to_have_text("工单平台")
        secret = await page.locator("#secret").input_value()
        await press(page, "发送测试消息")
        await expect(page.get_by_role("status")).to_contain_text("测试消息已排队")
        await send_due(web, settings)
        await page.reload()
        row = page.locator("tbody tr")
        await expect(row).to_contain_text("等待推送")
        await expect(row).to_contain_text("503")
        await expect(row).to_contain_text("busy")
        again = page.get_by_role("button", name="重新推送")
        await tab_to(page, again)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("已重新排队推送")
        await send_due(web, settings)
        await page.reload()
        await expect(row).to_contain_text("已送达")
        assert [each.signed_by(secret) for each in receiver.heard] == [True, True]
        assert receiver.heard[0].message == receiver.heard[1].message
        await press(page, "停用推送地址")
        await expect(page.get_by_text("已停用", exact=True)).to_be_visible()
        await tab_to(page, page.locator("summary", has_text="删除"))
        await page.keyboard.press("Enter")
        await press(page, "确认删除")
        await expect(page.get_by_role("status")).to_contain_text("推送地址已删除")
        assert errors == []
