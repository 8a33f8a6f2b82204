"""检索 over HTTP, as JSON and as pages: filters, persons, saved searches, holds and sheets of what is found."""

import hashlib
import re
from io import BytesIO
from urllib.parse import urlencode

import pytest
from openpyxl import load_workbook
from sqlalchemy import select, update

from api.access.accounts import UserRow
from api.persons import AskedPerson
from archive.catalogue import Recording
from archive.seal import NewTurn, seal_transcript
from core.ledger import LedgerRow
from tests.web import CITIZEN, ORDER, STARTED, Web

OTHER_CITIZEN = "13900005678"
FORMULA = '=HYPERLINK("http://x.example")路灯'


async def transcribe(web: Web) -> None:
    """A second call with words: one of its turns looks like a formula."""
    said = (FORMULA, "路灯还是不亮", "@SUM(1)", "请打 13800005555 找我", "路灯", "路灯")
    turns = [NewTurn("citizen", 1000 * n, 1000 * n + 900, text, 0.5, False, []) for n, text in enumerate(said)]
    await seal_transcript(
        web.archive,
        web.seeded.pending,
        {"engine": {"name": "none"}},
        turns,
        author="system",
        reason="first transcription",
        retain_until=STARTED.replace(year=2029),
        expected_version=0,
    )


async def found(web: Web, role: str = "auditor", **filters: str) -> list[str]:
    answer = await web.get("/api/v1/search?" + urlencode(filters), role=role)
    assert answer.status == 200, await answer.text()
    return [call["recording"]["id"] for call in (await answer.json())["items"]]


async def who(web: Web, number: str) -> str:
    return str((await (await web.post("/api/v1/persons", {"number": number}, role="auditor")).json())["who"])


async def test_filters_narrow_words_and_stand_alone(web: Web) -> None:
    await transcribe(web)
    full, pending, failed = (str(each) for each in (web.seeded.full, web.seeded.pending, web.seeded.failed))
    async with web.archive.database.write() as session:
        await session.execute(update(Recording).where(Recording.id == web.seeded.pending).values(held=True))
    expected = {
        (("q", "路灯"),): [pending, full],
        (("q", "路灯 满意"),): [full],
        (("q", "路灯"), ("to", "2026-11-19")): [],
        (("q", "路灯"), ("from", "2026-11-20"), ("to", "2026-11-20")): [pending, full],
        (("q", "路灯"), ("agent", "8001")): [pending, full],
        (("q", "路灯"), ("agent", "8002")): [],
        (("q", "路灯"), ("order", ORDER)): [full],
        (("order", ORDER),): [full],
        (("q", "路灯"), ("solved", "yes")): [full],
        (("q", "路灯"), ("solved", "no")): [],
        (("satisfied", "satisfied"),): [full],
        (("q", "路灯"), ("below", "0.6")): [pending],
        (("q", "路灯"), ("held", "true")): [pending],
        (("q", "路灯"), ("held", "false")): [full],
        (("held", "true"),): [pending],
        (("longer", "1"),): [failed, pending, full],
        (("shorter", "1"),): [],
        (("text_state", "failed"),): [failed],
        (("q", "路灯"), ("who", await who(web, CITIZEN))): [pending, full],
        (("q", "路灯"), ("who", await who(web, OTHER_CITIZEN))): [],
        (("who", await who(web, OTHER_CITIZEN)),): [failed],
    }
    assert {wanted: await found(web, **dict(wanted)) for wanted in expected} == expected


async def test_the_unit_of_an_order_is_found_by_a_part_of_its_name(web: Web) -> None:
    order = await (await web.get(f"/api/v1/work-orders/{ORDER}")).json()
    assert await found(web, q="路灯", unit=order["unit"][:2]) == [str(web.seeded.full)]
    assert await found(web, unit=order["unit"]) == [str(web.seeded.full)]
    assert await found(web, unit="%") == []


@pytest.mark.parametrize(
    "query",
    ["", "?q=", "?colour=red", "?q=a&cursor=x", "?held=true&cursor=7", "?longer=-1", "?from=2026-02-02&to=2026-02-01"],
)
async def test_what_is_wrong_is_named(web: Web, query: str) -> None:
    answer = await web.get(f"/api/v1/search{query}")
    assert answer.status == 400
    assert (await answer.json())["detail"]


async def test_pages_go_on_with_words_and_without(web: Web) -> None:
    await transcribe(web)
    for filters, expected in (({"q": "路灯"}, 2), ({"longer": "1"}, 3)):
        seen, query, counts = [], {**filters, "limit": "1"}, []
        while True:
            page = await (await web.get("/api/v1/search?" + urlencode(query))).json()
            seen += [call["recording"]["id"] for call in page["items"]]
            counts.append((page["count"], page["more"]))
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert len(seen) == len(set(seen)) == expected
        assert counts == [(left, False) for left in range(expected, 0, -1)]


