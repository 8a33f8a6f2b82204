"""The daily report's words: from one day's facts to the document."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from archive.catalogue import TEXT_DONE, TEXT_FAILED
from reporting.document import LEFT, Block, Column, Document, Heading, Note, Paragraph, Table
from reporting.figures import NONE, Reading, Tally, ThreeRates, change, grouped, three_rates
from reporting.formulas import Formulas
from reporting.queries import DayFacts, Heard, Kept
from workorders.orders import CONTACTED, SATISFIED, SOLVED

WEEKDAYS = "一二三四五六日"
ANSWER_WORDS = {
    (CONTACTED, "yes"): "已联系",
    (CONTACTED, "no"): "未联系",
    (SOLVED, "yes"): "已解决",
    (SOLVED, "partly"): "部分解决",
    (SOLVED, "no"): "未解决",
    (SATISFIED, "satisfied"): "满意",
    (SATISFIED, "fairly"): "基本满意",
    (SATISFIED, "dissatisfied"): "不满意",
}


@dataclass(frozen=True)
class Issue:
    """What the report says about itself.  ``unfinished`` when it is made before its day has ended."""

    organisation: str
    number: str
    edition: int
    issued_at: datetime
    timezone: ZoneInfo
    unfinished: bool


def title_of(organisation: str) -> str:
    """The report's title."""
    return f"{organisation}工作日报"


def compose(facts: DayFacts, formulas: Formulas, issue: Issue) -> Document:
    """The whole report."""
    tally = Tally.of(facts.readings)
    rates, before = three_rates(tally, formulas), three_rates(Tally.of(facts.before), formulas)
    sections: Sequence[tuple[str, list[Block]]] = (
        ("总体情况", _overview(facts, tally, rates, before, issue)),
        ("响应率、解决率、满意率", _rates(tally, rates, before, formulas)),
        ("承办单位情况", _groups("承办单位", facts.readings, lambda reading: reading.unit, formulas)),
        ("问题分类情况", _groups("问题分类", facts.readings, lambda reading: reading.category, formulas)),
        ("录音留存情况", _recordings(facts, issue.timezone)),
        ("市民意见建议与不满意诉求", _voices(facts)),
        ("待人工确认事项", _suggested(facts.readings)),
        ("计算口径", [Note(line) for line in formulas.lines()]),
        ("数字来源", _sources(facts.readings, issue.timezone)),
    )
    blocks: list[Block] = []
    for number, (heading, content) in enumerate(sections):
        blocks += [Heading(f"{'一二三四五六七八九'[number]}、{heading}"), *content]
    edition = f"（第{issue.edition}版）" if issue.edition > 1 else ""
    return Document(
        title=title_of(issue.organisation),
        number=issue.number + edition,
        period=f"{chinese_day(facts.day)}　星期{WEEKDAYS[facts.day.weekday()]}",
        blocks=blocks,
        organisation=issue.organisation,
        signed_on=chinese_day(issue.issued_at.astimezone(issue.timezone).date()),
    )


def chinese_day(day: date) -> str:
    """2026年11月22日."""
    return f"{day.year}年{day.month}月{day.day}日"


def second(milliseconds: int) -> str:
    """The place in a recording: 01:23."""
    return f"{milliseconds // 60_000:02d}:{milliseconds // 1000 % 60:02d}"


def _overview(facts: DayFacts, tally: Tally, rates: ThreeRates, before: ThreeRates, issue: Issue) -> list[Block]:
    day, callbacks = f"{facts.day.month}月{facts.day.day}日", facts.callbacks
    text = (
        f"{day}，应回访工单{len(callbacks.due)}件，已拨打{len(callbacks.done)}件，"
        f"接通{len(callbacks.connected)}件，形成有效回访{len(tally.valid)}件。"
    )
    if tally.valid:
        text += (
            f"其中，已联系市民{len(tally.contacted)}件，问题解决{len(tally.solved)}件；满意{len(tally.satisfied)}件，"
            f"基本满意{len(tally.fairly)}件，不满意{len(tally.dissatisfied)}件。"
            f"响应率{rates.response.percent()}，解决率{rates.solution.percent()}，"
            f"满意率{rates.satisfaction.percent()}，综合得分{rates.overall.score()}分"
            f"{_against_yesterday(rates, before)}。"
        )
    else:
        text += "当日没有有效回访，各率不作计算，以“—”表示。"
    text += (
        f"留存通话录音{len(facts.kept)}条，缺失{_missing(facts)}条；"
        f"听取市民建议{len(facts.suggestions)}条，未解决或不满意诉求{len(facts.complaints)}条。"
    )
    blocks: list[Block] = [Paragraph(text)]
    waiting = sum(not reading.confirmed for reading in facts.readings)
    if waiting:
        blocks.append(
            Paragraph(
                f"上述数字中，{waiting}件有效回访的读数为系统建议，尚待人工确认（见第七部分），确认后如有变化将另出新版。"
            )
        )
    if issue.unfinished:
        local = issue.issued_at.astimezone(issue.timezone)
        blocks.append(Paragraph(f"本日报出具时当日尚未结束，数字截至{local:%H:%M}。"))
    if issue.edition > 1:
        blocks.append(Paragraph(f"本版为第{issue.edition}版，数字以本版为准；此前各版仍予保存。"))
    return blocks


