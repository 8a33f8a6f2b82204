"""Policies and contracts as pure values: the longest wins, what was once in force still counts, and words say why."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.explaining import Explanation, explain_keeping
from retention.rule import Contract, Dated, Policies

SHANGHAI = ZoneInfo("Asia/Shanghai")
CALL = datetime(2026, 11, 22, 2, tzinfo=UTC)
PLAIN = Policies(2, SHANGHAI)

DAYS = st.dates(date(2020, 1, 1), date(2040, 1, 1))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
YEARS = st.lists(st.tuples(DAYS, st.integers(2, 9)), max_size=5, unique_by=lambda each: each[0]).map(
    lambda values: Dated(tuple(sorted(values)))
)
CONTRACTS = st.builds(Contract, st.just("甲"), DAYS, st.integers(0, 5), DAYS)
POLICIES = st.builds(
    Policies,
    st.integers(2, 4),
    st.just(SHANGHAI),
    YEARS,
    st.lists(st.tuples(DAYS, CONTRACTS), max_size=3, unique_by=lambda each: each[0]).map(
        lambda values: {"甲": Dated(tuple(sorted(values, key=lambda each: each[0])))}
    ),
)


def midnight(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def test_what_was_in_force_on_any_day_since_the_call_counts() -> None:
    values = Dated(((date(2026, 1, 1), 4), (date(2026, 12, 1), 3), (date(2027, 6, 1), 2)))
    policies = Policies(2, SHANGHAI, values)
    assert values.during(date(2026, 11, 22), date(2026, 11, 30)) == (4,)
    assert values.during(date(2026, 12, 1), date(2030, 1, 1)) == (3, 2)
    assert values.during(date(2025, 1, 1), date(2025, 12, 31)) == ()
    assert values.during(date(2028, 1, 1), date(2028, 1, 1)) == (2,)
    assert policies.eligible_at(CALL, None, datetime(2029, 1, 1, tzinfo=UTC)) == midnight("2030-11-23")
    later = CALL + timedelta(days=300)
    assert policies.eligible_at(later, None, later) == midnight("2029-09-19")


def test_a_contract_keeps_what_was_recorded_under_it_and_its_extension_too() -> None:
    first = Contract("甲", date(2027, 12, 31), 3, date(2026, 1, 1))
    policies = Policies(2, SHANGHAI, contracts={"甲": Dated(((date(2026, 1, 1), first),))})
    assert policies.eligible_at(CALL, None, CALL) == midnight("2031-01-01")
    before = datetime(2025, 12, 31, 2, tzinfo=UTC)
    assert policies.eligible_at(before, None, CALL) == midnight("2028-01-01")
    extended = Contract("甲", date(2028, 12, 31), 3, date(2026, 1, 1))
    both = Policies(2, SHANGHAI, contracts={"甲": Dated(((date(2026, 1, 1), first), (date(2027, 1, 1), extended)))})
    assert both.eligible_at(CALL, None, CALL) == midnight("2031-01-01")
    assert both.eligible_at(CALL, None, CALL + timedelta(days=90)) == midnight("2032-01-01")
    # Cut short again, it has asked for more once, and that stands.
    cut = Contract("甲", date(2026, 12, 31), 0, date(2026, 1, 1))
    shorter = Policies(2, SHANGHAI, contracts={"甲": Dated(((date(2026, 1, 1), first), (date(2027, 1, 1), cut)))})
    assert shorter.eligible_at(CALL, None, CALL + timedelta(days=900)) == midnight("2031-01-01")
    assert Contract("乙", date(2028, 2, 29), 1).last_day == date(2029, 2, 28)


def test_first_and_last_days_count() -> None:
    """A call of a contract's first or last day was recorded under it; a policy asks from its own first day on."""
    contract = Contract("甲", date(2026, 11, 22), 5, date(2026, 11, 22))
    policies = Policies(2, SHANGHAI, contracts={"甲": Dated(((date(2026, 1, 1), contract),))})
    last_moment = midnight("2026-11-23") - timedelta(seconds=1)
    for within in (midnight("2026-11-22"), last_moment):
        assert policies.eligible_at(within, None, within) == midnight("2031-11-23")
    for outside in (midnight("2026-11-22") - timedelta(seconds=1), midnight("2026-11-23")):
        assert policies.eligible_at(outside, None, outside) < midnight("2028-11-25")
    longer = Policies(2, SHANGHAI, Dated(((date(2026, 11, 22), 6),)))
    assert longer.eligible_at(CALL, None, last_moment) == midnight("2032-11-23")
    assert longer.eligible_at(CALL, None, midnight("2026-11-22") - timedelta(seconds=1)) == midnight("2028-11-23")


def test_no_policy_undercuts_the_years_of_the_installation() -> None:
    policies = Policies(3, SHANGHAI, Dated(((date(2020, 1, 1), 2),)))
    assert policies.eligible_at(CALL, None, CALL) == midnight("2029-11-23")


