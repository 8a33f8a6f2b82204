"""The spool directory as a queue: ownership, order, and finishing what a crash left."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import Conflict
from core.ids import new_id
from service import spool
from telephony.call import CLOSED, RECORDING, CallFacts, Pause

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


def _call(directory: Path, state: str, at: datetime) -> CallFacts:
    facts = CallFacts(recording_id=new_id(at), sip_call_id="call@test.invalid", started_at=at, state=state)
    home = directory / str(facts.recording_id)
    home.mkdir()
    facts.save(home)
    return facts


def test_closed_calls_wait_oldest_first(tmp_path: Path) -> None:
    later = _call(tmp_path, CLOSED, START + timedelta(minutes=1))
    earlier = _call(tmp_path, CLOSED, START)
    _call(tmp_path, RECORDING, START)
    (tmp_path / "not-a-call").mkdir()
    assert [path.name for path in spool.waiting(tmp_path)] == [str(earlier.recording_id), str(later.recording_id)]


def test_a_call_left_open_is_closed_and_marked(tmp_path: Path) -> None:
    facts = _call(tmp_path, RECORDING, START)
    media = tmp_path / str(facts.recording_id) / "1.rtpdump"
    media.write_bytes(b"x")
    newest = (START + timedelta(seconds=90)).timestamp()
    for path in media.parent.iterdir():
        os.utime(path, (newest, newest))
    [finished] = spool.finish_interrupted(tmp_path)
    assert (finished.state, finished.interrupted, finished.end_reason) == (CLOSED, True, "interrupted")
    assert finished.ended_at == START + timedelta(seconds=90)
    assert CallFacts.load(media.parent) == finished
    assert spool.finish_interrupted(tmp_path) == []


def test_a_pause_that_the_crash_left_open_ends_with_the_call(tmp_path: Path) -> None:
    facts = _call(tmp_path, RECORDING, START)
    paused = replace(facts, pauses=(Pause(START + timedelta(seconds=5), None, "gateway", "INVITE with a=inactive"),))
    paused.save(tmp_path / str(facts.recording_id))
    [finished] = spool.finish_interrupted(tmp_path)
    assert finished.ended_at is not None
    assert [pause.ended_at for pause in finished.pauses] == [max(finished.ended_at, paused.pauses[0].started_at)]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"recording_id": 7}', b"[]"])
def test_damaged_facts_do_not_lose_the_call(tmp_path: Path, content: bytes) -> None:
    facts = _call(tmp_path, RECORDING, START)
    (tmp_path / str(facts.recording_id) / "call.json").write_bytes(content)
    [finished] = spool.finish_interrupted(tmp_path)
    assert finished.recording_id == facts.recording_id
    assert finished.started_at == START
    assert "call facts unreadable" in finished.flags


def test_a_spool_has_one_owner_for_each_role(tmp_path: Path) -> None:
    with spool.owned(tmp_path, spool.RECORDER_LOCK):
        with pytest.raises(Conflict, match="another process"), spool.owned(tmp_path, spool.RECORDER_LOCK):
            pass
        with spool.owned(tmp_path, spool.SEALER_LOCK):
            pass
    with spool.owned(tmp_path, spool.RECORDER_LOCK):
        pass


def test_a_spool_keeps_its_identifier_and_no_other_has_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    kept = spool.identifier(tmp_path / "one")
    assert [spool.identifier(tmp_path / name) == kept for name in ("one", "two")] == [True, False]
    (tmp_path / "one" / spool.IDENTIFIER_FILE).write_bytes(b"\xff")
    made = spool.identifier(tmp_path / "one")
    assert made != kept
    assert spool.identifier(tmp_path / "one") == made
    assert spool.waiting(tmp_path / "one") == []


def test_a_disk_that_takes_no_file_keeps_no_recorder_from_starting(tmp_path: Path) -> None:
    (tmp_path / spool.IDENTIFIER_FILE).mkdir()
    assert spool.identifier(tmp_path) != spool.identifier(tmp_path)
