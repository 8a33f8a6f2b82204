"""The text of event streams, read back by a reader of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.events.message import HEARTBEAT, Event, retry_after
from tests.events import Message, Reader

LINE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


def _read(octets: bytes) -> tuple[Reader, list[Message]]:
    reader = Reader()
    found = [reader.line(line) for line in octets.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return reader, [each for each in found if each]


@given(LINE.filter(bool), st.text(st.characters(exclude_categories=["Cs"]), min_size=1), LINE)
def test_what_is_written_is_read_and_nothing_else(name: str, data: str, identifier: str) -> None:
    """Whatever the data holds, it begins no other field and no other event."""
    _, found = _read(bytes(Event(name, data, identifier)))
    assert found == [Message(name, data.replace("\r\n", "\n").replace("\r", "\n"), identifier)]


@pytest.mark.parametrize("forged", ["a\nid: 1", "a\r", "a\r\n", "a\0"])
def test_a_field_of_one_line_stays_one(forged: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Event("changed", "1", forged)
    with pytest.raises(ValueError, match="one line"):
        Event(forged, "1", "1")


def test_an_event_that_browsers_would_drop_is_none() -> None:
    with pytest.raises(ValueError, match="without data"):
        Event("changed", "", "1")


def test_signs_of_life_and_the_time_to_wait() -> None:
    reader, found = _read(retry_after(3000) + HEARTBEAT)
    assert (reader.retry, reader.comments, found) == (3000, 1, [])