async def test_a_team_finds_its_own_calls_only(web: Web) -> None:
    async with web.archive.database.write() as session:
        await session.execute(update(UserRow).where(UserRow.name == "agent").values(team="别的组"))
    assert await found(web, "auditor", q="路灯") == [str(web.seeded.full)]
    assert await found(web, "agent", q="路灯") == await found(web, "agent", order=ORDER) == []
    assert await found(web, "agent", q="路灯", order=ORDER) == await found(web, "agent", longer="1") == []


async def test_only_the_first_sentences_are_shown_and_all_counted(web: Web) -> None:
    await transcribe(web)
    call = (await (await web.get("/api/v1/search?q=路灯")).json())["items"][0]
    assert (call["sentences"], len(call["hits"])) == (4, 3)
    assert "这通电话里还有 1 句" in await (await (await web.browser("agent")).get("/search?q=路灯")).text()


# Persons


async def test_a_number_is_never_part_of_an_address(web: Web) -> None:
    browser = await web.browser("auditor")
    csrf = web.form_tokens["auditor"]
    fields = {"csrf": csrf, "number": f" {CITIZEN} ", "filters": "q=%E8%B7%AF%E7%81%AF&held=false"}
    answer = await browser.post("/search/person", data=fields, allow_redirects=False)
    address = answer.headers["Location"]
    assert answer.status == 303
    assert CITIZEN not in address
    assert "held=false" in address
    page = await (await browser.get(address)).text()
    assert "138****1234" in page
    assert CITIZEN not in page
    assert str(web.seeded.full) in page
    again = await browser.post("/search/person", data=fields, allow_redirects=False)
    assert again.headers["Location"] == address
    async with web.archive.database.read() as session:
        [row] = await session.scalars(select(AskedPerson))
    told = f"{row.who} {row.mark} {row.sealed}"
    assert CITIZEN not in told
    assert hashlib.sha256(CITIZEN.encode()).hexdigest() not in told, "it is not to be guessed either"
    assert (await browser.get("/search?who=unknown")).status == 404
    assert (
        await browser.post("/search/person", data={"csrf": csrf, "number": "1"}, allow_redirects=False)
    ).status == 422


async def test_numbers_that_nobody_asks_for_are_forgotten_unless_saved(web: Web) -> None:
    kept, gone = await who(web, CITIZEN), await who(web, OTHER_CITIZEN)
    body = {"name": "一个人", "filters": {"who": kept}}
    saved = await (await web.post("/api/v1/search/saved", body, role="auditor")).json()
    async with web.archive.database.write() as session:
        await session.execute(update(AskedPerson).values(asked_at=STARTED.replace(year=2020)))
    fresh = await who(web, "13700000001")
    async with web.archive.database.read() as session:
        assert set(await session.scalars(select(AskedPerson.who))) == {kept, fresh}
    assert gone not in {kept, fresh}
    headers = await web.bearer("auditor")
    await web.client().delete(f"/api/v1/search/saved/{saved['id']}", headers=headers)
    await who(web, "13700000001")
    async with web.archive.database.read() as session:
        assert set(await session.scalars(select(AskedPerson.who))) == {fresh}


# Saved searches


async def test_saved_searches_are_each_persons_own(web: Web) -> None:
    body = {"name": " 路灯 ", "filters": {"q": "路灯", "from": "2026-11-01", "held": False}}
    saved = await (await web.post("/api/v1/search/saved", body)).json()
    assert (saved["name"], saved["filters"]) == ("路灯", {"q": "路灯", "from": "2026-11-01", "held": "false"})
    await web.post("/api/v1/search/saved", {**body, "filters": {"q": "灯"}})
    (mine,) = (await (await web.get("/api/v1/search/saved")).json())["items"]
    assert mine["filters"] == {"q": "灯"}
    assert (await (await web.get("/api/v1/search/saved", role="auditor")).json())["items"] == []
    path = f"/api/v1/search/saved/{mine['id']}"
    assert (await web.client().delete(path, headers=await web.bearer("auditor"))).status == 404
    left = await web.client().delete(path, headers=await web.bearer("agent"))
    assert (await left.json())["items"] == []
    assert (await web.post("/api/v1/search/saved", {"name": "空", "filters": {}})).status == 422


async def test_a_search_is_saved_opened_and_deleted_on_the_page(web: Web) -> None:
    browser = await web.browser("agent")
    csrf = web.form_tokens["agent"]
    fields = {"csrf": csrf, "name": "<b>常用</b>", "filters": urlencode({"q": "路灯", "solved": "yes"})}
    page = await (await browser.post("/search/saved", data=fields)).text()
    assert "&lt;b&gt;常用&lt;/b&gt;" in page
    address = re.search(r'<li><a href="(/search\?[^"]+)">&lt;b&gt;', page)
    assert address
    assert str(web.seeded.full) in await (await browser.get(address[1].replace("&amp;", "&"))).text()
    action = re.search(r'action="(/search/saved/[^"]+/delete)"', page)
    assert action
    assert "&lt;b&gt;常用" not in await (await browser.post(action[1], data={"csrf": csrf})).text()
    assert "还没有保存过" in await (await browser.get("/search")).text()