def _against_yesterday(rates: ThreeRates, before: ThreeRates) -> str:
    if before.overall.points is None:
        return "（上日无有效回访，不作比较）"
    return f"，较上日{change(rates.overall, before.overall, of='分')}"


def _rates(tally: Tally, rates: ThreeRates, before: ThreeRates, formulas: Formulas) -> list[Block]:
    valid = str(len(tally.valid))
    counted = f"{len(tally.satisfied)}＋{formulas.fairly}×{len(tally.fairly)}"
    rows = [
        (name, count, valid, now.percent(), then.percent(), change(now, then))
        for name, count, now, then in (
            ("响应率", f"联系数{len(tally.contacted)}", rates.response, before.response),
            ("解决率", f"解决数{len(tally.solved)}", rates.solution, before.solution),
            ("满意率", counted, rates.satisfaction, before.satisfaction),
        )
    ]
    weights = f"{formulas.response}／{formulas.solution}／{formulas.satisfaction}"
    overall = change(rates.overall, before.overall, of="分")
    rows.append(("综合得分", f"权重{weights}", NONE, rates.overall.score(), before.overall.score(), overall))
    columns = (
        *(Column("指标", 22), Column("计数", 36), Column("有效回访", 20)),
        *(Column("当日", 22), Column("上日", 22), Column("较上日", 34)),
    )
    return [Table(columns, tuple(rows))]


def _groups(head: str, readings: Sequence[Reading], name: Callable[[Reading], str], formulas: Formulas) -> list[Block]:
    if not readings:
        return [Paragraph("当日无有效回访。")]
    rows = []
    for label, tally in grouped(readings, name):
        rates = three_rates(tally, formulas)
        answers = f"{len(tally.satisfied)}／{len(tally.fairly)}／{len(tally.dissatisfied)}"
        counts = (str(len(tally.valid)), str(len(tally.contacted)), str(len(tally.solved)), answers)
        percents = (rates.response.percent(), rates.solution.percent(), rates.satisfaction.percent())
        rows.append((label, *counts, *percents, rates.overall.score()))
    columns = (
        *(Column(head, 38, LEFT), Column("有效\n回访", 11), Column("联系", 9.5), Column("解决", 9.5)),
        *(Column("满意／基本\n／不满意", 22), Column("响应率", 17.5), Column("解决率", 17.5)),
        *(Column("满意率", 17.5), Column("综合\n得分", 13.5)),
    )
    return [Table(columns, tuple(rows))]


def _recordings(facts: DayFacts, timezone: ZoneInfo) -> list[Block]:
    blocks: list[Block] = [Paragraph(_kept(facts.kept))]
    if not facts.absent:
        blocks.append(Paragraph("通话与录音已逐一核对，无缺失。"))
        return blocks
    waiting = sum(call.open for call in facts.absent)
    text = f"缺失录音{_missing(facts)}条" + (f"，另有{waiting}条通话尚在进行或等待封存" if waiting else "")
    blocks.append(Paragraph(f"{text}，逐条列示如下。"))
    rows = tuple(
        (
            f"{call.started_at.astimezone(timezone):%H:%M:%S}",
            call.work_order or NONE,
            "待封存" if call.open else "缺失",
            call.note or ("尚未封存" if call.open else "原因待查"),
            str(call.recording_id),
        )
        for call in facts.absent
    )
    columns = (
        *(Column("通话时间", 18), Column("随呼工单编号", 34), Column("状态", 15)),
        *(Column("原因", 44, LEFT), Column("录音编号", 45)),
    )
    return [*blocks, Table(columns, rows)]


