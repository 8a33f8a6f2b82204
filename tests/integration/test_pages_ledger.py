"""审计日志 as a page: filters in the address, pages by cursor, readers who are read, and what a forged row does."""

from pathlib import Path

from sqlalchemy import select, update

from archive.heads import sign_head
from archive.ledger_key import ensure_ledger_key
from core.ledger import LedgerRow
from core.settings import Settings
from retention.rule import keep_until
from tests.web import Web


async def page(web: Web, query: str = "", role: str = "auditor") -> str:
    answer = await web.get(f"/ledger{query}", role)
    assert answer.status == 200
    return await answer.text()


async def seen(web: Web) -> list[LedgerRow]:
    async with web.archive.database.read() as session:
        rows = await session.scalars(select(LedgerRow).where(LedgerRow.kind == "ledger seen").order_by(LedgerRow.seq))
        return list(rows)


async def test_whoever_reads_it_is_in_it(web: Web) -> None:
    await page(web, "?actor=agent&subject=13800001234")
    [row] = await seen(web)
    assert (row.actor, row.subject) == ("auditor", "ledger")
    assert '"actor":"agent"' in row.leaf
    assert "13800001234" not in row.leaf
    shown = await page(web, "?role=auditor", "audit")
    assert "查阅审计日志" in shown
    assert "审计管理员" in shown
    await web.get("/api/v1/ledger?limit=1", "audit")
    assert [each.actor for each in await seen(web)] == ["auditor", "audit", "audit"]
    assert (await web.get("/ledger", "supervisor")).status == 403
    assert len(await seen(web)) == 3


async def test_filters_narrow_and_their_address_keeps_them(web: Web) -> None:
    identifier = web.seeded.full
    assert (await web.get(f"/api/v1/recordings/{identifier}/audio", "agent")).status == 200
    shown = await page(web, "?about=seen&role=agent")
    assert shown.count("<tr>") == 2
    assert f'href="/recordings/{identifier}"' in shown
    assert 'name="about" value="seen"' in shown
    assert f'href="/recordings/{identifier}"' not in await page(web, "?about=seen&role=agent", "audit")
    assert "没有符合条件的记录" in await page(web, "?to=2020-01-01")
    assert "没有符合条件的记录" in await page(web, "?from=2099-01-01")
    assert (await web.get("/ledger?about=nothing", "auditor")).status == 400
    assert (await web.get("/ledger?from=someday", "auditor")).status == 400


async def test_pages_follow_each_other_without_gap(web: Web) -> None:
    for _ in range(60):
        await web.get("/api/v1/ledger?limit=1", "audit")
    first = await web.get("/api/v1/ledger?kind=ledger+seen&limit=40", "auditor")
    said = await first.json()
    rest = await (await web.get(f"/api/v1/ledger?kind=ledger+seen&cursor={said['next']}&limit=40", "auditor")).json()
    numbers = [row["seq"] for row in said["items"] + rest["items"]]
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(numbers) == 61
    assert rest["next"] is None
    shown = await page(web, "?kind=ledger+seen")
    following = shown.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "kind=ledger+seen" in following
    assert "cursor=" in following
    assert "回到最新" in await page(web, following.removeprefix("/ledger"))


async def test_what_was_signed_is_compared(web: Web, tmp_path: Path) -> None:
    assert "尚未签名" in await page(web)
    settings = Settings(data_dir=tmp_path)
    until = keep_until(settings, web.archive.clock())
    await sign_head(web.archive, ensure_ledger_key(settings), retain_until=until)
    assert "前后一致" in await page(web)
    async with web.archive.database.write() as session:
        await session.execute(update(LedgerRow).values(root=b"\0" * 32))
    assert "请立即核查" in await page(web)
