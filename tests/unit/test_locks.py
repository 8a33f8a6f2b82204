"""The rules of keys and lock dates that both stores share."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.layout import document, recording_prefix, segment
from archive.lock import parse_moment, require_free, require_key, require_later, require_lock, require_prefix, round_up
from core.errors import Refused
from core.ids import new_id

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@given(st.datetimes(timezones=st.just(UTC), max_value=datetime(2100, 1, 1)))
def test_rounding_is_up_and_by_less_than_a_second(moment: datetime) -> None:
    rounded = round_up(moment)
    assert rounded.microsecond == 0
    assert timedelta(0) <= rounded - moment < SECOND


def test_rounding_keeps_the_moment_of_another_zone() -> None:
    local = datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=timezone(8 * 3600 * SECOND))
    assert round_up(local) == NOW + SECOND
    with pytest.raises(ValueError, match="zone"):
        round_up(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T04:00:00Z", NOW),
        ("2026-11-22T04:00:00.000000000Z", NOW),
        ("2026-11-22T04:00:00.123456789Z", NOW + SECOND),
        ("2026-11-22T04:00:00.000000001Z", NOW + SECOND),
        ("2026-11-22T04:00:00+00:00", NOW),
    ],
)
def test_moments_of_servers_are_read(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["", "2026-11-22", "2026-11-22T04:00:00", "2026-11-22T04:00:00+08:00", "2026-13-01T00:00:00Z"]
)
def test_what_is_not_a_utc_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(text)


def test_lock_dates_lie_ahead_and_within_reason() -> None:
    assert require_lock(NOW + SECOND, NOW) == NOW + SECOND
    assert require_lock(datetime(2100, 12, 31, tzinfo=UTC), NOW).year == 2100
    for date in (NOW, NOW - SECOND, datetime(2101, 1, 1, tzinfo=UTC)):
        with pytest.raises(Refused):
            require_lock(date, NOW)


def test_a_lock_only_lengthens() -> None:
    assert require_later("a", NOW, NOW) == NOW
    assert require_later("a", None, NOW) == NOW
    assert require_later("a", NOW, NOW + SECOND) == NOW + SECOND
    for date in (NOW - SECOND, datetime(2101, 1, 1, tzinfo=UTC)):
        with pytest.raises(Refused):
            require_later("a", NOW, date)


def test_deletion_needs_the_date_passed_and_no_hold() -> None:
    require_free("a", NOW, False, NOW)
    require_free("a", None, False, NOW)
    for until, held in ((NOW + SECOND, False), (NOW - SECOND, True), (None, True)):
        with pytest.raises(Refused):
            require_free("a", until, held, NOW)


def test_prefixes_are_beginnings_of_keys() -> None:
    for prefix in ("", "a", "a/", "a/b-"):
        assert require_prefix(prefix) == prefix
    for prefix in ("/", "/a", "a//", "../", "a/.", " "):
        with pytest.raises(ValueError):
            require_prefix(prefix)


@given(st.text())
def test_any_text_can_be_a_segment(text: str) -> None:
    assert require_key(f"work-orders/{segment(text)}/link.json")


def test_segments_of_different_texts_differ() -> None:
    assert segment("20261122-000001") == "20261122-000001"
    assert len({segment(text) for text in ("京1", "京/1", "..", "~京1", "", "京")}) == 6


def test_keys_do_not_depend_on_a_zone() -> None:
    identifier = new_id()
    evening = datetime(2026, 11, 22, 23, 30, tzinfo=timezone(-8 * 3600 * SECOND))
    assert recording_prefix(identifier, evening) == f"recordings/2026/11/23/{identifier}/"


def test_the_same_facts_give_the_same_bytes() -> None:
    assert (
        document({"b": 1, "a": "满意"}) == document({"a": "满意", "b": 1}) == '{\n "a": "满意",\n "b": 1\n}\n'.encode()
    )
    with pytest.raises(ValueError):
        document({"a": float("nan")})
