"""Buckets of requests, and whose they are."""

import pytest

from api.access.attempts import network_of
from api.access.limits import MOST, RateLimit


def test_a_burst_is_let_through_and_refills_evenly() -> None:
    limit = RateLimit(60)
    assert [limit.wait("li", 100.0) for _ in range(60)] == [0.0] * 60
    assert limit.wait("li", 100.0) == pytest.approx(1.0)
    assert limit.wait("wang", 100.0) == 0.0
    assert limit.wait("li", 100.5) == pytest.approx(0.5)
    assert limit.wait("li", 101.0) == 0.0
    assert limit.wait("li", 101.0) > 0
    assert [limit.wait("li", 1000.0) for _ in range(61)][-1] > 0, "never more than a minute's worth"


def test_no_limit() -> None:
    limit = RateLimit(0)
    assert all(limit.wait("li", 0.0) == 0.0 for _ in range(10_000))


def test_strangers_cannot_fill_the_memory() -> None:
    limit = RateLimit(60)
    for number in range(3 * MOST):
        limit.wait(f"address {number}", number / 1000)
    assert len(limit._buckets) <= MOST


def test_who_is_waiting_is_not_forgotten_among_strangers() -> None:
    limit = RateLimit(60)
    for number in range(MOST - 1):
        limit.wait(f"address {number}", 0.0)
    for _ in range(60):
        limit.wait("busy", 1.0)
    for number in range(MOST // 4):
        limit.wait(f"another {number}", 1.0)
    assert limit.wait("busy", 1.0) > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("command line", "command line"),
    ],
)
def test_one_customer_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
