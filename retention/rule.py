"""The two-year rule, as a pure function of two moments.

Periods follow the Civil Code of the People's Republic of China: counted by the civil calendar (art. 200), the day of
the event not counted (art. 201), ending with the corresponding day of the month in which they end, or with that
month's last day where there is none (art. 202), at 24:00 (art. 203).  Art. 203 also moves a last day that is a
public holiday; that protects who must act by a deadline.  Here the last day only makes a recording *eligible*, nobody
must act on it, so it stays where art. 202 puts it.
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINIMUM_YEARS = 2


def last_day(begins: date, years: int) -> date:
    """The last day of a period of calendar years that an event on ``begins`` sets going; never under two years."""
    if years < MINIMUM_YEARS:
        raise ValueError(f"audio and text are kept for at least {MINIMUM_YEARS} calendar years")
    year = begins.year + years
    return date(year, begins.month, min(begins.day, calendar.monthrange(year, begins.month)[1]))


def later_of(call_end: datetime, text_final: datetime | None) -> datetime:
    """The moment that the period counts from; ``ValueError`` for a moment without its zone."""
    moments = [call_end] if text_final is None else [call_end, text_final]
    if any(moment.tzinfo is None for moment in moments):
        raise ValueError("a moment in time must carry its zone")
    return max(moments)


def eligible_at(call_end: datetime, text_final: datetime | None, *, years: int, timezone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which disposal may be considered: local midnight after the period's last day."""
    begins = later_of(call_end, text_final).astimezone(timezone).date()
    after = last_day(begins, years) + timedelta(days=1)
    return datetime.combine(after, time(), tzinfo=timezone).astimezone(UTC)


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