@settings(max_examples=300, deadline=None)
@given(POLICIES, MOMENTS, st.none() | MOMENTS, MOMENTS, MOMENTS)
def test_dates_only_move_later(
    policies: Policies, call_end: datetime, text: datetime | None, one: datetime, other: datetime
) -> None:
    earlier, later = sorted((max(one, call_end), max(other, call_end)))
    assert policies.eligible_at(call_end, text, earlier) <= policies.eligible_at(call_end, text, later)
    assert policies.eligible_at(call_end, text, later) >= PLAIN.eligible_at(call_end, text, later)
    assert policies.eligible_at(call_end, text, later) >= policies.eligible_at(call_end, None, later)


@settings(max_examples=300, deadline=None)
@given(POLICIES, MOMENTS, st.none() | MOMENTS, MOMENTS)
def test_the_longest_obligation_wins(
    policies: Policies, call_end: datetime, text: datetime | None, now: datetime
) -> None:
    now = max(now, call_end)
    found = policies.obligations(call_end, text, now)
    assert policies.eligible_at(call_end, text, now) == max(each.until for each in found)
    assert len([each for each in found if each.contract is None]) == 1


@settings(max_examples=100, deadline=None)
@given(POLICIES, MOMENTS, st.none() | MOMENTS, MOMENTS, MOMENTS)
def test_the_words_name_the_date(
    policies: Policies, call_end: datetime, text: datetime | None, fixed: datetime, now: datetime
) -> None:
    now = max(now, call_end)
    told = explain_keeping(policies, call_end=call_end, text_final=text, fixed_until=fixed, now=now)
    assert told.until == max(fixed, policies.eligible_at(call_end, text, now))
    assert told.english
    for obligation in policies.obligations(call_end, text, now):
        last = obligation.until.astimezone(SHANGHAI).date() - timedelta(days=1)
        assert f"{last.year}年{last.month}月{last.day}日" in told.chinese
        assert str(last) in told.english


def test_holds_and_earlier_dates_are_said() -> None:
    contract = Contract("服务合同", date(2030, 12, 31), 2)
    policies = Policies(2, SHANGHAI, contracts={"服务合同": Dated(((date(2026, 1, 1), contract),))})
    told = explain_keeping(
        policies, call_end=CALL, text_final=None, fixed_until=midnight("2035-01-01"), now=CALL, holds=["投诉调查"]
    )
    assert told.held
    assert "按案件“投诉调查”处于保全状态" in told.chinese
    assert "已确定保存至2034年12月31日" in told.chinese
    assert "合同“服务合同”至2030年12月31日，期满后保存2年：最后一日为2032年12月31日。" in told.chinese
    assert (
        "Contract “服务合同” until 2030-12-31 and 2 calendar years after: the last day is 2032-12-31." in told.english
    )
    assert told.chinese.endswith("以最长者为准：保存至2034年12月31日二十四时。")
    plain = explain_keeping(PLAIN, call_end=CALL, text_final=None, fixed_until=CALL, now=midnight("2028-11-23"))
    assert plain.chinese.endswith("保存至2028年11月22日二十四时，已届满。")
    assert "2028-11-22, which has passed" in plain.english


def said(policies: Policies = PLAIN, **more: Any) -> Explanation:
    given = {"call_end": CALL, "text_final": None, "fixed_until": CALL, "now": CALL}
    return explain_keeping(policies, **{**given, **more})


def under(contract: Contract) -> Policies:
    return Policies(2, SHANGHAI, contracts={contract.name: Dated(((date(2026, 1, 1), contract),))})


LEAP_DAY = datetime(2028, 2, 29, 4, tzinfo=UTC)
CAUSES = {
    "the call's end": (said(), "自通话结束之日（2026年11月22日）起保存2年", "the call ended (2026-11-22)"),
    "text finalised late": (
        said(text_final=CALL + timedelta(days=9)),
        "自文字最后定稿之日（2026年12月1日）起",
        "its text was last finalised (2026-12-01)",
    ),
    "a month without that day": (
        said(call_end=LEAP_DAY, now=LEAP_DAY),
        "到期月没有29日，以月末日为最后一日",
        "that month has no day 29, so its last day",
    ),
    "a policy of more years": (
        said(Policies(2, SHANGHAI, Dated(((date(2026, 1, 1), 5),)))),
        "起保存5年",
        "Kept for 5 calendar years",
    ),
    "a contract until its end": (
        said(under(Contract("甲", date(2030, 6, 30)))),
        "合同“甲”至2030年6月30日：最后一日为2030年6月30日",
        "Contract “甲” until 2030-06-30: the last day is 2030-06-30",
    ),
    "a contract and years after": (
        said(under(Contract("甲", date(2030, 6, 30), 3))),
        "期满后保存3年",
        "and 3 calendar years after",
    ),
    "a date fixed before": (
        said(fixed_until=midnight("2031-05-02")),
        "此前已确定保存至2031年5月1日，期限只延长、不缩短",
        "fixed before that it is kept through 2031-05-01; dates only move later",
    ),
    "a case": (said(holds=["复核"]), "按案件“复核”处于保全状态", "Held for the case “复核”"),
    "a hold without a case": (
        said(held=True),
        "处于保全状态，保全解除前不得处置",
        "not to be disposed of before the hold",
    ),
    "nothing any more": (said(now=midnight("2029-01-01")), "已届满", "which has passed"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_is_said_in_both_languages(cause: str) -> None:
    explained, chinese, english = CAUSES[cause]
    assert chinese in explained.chinese
    assert english in explained.english
