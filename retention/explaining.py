"""Why a recording is kept, and until when, in words that an auditor can check with a calendar (Chinese, English)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from retention.rule import Contract, Obligation, Policies, last_day, later_of, midnight_after


@dataclass(frozen=True)
class Explanation:
    """``until``: the first moment (UTC) at which disposal may be considered, were there no hold (``held``)."""

    until: datetime
    held: bool
    chinese: str
    english: str


def explain_keeping(
    policies: Policies,
    *,
    call_end: datetime,
    text_final: datetime | None,
    fixed_until: datetime,
    now: datetime,
    holds: Sequence[str] = (),
    held: bool = False,
) -> Explanation:
    """Every obligation on a recording, the longest first.  ``fixed_until``: the date that the catalogue has already,
    which only moves later; ``holds``: names of the cases that hold it."""
    found = policies.obligations(call_end, text_final, now)
    until = max(found[0].until, fixed_until)
    chinese = [f"按案件“{name}”处于保全状态，保全解除前不得处置。" for name in holds]
    english = [f"Held for the case “{name}”: not to be disposed of before it is released." for name in holds]
    if held and not holds:
        chinese.append("处于保全状态，保全解除前不得处置。")
        english.append("Held: not to be disposed of before the hold is released.")
    if fixed_until > found[0].until:
        day = _day_before(fixed_until, policies.timezone)
        chinese.append(f"此前已确定保存至{_chinese(day)}，期限只延长、不缩短。")
        english.append(f"It was fixed before that it is kept through {day}; dates only move later.")
    for obligation in found:
        chinese.append(_in_chinese(policies, obligation, call_end, text_final))
        english.append(_in_english(policies, obligation, call_end, text_final))
    last = _day_before(until, policies.timezone)
    over = now >= until
    chinese.append(f"以最长者为准：保存至{_chinese(last)}二十四时{'，已届满' if over else ''}。")
    english.append(f"The longest of these counts: kept through {last}{', which has passed' if over else ''}.")
    return Explanation(until, held or bool(holds), "".join(chinese), " ".join(english))


def _day_before(moment: datetime, timezone: ZoneInfo) -> date:
    """The last full local day before a moment."""
    local = moment.astimezone(timezone)
    whole = midnight_after(local.date() - timedelta(days=1), timezone) == moment
    return local.date() - timedelta(days=1) if whole else local.date()


def _in_chinese(policies: Policies, one: Obligation, call_end: datetime, text_final: datetime | None) -> str:
    if one.contract is None:
        return explain(call_end, text_final, years=one.years, timezone=policies.timezone)
    contract = one.contract
    after = f"，期满后保存{contract.years_after}年" if contract.years_after else ""
    return f"合同“{contract.name}”至{_chinese(contract.ends)}{after}：最后一日为{_chinese(contract.last_day)}。"


def _in_english(policies: Policies, one: Obligation, call_end: datetime, text_final: datetime | None) -> str:
    if one.contract is None:
        return explain_in_english(call_end, text_final, years=one.years, timezone=policies.timezone)
    return _contract_in_english(one.contract)


def _contract_in_english(contract: Contract) -> str:
    after = f" and {contract.years_after} calendar years after" if contract.years_after else ""
    return f"Contract “{contract.name}” until {contract.ends}{after}: the last day is {contract.last_day}."


def explain_in_english(call_end: datetime, text_final: datetime | None, *, years: int, timezone: ZoneInfo) -> str:
    """``explain`` in English."""
    begins = later_of(call_end, text_final).astimezone(timezone).date()
    last = last_day(begins, years)
    what = "the call ended" if text_final is None or text_final <= call_end else "its text was last finalised"
    no_such_day = "" if last.day == begins.day else f" (that month has no day {begins.day}, so its last day)"
    return (
        f"Kept for {years} calendar years from the day on which {what} ({begins}), that day not counted (Civil Code, "
        f"articles 200 to 203): the last day is {last}{no_such_day}; disposal may be asked for from "
        f"{last + timedelta(days=1)} 00:00 ({timezone.key}), not before."
    )


def explain(call_end: datetime, text_final: datetime | None, *, years: int, timezone: ZoneInfo) -> str:
    """Why, and until when, in words that an auditor can check with a calendar."""
    begins = later_of(call_end, text_final).astimezone(timezone)
    last = last_day(begins.date(), years)
    after = last + timedelta(days=1)
    what = "通话结束" if text_final is None or text_final <= call_end else "文字最后定稿"
    text = (
        f"自{what}之日（{_chinese(begins.date())}）起保存{years}年：依《民法典》第二百条至第二百零三条，按公历计算，"
        f"当日不计入，自次日起算，最后一日为{_chinese(last)}"
    )
    if last.day != begins.day:
        text += f"（到期月没有{begins.day}日，以月末日为最后一日）"
    return f"{text}，当日二十四时届满。{_chinese(after)}零时（{timezone.key}）起方可申请处置，此前不得删除。"


def _chinese(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
