"""Identifiers are UUIDs of version 7: in order of time, and never the same."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from core.ids import new_id, time_of


def test_an_identifier_tells_its_time() -> None:
    moment = datetime(2026, 11, 22, 8, 0, 0, 123000, tzinfo=UTC)
    identifier = new_id(moment)
    assert (identifier.version, identifier.variant) == (7, "specified in RFC 4122")
    assert time_of(identifier) == moment
    assert abs(time_of(new_id()) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_vector_of_the_standard_is_read() -> None:
    """RFC 9562, appendix A.6: Tuesday, February 22, 2022 2:22:22.00 PM GMT-05:00."""
    assert time_of(UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_identifiers_of_one_process_strictly_increase() -> None:
    identifiers = [new_id() for _ in range(20_000)]
    assert identifiers == sorted(set(identifiers))


def test_threads_never_share_one() -> None:
    with ThreadPoolExecutor(4) as pool:
        batches = pool.map(lambda _: [new_id() for _ in range(2000)], range(4))
    identifiers = [identifier for batch in batches for identifier in batch]
    assert len(set(identifiers)) == 8000


def test_another_version_has_no_time() -> None:
    with pytest.raises(ValueError, match="version 7"):
        time_of(uuid4())