def _kept(kept: Sequence[Kept]) -> str:
    if not kept:
        return "当日没有封存的通话录音。"
    done = sum(recording.text_state == TEXT_DONE for recording in kept)
    failed = sum(recording.text_state == TEXT_FAILED for recording in kept)
    seconds = sum(recording.duration_ms for recording in kept) // 1000
    text = f"当日封存通话录音{len(kept)}条，时长合计{_duration(seconds)}，均已锁定保存；已转写成文字{done}条"
    others = (
        (len(kept) - done - failed, "条待转写"),
        (failed, "条转写未成功"),
        (sum(recording.interrupted for recording in kept), "条录音曾中断"),
        (sum(not recording.linked for recording in kept), "条尚未关联工单"),
    )
    return "，".join([text, *(f"{count}{what}" for count, what in others if count)]) + "。"


def _duration(seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return (f"{hours}小时" if hours else "") + (f"{minutes}分" if hours or minutes else "") + f"{seconds % 60}秒"


def _missing(facts: DayFacts) -> int:
    return sum(not call.open for call in facts.absent)


def _voices(facts: DayFacts) -> list[Block]:
    heard = (*facts.suggestions, *facts.complaints)
    if not heard:
        return [Paragraph("当日未听取到市民建议，也无未解决或不满意诉求。")]
    text = (
        f"听取市民建议{len(facts.suggestions)}条，未解决或不满意诉求{len(facts.complaints)}条。"
        "原话摘自通话文字，“位置”为该句在录音中的分秒。"
    )
    columns = (
        Column("类别", 18),
        Column("工单编号", 38),
        Column("原话", 70, LEFT),
        Column("位置", 14),
        Column("确认", 16),
    )
    return [Paragraph(text), Table(columns, tuple(_voice(each) for each in heard))]


def _voice(heard: Heard) -> tuple[str, ...]:
    place = second(heard.answer.start_ms) if heard.answer.ordinal >= 0 else NONE
    confirmed = "已确认" if heard.answer.confirmed else "待确认"
    return (heard.what, heard.work_order, heard.answer.sentence or NONE, place, confirmed)


def _suggested(readings: Sequence[Reading]) -> list[Block]:
    waiting = [reading for reading in readings if not reading.confirmed]
    if not waiting:
        return [Paragraph("当日有效回访的读数均已由人工确认。" if readings else "无。")]
    text = f"以下{len(waiting)}件为系统建议、待人工确认：读数由系统按规则从通话文字中得出，未经人工确认，仅供参考。"
    columns = (
        Column("工单编号", 42),
        *(Column(head, 30) for head in ("联系情况", "解决情况", "满意情况")),
        Column("状态", 24),
    )
    rows = tuple(
        (reading.work_order, *(_word(reading, name) for name in (CONTACTED, SOLVED, SATISFIED)), "系统建议")
        for reading in waiting
    )
    return [Paragraph(text), Table(columns, rows)]


def _word(reading: Reading, question: str, *, with_place: bool = False) -> str:
    answer = reading.answers.get(question)
    if answer is None:
        return NONE
    word = ANSWER_WORDS.get((question, answer.answer), "无法判断")
    return f"{word}\n{second(answer.start_ms)}" if with_place and answer.ordinal >= 0 else word


def _sources(readings: Iterable[Reading], timezone: ZoneInfo) -> list[Block]:
    rows = tuple(
        (
            reading.work_order,
            f"{reading.started_at.astimezone(timezone):%H:%M}",
            *(_word(reading, name, with_place=True) for name in (CONTACTED, SOLVED, SATISFIED)),
            str(reading.recording_id),
        )
        for reading in readings
    )
    if not rows:
        return [Paragraph("当日无有效回访。")]
    columns = (
        *(Column("工单编号", 34), Column("通话\n时间", 14), Column("联系", 21), Column("解决", 21)),
        *(Column("满意", 21), Column("录音编号", 45)),
    )
    note = Note("本表为各项数字所依据的有效回访，分秒为作出该项读数的语句在录音中的位置。")
    return [note, Table(columns, rows)]
