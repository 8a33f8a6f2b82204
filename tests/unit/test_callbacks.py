"""The rule of callbacks: which closed order is called, called again, or done, and until which day."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from workorders.callbacks import (
    DONE,
    DUE,
    NEVER_CALLED,
    NOT_ANSWERED,
    NOT_REACHED,
    NOT_READ,
    RETURNED,
    SENT_BACK,
    SOLVED_NOW,
    UNSOLVED,
    CallMade,
    Standing,
    last_day,
    standing,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
# 23:30 of the 16th in Shanghai.
CLOSED = datetime(2026, 11, 16, 15, 30, tzinfo=UTC)


def call(hours: float, **answers: str) -> CallMade:
    return CallMade(UUID(int=1), CLOSED + timedelta(hours=hours), "", answers)


def judge(*calls: CallMade, status: str = "已办结", days: int = 3) -> Standing:
    return standing(CLOSED, status, calls, days=lambda _day: days, zone=SHANGHAI)


def test_a_closed_order_is_called_until_the_end_of_the_last_local_day() -> None:
    found = judge()
    assert (found.stage, found.reason, found.until) == (DUE, NEVER_CALLED, date(2026, 11, 19))
    assert not found.late(date(2026, 11, 19))
    assert found.late(date(2026, 11, 20))


def test_days_are_local_days() -> None:
    after_midnight = CLOSED + timedelta(hours=1)
    assert last_day(after_midnight, lambda _day: 0, SHANGHAI) == date(2026, 11, 17)
    assert last_day(after_midnight, lambda _day: 0, ZoneInfo("UTC")) == date(2026, 11, 16)


def test_a_term_is_that_of_the_day_on_which_it_begins() -> None:
    def five_from_the_18th(day: date) -> int:
        return 5 if day >= date(2026, 11, 18) else 3

    closed = standing(CLOSED, "", [], days=five_from_the_18th, zone=SHANGHAI)
    assert closed.until == date(2026, 11, 19)
    again = standing(CLOSED, "", [call(48, solved="no")], days=five_from_the_18th, zone=SHANGHAI)
    assert again.until == date(2026, 11, 23)


@pytest.mark.parametrize(
    ("answers", "stage", "reason"),
    [
        ({}, DUE, NOT_READ),
        ({"connected": "no", "solved": "unclear"}, DUE, NOT_REACHED),
        ({"connected": "yes", "solved": "unclear"}, DUE, NOT_ANSWERED),
        ({"connected": "yes"}, DUE, NOT_ANSWERED),
        ({"connected": "yes", "solved": "no"}, RETURNED, UNSOLVED),
        ({"connected": "yes", "solved": "partly"}, RETURNED, UNSOLVED),
        ({"connected": "yes", "solved": "yes"}, DONE, SOLVED_NOW),
    ],
)
def test_what_a_call_found(answers: dict[str, str], stage: str, reason: str) -> None:
    found = judge(call(2, **answers))
    assert (found.stage, found.reason) == (stage, reason)


def test_an_unsolved_order_is_called_again_within_days_of_that_call() -> None:
    found = judge(call(48, connected="yes", solved="no"))
    assert found.until == date(2026, 11, 21)
    # Trying again without reaching anybody gives no more time.
    again = judge(call(72, connected="no", solved="unclear"), call(48, connected="yes", solved="no"))
    assert again == found


def test_the_last_clear_answer_counts_in_whichever_order_calls_come() -> None:
    no, yes = call(2, connected="yes", solved="no"), call(5, connected="yes", solved="yes")
    assert judge(no, yes).stage == judge(yes, no).stage == DONE
    assert judge(call(2, solved="yes"), call(5, solved="no")).stage == RETURNED


def test_calls_from_before_it_was_closed_do_not_count() -> None:
    assert judge(call(-1, connected="yes", solved="yes")).reason == NEVER_CALLED
    assert judge(call(0, connected="yes", solved="yes")).stage == DONE


def test_an_order_that_the_hotline_sent_back_is_called_again_unless_solved_since() -> None:
    assert (judge(status="已退回").stage, judge(status="已退回").reason) == (RETURNED, SENT_BACK)
    assert judge(call(1, connected="no"), status="已退回").reason == SENT_BACK
    assert judge(call(1, solved="yes"), status="已退回").stage == DONE


def test_what_is_done_is_never_late() -> None:
    assert not judge(call(1, solved="yes"), days=0).late(date(2030, 1, 1))
