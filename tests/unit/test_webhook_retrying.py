"""When a delivery is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta

import pytest

from api.webhooks.retrying import DELIVERED, FAILED, LONGEST, LONGEST_ASKED, TRIES, WAITING, after

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _waits(chance: float) -> list[timedelta]:
    return [after(number, 500, NOW, chance=chance).at - NOW for number in range(1, TRIES)]


def test_tries_come_ever_later_and_last_between_one_and_two_days() -> None:
    plain = _waits(0.5)
    assert plain[:4] == [timedelta(seconds=each) for each in (5, 20, 80, 320)]
    assert plain == sorted(plain)
    assert plain[-1] == LONGEST
    for chance in (0.0, 0.5, 1.0):
        assert timedelta(days=1) < sum(_waits(chance), timedelta()) < timedelta(days=2)


def test_chance_spreads_them_by_a_fifth_either_way() -> None:
    for low, plain, high in zip(_waits(0.0), _waits(0.5), _waits(1.0), strict=True):
        assert low == plain * 0.8
        assert high == plain * 1.2


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_success_is_one(status: int) -> None:
    assert after(TRIES, status, NOW, chance=0.5).state == DELIVERED


@pytest.mark.parametrize("status", [None, 100, 301, 308, 400, 401, 404, 409, 429, 500, 599])
def test_anything_else_waits_and_fails_in_the_end(status: int | None) -> None:
    assert after(TRIES - 1, status, NOW, chance=0.5).state == WAITING
    assert after(TRIES, status, NOW, chance=0.5).state == FAILED


def test_gone_fails_at_once() -> None:
    assert after(1, 410, NOW, chance=0.5).state == FAILED


def test_who_asks_for_patience_gets_it_up_to_a_day() -> None:
    assert after(1, 429, NOW, chance=0.5, asked=timedelta(minutes=10)).at == NOW + timedelta(minutes=10)
    assert after(1, 429, NOW, chance=0.5, asked=timedelta(days=365)).at == NOW + LONGEST_ASKED
    assert after(9, 429, NOW, chance=0.5, asked=timedelta(seconds=1)).at == NOW + LONGEST
