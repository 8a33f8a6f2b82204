"""What was found, as a sheet: people masked, and the ledger's row written before the sheet leaves the house."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

from aiohttp import web

from api.context import LANGUAGE, context, signed_in
from api.language import translator
from api.masking import mask_text
from api.models import PartyView
from api.models_search import MOST_EXPORTED, FoundCallView, SearchExportRequest
from api.pages import labels
from api.searching import all_found
from core.ids import new_id
from core.ledger import Entry, append
from workorders.writing import Value, write_workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_COLUMNS = (
    *(("通话时间", 19), ("时长（秒）", 10), ("市民", 22), ("专员", 22), ("工单", 24), ("文字", 10), ("置信度", 9)),
    *(("保全", 8), ("命中句数", 9), ("命中的话", 60), ("录音编号", 38)),
)


async def export(request: web.Request, asked: SearchExportRequest) -> web.Response:
    """The sheet of everything found; a ``Problem`` 422 where that is nothing or too much."""
    here, found = context(request), await all_found(request, asked.filters, MOST_EXPORTED)
    t = translator(request.get(LANGUAGE, "zh"))
    zone = here.settings.timezone
    rows = _rows(found, t, lambda call: call.recording.started_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"))
    content = write_workbook(t("检索结果"), [t(name) for name, _ in _COLUMNS], [width for _, width in _COLUMNS], rows)
    listed = "\n".join(str(call.recording.id) for call in found)
    facts = {
        "what": "search results",
        "recordings": len(found),
        "list_sha256": hashlib.sha256(listed.encode()).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "purpose": mask_text(asked.purpose.strip()),
    }
    async with here.database.write() as session:
        await append(session, Entry("exported", signed_in(request).name, str(new_id()), facts), here.now())
    name = f"search-{here.now().astimezone(zone):%Y%m%d-%H%M%S}.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=content, content_type=XLSX, headers=headers)


def _rows(
    found: Sequence[FoundCallView], t: Callable[..., str], began: Callable[[FoundCallView], str]
) -> Iterator[Sequence[Value]]:
    for call in found:
        row = call.recording
        said = "\n".join(f"[{hit.start_ms // 60000}:{hit.start_ms // 1000 % 60:02}] {hit.text}" for hit in call.hits)
        yield (
            *(began(call), round(row.duration_ms / 1000), _party(row.citizen), _party(row.agent)),
            *("\n".join(row.work_orders), t(labels.TEXT_STATES[row.text_state]), row.text_confidence),
            *(t("是") if row.held else t("否"), call.sentences, said, str(row.id)),
        )


def _party(who: PartyView) -> str:
    return " ".join(part for part in (who.name, who.number) if part)
