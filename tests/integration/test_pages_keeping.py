"""保全, 处置 and 移交 as pages: each main job by form, with the two people that it takes."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import FormData

from archive.ledger_key import ensure_ledger_key
from core.settings import Settings
from retention.batches import list_batch
from retention.execution import execute_confirmed
from service import pipeline, worker
from tests.bags import verify
from tests.locks import seal_expired
from tests.web import CITIZEN, ORDER, Web, new_recording, tones

DISPOSALS = "/keeping/disposals"


async def submit(web: Web, path: str, fields: Mapping[str, Any] | FormData, role: str = "auditor") -> tuple[int, str]:
    """Send a form as its page does; the status, and where it leads or what the page says."""
    browser = await web.browser(role)
    form = fields
    if isinstance(form, FormData):
        form.add_field("csrf", web.form_tokens[role])
    else:
        form = {**form, "csrf": web.form_tokens[role]}
    answer = await browser.post(path, data=form, allow_redirects=False)
    return answer.status, answer.headers.get("Location") or await answer.text()


async def page(web: Web, path: str, role: str = "auditor") -> str:
    answer = await web.get(path, role)
    assert answer.status == 200, path
    return await answer.text()


async def old_calls(web: Web, directory: Path, count: int) -> str:
    """Recordings whose date has come, listed for review; the address of their batch."""
    began = web.archive.clock() - timedelta(days=900)
    calls = [new_recording(began + timedelta(hours=number)) for number in range(count)]
    await seal_expired(web.archive, calls, tones(directory / "old.flac", seconds=1))
    batch = await list_batch(web.archive, Settings(data_dir=directory), now=web.archive.clock())
    assert batch
    assert batch.listed == count
    return f"/keeping/disposals/{batch.id}"


def ticks(html: str) -> list[str]:
    return re.findall(r'name="recording" value="([^"]+)"', html)


async def test_a_case_from_opening_to_release_by_a_second_person(web: Web) -> None:
    assert "没有保全案件" in await page(web, "/keeping")
    form = {"name": "投诉调查", "reason": f"市民 {CITIZEN} 投诉", "persons": CITIZEN, "orders": "", "from": ""}
    status, case = await submit(web, "/keeping/holds", form)
    assert (status, case.rpartition("/")[0]) == (303, "/keeping/holds")
    shown = await page(web, case)
    assert "正在列入范围内的录音" in shown
    assert "以后封存的会自动列入" not in shown, "nobody knows yet whether there are none"
    await web.work()
    shown = await page(web, case)
    assert "保全中 2 条" in shown
    assert "<progress" not in shown
    assert "138****1234" in shown
    assert CITIZEN not in shown
    assert f'href="/recordings/{web.seeded.full}"' in shown
    # Whoever runs the machines decides too, and is led to no call.
    assert f'href="/recordings/{web.seeded.full}"' not in await page(web, case, "system")
    assert (await submit(web, f"{case}/release", {"reason": " "}))[0] == 422
    assert (await submit(web, f"{case}/release", {"reason": "调查结束"}))[0] == 303
    assert "须由另一人确认" in await page(web, case)
    status, said = await submit(web, f"{case}/release/confirm", {})
    assert (status, "须由另一人决定" in said) == (422, True)
    assert (await submit(web, f"{case}/release/confirm", {}, "system"))[0] == 303
    assert "0 / 2" in await page(web, case)
    await web.work()
    shown = await page(web, case)
    assert "已解除" in shown
    assert "<progress" not in shown
    assert "已解除的案件" in await page(web, "/keeping")


async def test_a_case_that_says_nothing_keeps_what_was_typed(web: Web) -> None:
    status, said = await submit(web, "/keeping/holds", {"name": "诉讼", "reason": "法院调取"})
    assert status == 422
    assert "保全范围不能为空" in said
    assert 'value="诉讼"' in said
    assert (await submit(web, "/keeping/holds", {"name": "诉讼", "reason": "x", "from": "昨天"}))[0] == 422


async def test_a_release_can_be_taken_back(web: Web) -> None:
    _, case = await submit(web, "/keeping/holds", {"name": "甲", "reason": "乙", "orders": ORDER})
    await submit(web, f"{case}/release", {"reason": "误申请"})
    assert (await submit(web, f"{case}/release/withdraw", {}))[0] == 303
    assert "申请解除" in await page(web, case)
    assert (await submit(web, f"{case}/release/confirm", {}, "system"))[0] == 422


async def test_a_batch_from_review_to_certificate(web: Web, settings: Settings, tmp_path: Path) -> None:
    batch = await old_calls(web, tmp_path, 3)
    assert "待批准 3" in await page(web, "/keeping/disposals")
    shown = await page(web, batch)
    assert "《民法典》" in shown
    assert "Civil Code" in await page(web, f"{batch}?lang=en")
    first, second, third = ticks(shown)
    status, said = await submit(web, f"{batch}/approve", {})
    assert (status, "请先勾选录音" in said) == (422, True)
    until = (web.archive.clock() + timedelta(days=400)).date().isoformat()
    assert (await submit(web, f"{batch}/keep", {"recording": third, "until": until}))[0] == 422
    keep = {"recording": third, "until": until, "reason": "另案可能用到"}
    assert (await submit(web, f"{batch}/keep", keep))[0] == 303
    assert (await submit(web, f"{batch}/approve", {"recording": first}))[0] == 303
    assert (await submit(web, f"{batch}/approve", {"all": "yes"}))[0] == 303
    status, said = await submit(web, f"{batch}/confirm", {"all": "yes"})
    assert (status, "须由另一人决定" in said) == (422, True)
    assert (await submit(web, f"{batch}/confirm", {"recording": [first, second]}, "system"))[0] == 303
    assert (await submit(web, f"{batch}/withdraw", {"recording": second}))[0] == 422
    assert (await submit(web, f"{batch}/withdraw", {"recording": second, "reason": "再核一次"}))[0] == 303
    await execute_confirmed(web.archive, settings, now=web.archive.clock())
    shown = await page(web, batch)
    assert "已删除 1" in shown
    assert "另案可能用到" in shown
    [certificate] = re.findall(r'href="(/api/v1/disposals/[^"]+/certificate)"', shown)
    answer = await web.get(certificate, "auditor")
    assert (await answer.json())["recording"] == first
    assert "attachment" in answer.headers["Content-Disposition"]
    assert (await web.get(certificate.replace("0", "1"), "auditor")).status == 404


async def test_a_single_disposal_from_asking_to_confirmation(web: Web, tmp_path: Path) -> None:
    batch = await old_calls(web, tmp_path, 1)
    [old] = ticks(await page(web, batch))
    assert "没有单独提出的处置" in await page(web, f"{DISPOSALS}/single")
    asked = {"recording": f"http://huiyin.example/recordings/{web.seeded.full}?t=3", "reason": "当事人要求删除"}
    status, said = await submit(web, DISPOSALS, asked)
    assert (status, "未到保存期限" in said, 'value="http://huiyin.example' in said) == (422, True, True)
    for wrong, why in (("第三条", "请填写录音编号"), (batch, "没有这条录音"), (old, "已有处置在进行")):
        status, said = await submit(web, DISPOSALS, {**asked, "recording": wrong})
        assert (status, why in said) == (422, True), said
    assert (await submit(web, f"{batch}/withdraw", {"recording": old, "reason": "单独办理"}))[0] == 303
    assert (await submit(web, DISPOSALS, {"recording": old, "reason": " "}))[0] == 422
    single = f"{DISPOSALS}/single"
    assert await submit(web, DISPOSALS, {**asked, "recording": old}) == (303, single)
    assert "auditor：当事人要求删除" in await page(web, single)
    status, said = await submit(web, f"{single}/approve", {"recording": old})
    assert (status, "须由另一人决定" in said) == (422, True)
    assert (await submit(web, f"{single}/approve", {"recording": old}, "system"))[0] == 303
    assert (await submit(web, f"{single}/confirm", {"recording": old}))[0] == 303
    assert "已确认，夜间删除 1" in await page(web, single)


async def test_policies_are_set_by_form(web: Web, settings: Settings) -> None:
    today = web.archive.clock().astimezone(settings.timezone).date()
    assert "没有另行设定" in await page(web, "/keeping/policies", "client")
    form = {"years": "3", "effective_from": str(today)}
    assert (await submit(web, "/keeping/policies", form, "auditor"))[0] == 403
    assert (await submit(web, "/keeping/policies", {**form, "years": "1"}, "system"))[0] == 422
    assert (await submit(web, "/keeping/policies", form, "system"))[0] == 303
    assert "3 年" in await page(web, "/keeping/policies", "client")


async def test_a_bag_from_asking_to_the_receipt(web: Web, settings: Settings, tmp_path: Path) -> None:
    key = ensure_ledger_key(settings)
    assert "还没有移交" in await page(web, "/handover", "client")
    assert (await submit(web, "/handover", {"kind": "order", "order": "", "purpose": "移交"}))[0] == 422
    asked = {"kind": "order", "order": ORDER, "from": "", "purpose": "合同期满移交"}
    status, back = await submit(web, "/handover", asked)
    assert status == 303
    shown = await page(web, "/handover")
    assert "0 / 1" in shown
    assert "下载移交包" not in shown

    def none() -> Any:
        raise AssertionError("no speech engine is needed")

    await worker.run(pipeline.Context(web.archive, settings, none), lambda: False, until_idle=True)
    shown = await page(web, "/handover", "client")
    [download] = re.findall(r'href="(/api/v1/exports/[^"]+/download)"', shown)
    file = tmp_path / "taken.zip"
    file.write_bytes(await (await web.get(download, "client")).read())
    assert verify(file, key.verifier)[0] == 0
    [manifest] = re.findall(r"<dd[^>]*>([0-9a-f]{64})<", shown)
    one = "/handover/" + back.rpartition("export-")[2]

    def receipt(fingerprint: str) -> FormData:
        form = FormData()
        form.add_field("receiver", "示例区残联")
        form.add_field("tag_manifest", fingerprint)
        form.add_field("signed", "已收到".encode(), filename="receipt.txt", content_type="text/plain")
        return form

    assert (await submit(web, f"{one}/receipt", receipt("0" * 64), "client"))[0] == 422
    assert (await submit(web, f"{one}/receipt", receipt(manifest), "client"))[0] == 303
    shown = await page(web, "/handover")
    assert "示例区残联" in shown
    assert "提出处置已移交的录音" in shown
    assert "提出处置已移交的录音" not in await page(web, "/handover", "client")
    _, case = await submit(web, "/keeping/holds", {"name": "甲案", "reason": "乙", "orders": ORDER})
    asked = {"kind": "case", "case": case.rpartition("/")[2], "purpose": "案卷调取"}
    status, said = await submit(web, "/handover", asked)
    assert (status, "案件仍在列入录音" in said) == (422, True), "a list that is not whole would be handed over"
    await worker.run(pipeline.Context(web.archive, settings, none), lambda: False, until_idle=True)
    assert (await submit(web, "/handover", asked))[0] == 303
    assert "保全案件 甲案" in await page(web, "/handover")
    # Too young to go: nothing is proposed.
    assert await submit(web, f"{one}/purge", {}) == (303, f"/handover#{back.rpartition('#')[2]}")