# Holds


async def test_everything_found_is_held_as_one_case(web: Web) -> None:
    await transcribe(web)
    body = {"name": "路灯专案", "reason": "投诉复核", "filters": {"q": "路灯"}}
    assert (await web.post("/api/v1/search/hold", body, role="agent")).status == 403
    assert (await web.post("/api/v1/search/hold", body, role="supervisor")).status == 403
    assert (await web.post("/api/v1/search/hold", body, role="client")).status == 403
    case = await (await web.post("/api/v1/search/hold", body, role="auditor")).json()
    assert (case["name"], case["reason"], case["listed"]) == ("路灯专案", "投诉复核", 2)
    assert (case["recordings"], case["working"]) == ({}, True), "a worker does it"
    await web.work()
    assert sorted(await found(web, held="true")) == sorted(map(str, (web.seeded.full, web.seeded.pending)))
    nothing = {**body, "filters": {"q": "水管"}}
    assert (await web.post("/api/v1/search/hold", nothing, role="auditor")).status == 422


async def test_the_page_holds_what_it_shows(web: Web) -> None:
    browser = await web.browser("auditor")
    fields = {"csrf": web.form_tokens["auditor"], "filters": "q=路灯", "name": "专案", "reason": "复核"}
    page = await (await browser.post("/search/hold", data=fields)).text()
    assert "已设立保全“专案”。范围内的录音从现在起不会被删除" in page
    assert 'max="1" value="0"' in page
    await web.work()
    assert "tag-held" in await (await browser.get("/search?q=路灯")).text()
    assert "/search/hold" not in await (await (await web.browser("agent")).get("/search?q=路灯")).text()


# Sheets


async def test_a_sheet_holds_text_never_formulas_and_masked_people(web: Web) -> None:
    await transcribe(web)
    body = {"purpose": "=季度检查", "filters": {"q": "路灯"}}
    answer = await web.post("/api/v1/search/export", body, role="auditor")
    assert answer.status == 200, await answer.text()
    content = await answer.read()
    (sheet,) = load_workbook(BytesIO(content)).worksheets
    rows = list(sheet.iter_rows())
    assert [row[-1].value for row in rows[1:]] == [str(web.seeded.pending), str(web.seeded.full)]
    assert {cell.data_type for row in rows for cell in row} <= {"s", "inlineStr", "n"}
    texts = [str(cell.value) for row in rows for cell in row if cell.data_type != "n"]
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t"))]
    assert any(FORMULA in text for text in texts)
    assert not [text for text in texts if CITIZEN in text or "13800005555" in text]
    assert any("138****1234" in text for text in texts)


async def test_the_ledger_tells_of_an_export_before_it_leaves(web: Web) -> None:
    for role in ("agent", "system", "client"):
        body = {"purpose": "检查", "filters": {"q": "路灯"}}
        assert (await web.post("/api/v1/search/export", body, role=role)).status == 403
    assert (await web.post("/api/v1/search/export", {"filters": {"q": "路灯"}}, role="auditor")).status == 422
    browser = await web.browser("auditor")
    fields = {"csrf": web.form_tokens["auditor"], "filters": "q=路灯", "purpose": "季度检查"}
    answer = await browser.post("/search/export", data=fields)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="search-')
    assert answer.headers["Cache-Control"] == "no-store"
    async with web.archive.database.read() as session:
        rows = list(await session.scalars(select(LedgerRow).where(LedgerRow.kind == "exported")))
    assert [row.actor for row in rows] == ["auditor"]
    leaf = rows[0].leaf if isinstance(rows[0].leaf, str) else rows[0].leaf.decode()
    assert "季度检查" in leaf
    assert '"recordings":1' in leaf


# The page


async def test_the_page_keeps_its_state_in_the_address(web: Web) -> None:
    browser = await web.browser("agent")
    page = await (await browser.get("/search?q=路灯&solved=yes&from=2026-11-01")).text()
    assert 'value="路灯"' in page
    assert '<option value="yes" selected>' in page
    assert 'value="2026-11-01"' in page
    assert "<mark>路灯</mark>" in page
    assert "1 通电话" in page
    without = re.findall(r'class="chip" href="([^"]+)"', page)
    assert len(without) == 2
    assert all("q=" in each for each in without)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "想找什么？"),
        ("?q=水管", "没有人说过这些字"),
        ("?q=路灯&held=true", "去掉一个条件"),
        ("?held=true", "放宽日期"),
    ],
)
async def test_an_empty_page_says_what_to_do_next(web: Web, query: str, said: str) -> None:
    assert said in await (await (await web.browser("agent")).get(f"/search{query}")).text()


async def test_hostile_words_are_shown_as_text(web: Web) -> None:
    browser = await web.browser("agent")
    page = await (await browser.get("/search?q=script")).text()
    assert "&lt;<mark>script</mark>&gt;" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in await (await browser.get('/search?q="><img src=x onerror=alert(1)>')).text()
