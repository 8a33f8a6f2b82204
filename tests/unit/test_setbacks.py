"""Setbacks: later each time, remembered over a restart, and ended by a hand or another version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.setbacks import FIRST_RETRY, LONGEST_RETRY, NOTE_FILE, STUCK_AFTER, Setback, Setbacks

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def _setbacks(clock: Clock, software: str = "1.0") -> Setbacks:
    return Setbacks(clock, lambda: software)


def test_it_waits_longer_each_time(tmp_path: Path) -> None:
    clock = Clock()
    setbacks = _setbacks(clock)
    assert setbacks.ready(tmp_path)
    waits = []
    for _ in range(20):
        waits.append(setbacks.add(tmp_path, "why").again_at - clock.now)
        assert not setbacks.ready(tmp_path)
        clock.now += waits[-1]
        assert setbacks.ready(tmp_path)
    assert waits[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert waits[-1] == LONGEST_RETRY


def test_it_is_remembered_over_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    first = _setbacks(clock)
    for _ in range(STUCK_AFTER):
        first.add(tmp_path, "the assembling process died")
    second = _setbacks(clock)
    assert not second.ready(tmp_path)
    assert second.stuck[tmp_path.name].error == "the assembling process died"
    assert second.add(tmp_path, "again").tries == STUCK_AFTER + 1


def test_another_version_begins_afresh(tmp_path: Path) -> None:
    clock = Clock()
    _setbacks(clock, "1.0").add(tmp_path, "why")
    newer = _setbacks(clock, "1.1")
    assert newer.ready(tmp_path)
    assert newer.add(tmp_path, "still").tries == 1


def test_a_hand_lets_it_be_tried_at_once(tmp_path: Path) -> None:
    setbacks = _setbacks(Clock())
    setbacks.add(tmp_path, "why")
    (tmp_path / NOTE_FILE).unlink()
    assert setbacks.ready(tmp_path)
    assert setbacks.stuck == {}


def test_a_disk_that_takes_no_note_does_not_let_it_be_tried_at_once(tmp_path: Path) -> None:
    setbacks = _setbacks(Clock())
    setbacks.add(tmp_path / "gone", "why")
    assert not setbacks.ready(tmp_path / "gone")


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"tries": 1}', b'{"tries":1,"at":"2026-01-01","error":"","software":""}', b"\xff"]
)
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, note: bytes) -> None:
    (tmp_path / NOTE_FILE).write_bytes(note)
    assert Setback.load(tmp_path) is None
    assert _setbacks(Clock()).ready(tmp_path)


def test_it_never_overflows() -> None:
    setback = Setback(10**6, START, "", "")
    assert setback.again_at == START + LONGEST_RETRY
    assert setback.again_at - setback.at < timedelta(days=1)
