"""The bag's index for people: plain HTML that opens without network, a page for each day and for each recording."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from archive.catalogue import Recording
from archive.layout import recording_prefix
from retention.handover.scope import Scope
from retention.handover.tables import Export

STYLE = """
body{font:16px/1.6 "Noto Sans CJK SC","Source Han Sans SC","Microsoft YaHei","PingFang SC",sans-serif;
margin:2rem auto;max-width:68rem;padding:0 1rem;color:#1c2733;background:#fff}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}.en{color:#5a6b7b;font-size:.85em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.45rem .6rem;border-bottom:1px solid #dde4ea;
vertical-align:top}th{background:#f3f6f9;font-weight:600}audio{width:100%;min-width:14rem}a{color:#0b5cad}
dl{display:grid;grid-template-columns:10rem 1fr;gap:.2rem 1rem}dt{color:#5a6b7b}dd{margin:0;overflow-wrap:anywhere}
.agent{color:#0b5cad}.citizen{color:#8a4b08}.note{background:#fff7e0;border:1px solid #ecd9a0;padding:.6rem .9rem}
"""
# Stands for the rows of a page that is written row by row.
_ROWS = "<!-- rows -->"
PARTIES = {"agent": "回访员", "citizen": "市民"}


@dataclass(frozen=True)
class DayCount:
    """A local day and how many recordings began on it."""

    day: date
    recordings: int


def day_path(day: date) -> str:
    """Where a day's page lies, relative to ``data/``."""
    return f"days/{day}.html"


def index_page(export: Export, scope: Scope, days: Iterable[DayCount], others: Sequence[tuple[str, str]]) -> str:
    """The first page: what this is, then the days, then everything else (``others``: path and name)."""
    rows = "".join(
        f'<tr><td><a href="{day_path(one.day)}">{one.day}</a></td><td>{one.recordings}</td></tr>' for one in days
    )
    links = "".join(f'<li><a href="{escape(path)}">{escape(name)}</a></li>' for path, name in others)
    facts = {
        "范围 scope": scope.chinese(),
        "用途 purpose": export.purpose,
        "录音 recordings": str(export.recordings),
        "申请人 asked by": export.asked_by,
        "申请时间 asked at": export.asked_at.isoformat(timespec="seconds"),
        "移交编号 export": str(export.id),
    }
    return _page(
        "录音资料移交",
        "Handover of recordings",
        '<p class="note">本移交包含完整的姓名和电话号码，请按个人信息保护规定保管。'
        '<br><span class="en">Names and telephone numbers are complete; keep the bag accordingly.</span></p>'
        f"{_facts(facts)}<h2>录音 <span class='en'>recordings by day</span></h2>"
        f"<table><tr><th>日期 day</th><th>录音数 recordings</th></tr>{rows}</table>"
        f"<h2>其他资料 <span class='en'>everything else</span></h2><ul>{links}</ul>",
    )


def day_page(day: date, recordings: Iterable[Recording], zone: ZoneInfo) -> str:
    """A day's calls, each playable at once."""
    rows = "".join(_day_row(recording, zone) for recording in recordings)
    head = "<tr><th>时间 time</th><th>回访员 agent</th><th>市民 citizen</th><th>工单 order</th><th>录音 audio</th></tr>"
    return _page(
        f"{day} 的通话",
        "Calls of the day",
        f'<p><a href="../index.html">返回首页 index</a></p><table>{head}{rows}</table>',
    )


def _day_row(recording: Recording, zone: ZoneInfo) -> str:
    place = "../" + recording_prefix(recording.id, recording.started_at)
    began = recording.started_at.astimezone(zone)
    return (
        f'<tr><td><a href="{place}index.html">{began:%H:%M:%S}</a><br>{_length(recording.duration_ms)}</td>'
        f"<td>{escape(_party(recording.agent_name, recording.agent_number))}</td>"
        f"<td>{escape(_party(recording.citizen_name, recording.citizen_number))}</td>"
        f"<td>{escape(recording.work_order)}</td>"
        f'<td><audio controls preload="none" src="{place}audio.flac"></audio></td></tr>'
    )


def recording_page(
    recording: Recording,
    record: Mapping[str, Any],
    turns: Sequence[Mapping[str, Any]],
    files: Sequence[str],
    zone: ZoneInfo,
) -> str:
    """One call: who, when, the sound, the text, and every file of it."""
    began, ended = (moment.astimezone(zone) for moment in (recording.started_at, recording.ended_at))
    facts = {
        "通话 call": f"{began:%Y-%m-%d %H:%M:%S} — {ended:%H:%M:%S}（{_length(recording.duration_ms)}）",
        "回访员 agent": _party(recording.agent_name, recording.agent_number),
        "市民 citizen": _party(recording.citizen_name, recording.citizen_number),
        "工单 orders": "、".join(link["work_order"] for link in record["links"]) or recording.work_order or "—",
        "标记 flags": "、".join(recording.flags) or "—",
        "暂停请求 pauses": "、".join(f"{one['action']} {one['asked_at']}" for one in record["pauses"]) or "—",
        "保存至 kept until": recording.retain_until.astimezone(zone).isoformat(timespec="seconds"),
        "录音编号 recording": str(recording.id),
    }
    lines = "".join(_turn(turn) for turn in turns)
    names = [*files, "vcon.json", "record.json", "proof.json"]
    links = "".join(f'<li><a href="{escape(name)}">{escape(name)}</a></li>' for name in names)
    top = "../" * 5
    return _page(
        f"通话 {began:%Y-%m-%d %H:%M}",
        "Call",
        f'<p><a href="{top}index.html">首页 index</a>　<a href="{top}{day_path(began.date())}">当日 day</a></p>'
        f'{_facts(facts)}<p><audio controls preload="metadata" src="audio.flac"></audio></p>'
        f"<h2>文字 <span class='en'>text</span></h2><table>{lines or '<tr><td>—</td></tr>'}</table>"
        f"<h2>文件 <span class='en'>files</span></h2><ul>{links}</ul>",
    )


def _turn(turn: Mapping[str, Any]) -> str:
    party = str(turn["party"])
    return (
        f'<tr><td>{_length(turn["start_ms"])}</td><td class="{escape(party)}">{escape(PARTIES.get(party, party))}</td>'
        f"<td>{escape(str(turn['text']))}</td></tr>"
    )


def _party(name: str, number: str) -> str:
    return " ".join(part for part in (name, number) if part) or "—"


def _length(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes}:{seconds:02}"


KINDS = {"import": "12345 导出文件 imported file", "report": "报表 report", "certificate": "处置证书 disposal"}


def papers_head() -> str:
    """The beginning of the page that lists what is handed over besides recordings; rows and foot follow."""
    head = "<tr><th>种类 kind</th><th>文件 file</th><th>封存时间 sealed at</th></tr>"
    title = "导入文件、报表、处置证书"
    page = _page(title, "Papers", f'<p><a href="index.html">返回首页 index</a></p><table>{head}{_ROWS}</table>')
    return page.partition(_ROWS)[0]


def paper_row(kind: str, key: str, sealed_at: datetime) -> str:
    """One paper, by its key in the store."""
    return (
        f'<tr><td>{escape(KINDS.get(kind, kind))}</td><td><a href="{escape(key)}">{escape(key)}</a></td>'
        f"<td>{sealed_at:%Y-%m-%d %H:%M}</td></tr>\n"
    )


def papers_foot() -> str:
    """What closes the page of papers."""
    return _page("", "", f"<table>{_ROWS}</table>").partition(_ROWS)[2]


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """The day that a call belongs to."""
    return moment.astimezone(zone).date()


def _facts(facts: Mapping[str, str]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()) + "</dl>"
    )


def _page(title: str, english: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; media-src 'self' file:; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body><h1>{escape(title)} <span class="en">{escape(english)}</span></h1>{body}</body></html>\n'
    )
