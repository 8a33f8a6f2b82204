"""`huiyin spool`: what lies in the spool and why, without database or store, and trying again at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.clock import utc_now
from core.ids import new_id
from service.__main__ import main
from service.setbacks import NOTE_FILE, Setback
from telephony.call import FACTS_FILE, RECORDING, CallFacts, Party
from tests.spools import call


@pytest.fixture(autouse=True)
def spool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HUIYIN_DATA_DIR", str(tmp_path / "data"))
    # Nothing of these is asked.
    monkeypatch.setenv("HUIYIN_DATABASE_URL", "postgresql+asyncpg://me:secret@127.0.0.1:1/none")
    monkeypatch.setenv("HUIYIN_STORE_URL", "s3://key:secret@127.0.0.1:1/none?secure=false")
    return tmp_path / "data" / "spool"


def _call(spool: Path, **changes: object) -> Path:
    citizen = Party("citizen", "13800000101", "市民乙")
    facts: CallFacts = replace(call("agent", "citizen"), recording_id=new_id(), parties=(citizen,), **changes)  # type: ignore[arg-type]
    directory = spool / str(facts.recording_id)
    directory.mkdir(parents=True)
    facts.save(directory)
    return directory


def test_calls_are_listed_with_their_reasons_and_no_numbers(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting, recording, failed, damaged = (
        _call(spool),
        _call(spool, state=RECORDING),
        _call(spool),
        _call(spool),
    )
    Setback(4, utc_now(), "the assembling process died over this call", "1.0").save(failed)
    (damaged / FACTS_FILE).write_bytes(b"{")
    assert main(["spool", "list"]) == 0
    printed = capsys.readouterr().out
    lines = {line.split()[0]: line for line in printed.splitlines()}
    assert "待封存 waiting" in lines[waiting.name]
    assert "录音中 recording" in lines[recording.name]
    assert "4×: the assembling process died over this call" in lines[failed.name]
    assert "损坏 damaged" in lines[damaged.name]
    assert printed.splitlines()[-1] == "录音中 recording 1，待封存 waiting 2，损坏 damaged 1"
    assert "13800000101" not in printed
    assert "市民乙" not in printed
    assert main(["spool", "list", failed.name]) == 0
    assert waiting.name not in capsys.readouterr().out


def test_a_call_is_tried_again_at_once(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = _call(spool), _call(spool)
    for directory in (first, second):
        Setback(9, utc_now(), "Damaged", "1.0").save(directory)
    assert main(["spool", "retry", first.name]) == 0
    assert not (first / NOTE_FILE).exists()
    assert (second / NOTE_FILE).exists()
    assert main(["spool", "retry"]) == 0
    assert not (second / NOTE_FILE).exists()
    capsys.readouterr()
    assert main(["spool", "retry"]) == 0
    assert "no call has failed" in capsys.readouterr().out


def test_what_is_not_there_is_named(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "list"]) == 1
    assert "HUIYIN_DATA_DIR" in capsys.readouterr().err
    _call(spool)
    stranger = str(new_id())
    assert main(["spool", "retry", stranger]) == 1
    assert stranger in capsys.readouterr().err
