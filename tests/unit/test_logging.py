"""Log lines: one JSON value each, without telephone numbers."""

import json
import logging

import pytest

from core.logging import mask_numbers, set_up


@pytest.fixture(autouse=True)
def _root_logger() -> object:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_is_json_with_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("recorder")
    logging.getLogger("telephony").info("call ended", extra={"facts": {"packets": 9000, "caller": "13800001234"}})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["process"], line["message"], line["packets"]) == (
        "info",
        "recorder",
        "call ended",
        9000,
    )
    assert line["caller"] == "138****1234"


def test_an_error_keeps_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("json", "text"):
        set_up("worker", form)
        try:
            raise ValueError("broken 01087654321")
        except ValueError:
            logging.getLogger("x").exception("job failed")
        written = capsys.readouterr().err
        assert "ValueError: broken" in written
        assert "01087654321" not in written


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("来电 13800001234 挂断", "来电 138****1234 挂断"),
        ("+8613800001234", "138****1234"),
        ("010-87654321", "010-****4321"),
        ("0198f3a0-13800001234a", "0198f3a0-13800001234a"),
        ("20261122000001", "20261122000001"),
    ],
)
def test_telephone_numbers_are_masked_and_identifiers_are_not(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked
