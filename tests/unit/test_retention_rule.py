"""The two-year rule: dates checked by hand, and properties that hold for every moment."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.explaining import explain
from retention.rule import eligible_at, last_day

SHANGHAI = ZoneInfo("Asia/Shanghai")
MOMENTS = st.datetimes(datetime(1995, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
YEARS = st.integers(2, 9)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("event", "years", "eligible"),
    [
        ("2026-11-22T10:00:00", 2, "2028-11-23T00:00:00"),
        ("2026-11-22T00:00:00", 2, "2028-11-23T00:00:00"),
        ("2026-11-22T23:59:59", 2, "2028-11-23T00:00:00"),
        ("2028-02-29T09:30:00", 2, "2030-03-01T00:00:00"),
        ("2028-02-29T09:30:00", 4, "2032-03-01T00:00:00"),
        ("2026-02-28T09:30:00", 2, "2028-02-29T00:00:00"),
        ("2026-12-31T12:00:00", 2, "2029-01-01T00:00:00"),
        ("2026-12-30T12:00:00", 3, "2029-12-31T00:00:00"),
    ],
)
def test_dates_counted_by_hand(event: str, years: int, eligible: str) -> None:
    assert eligible_at(at(event), None, years=years, timezone=SHANGHAI) == at(eligible)


def test_the_answer_is_utc_and_the_day_is_that_of_the_zone() -> None:
    just_after_midnight_in_shanghai = datetime(2026, 11, 21, 16, 5, tzinfo=UTC)
    found = eligible_at(just_after_midnight_in_shanghai, None, years=2, timezone=SHANGHAI)
    assert found.tzinfo is UTC
    assert found == datetime(2028, 11, 22, 16, 0, tzinfo=UTC)


def test_the_zone_that_a_moment_is_written_in_does_not_matter() -> None:
    moment = datetime(2026, 11, 21, 17, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=-7)))
    assert eligible_at(moment, None, years=2, timezone=SHANGHAI) == eligible_at(
        elsewhere, None, years=2, timezone=SHANGHAI
    )


def test_text_finalised_later_moves_the_date_and_earlier_does_not() -> None:
    end = at("2026-11-22T10:00:00")
    assert eligible_at(end, at("2026-12-01T08:00:00"), years=2, timezone=SHANGHAI) == at("2028-12-02T00:00:00")
    assert eligible_at(end, at("2026-11-01T08:00:00"), years=2, timezone=SHANGHAI) == at("2028-11-23T00:00:00")


@pytest.mark.parametrize("years", [1, 0, -2])
def test_fewer_than_two_years_is_no_rule(years: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        eligible_at(at("2026-11-22T10:00:00"), None, years=years, timezone=SHANGHAI)


def test_a_moment_without_its_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        eligible_at(datetime(2026, 11, 22), None, years=2, timezone=SHANGHAI)
    with pytest.raises(ValueError, match="zone"):
        eligible_at(at("2026-11-22T10:00:00"), datetime(2026, 11, 22), years=2, timezone=SHANGHAI)


def test_the_explanation_names_the_days() -> None:
    text = explain(at("2028-02-29T09:00:00"), None, years=2, timezone=SHANGHAI)
    assert "自通话结束之日（2028年2月29日）起保存2年" in text
    assert "最后一日为2030年2月28日" in text
    assert "没有29日" in text
    assert "2030年3月1日零时（Asia/Shanghai）起" in text
    later = explain(at("2026-11-22T10:00:00"), at("2026-11-23T10:00:00"), years=2, timezone=SHANGHAI)
    assert "自文字最后定稿之日（2026年11月23日）" in later
    assert "月末日" not in later


@given(MOMENTS, MOMENTS, YEARS)
def test_a_later_event_never_ends_earlier(one: datetime, other: datetime, years: int) -> None:
    first, second = sorted((one, other))
    assert eligible_at(first, None, years=years, timezone=SHANGHAI) <= eligible_at(
        second, None, years=years, timezone=SHANGHAI
    )


@given(MOMENTS, st.none() | MOMENTS, YEARS)
def test_text_only_lengthens(end: datetime, text: datetime | None, years: int) -> None:
    assert eligible_at(end, text, years=years, timezone=SHANGHAI) >= eligible_at(
        end, None, years=years, timezone=SHANGHAI
    )


@given(MOMENTS, YEARS)
def test_every_full_year_is_kept_and_at_most_a_day_more(moment: datetime, years: int) -> None:
    local = moment.astimezone(SHANGHAI)
    found = eligible_at(moment, None, years=years, timezone=SHANGHAI).astimezone(SHANGHAI)
    assert (found.hour, found.minute, found.second) == (0, 0, 0)
    assert (found - local).days >= 365 * years
    assert (found - local).days <= 366 * years


@given(MOMENTS, st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"]))
def test_the_day_is_the_last_day_and_one_more_in_every_zone(moment: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    found = eligible_at(moment, None, years=2, timezone=zone).astimezone(zone)
    assert found.date() == last_day(moment.astimezone(zone).date(), 2) + timedelta(days=1)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), YEARS)
def test_the_last_day_lies_in_the_corresponding_month(day: date, years: int) -> None:
    found = last_day(day, years)
    assert (found.year, found.month) == (day.year + years, day.month)
    assert found.day == day.day or (day.month, day.day, found.day) == (2, 29, 28)
