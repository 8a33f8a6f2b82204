"""Synthetic recordings for tests: made-up people and numbers, and a tone instead of a voice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile

from archive.seal import NewRecording, NewTurn
from core.ids import new_id

STARTED_AT = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
RETAIN_UNTIL = datetime(2028, 11, 20, 16, 0, tzinfo=UTC)
DIALOGUE = (
    ("agent", "您好，我是12345热线回访员，请问您反映的路灯问题解决了吗？"),
    ("citizen", "解决了，昨天就修好了，我很满意。"),
    ("agent", "感谢您的支持，再见。"),
)


def write_audio(path: Path, *, seconds: float = 1.0, rate: int = 8000, hertz: float = 440.0) -> Path:
    """A stereo FLAC: a tone on the left, silence on the right."""
    time = np.arange(int(seconds * rate)) / rate
    left = (0.3 * np.sin(2 * np.pi * hertz * time) * 32767).astype(np.int16)
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), rate, format="FLAC", subtype="PCM_16")
    return path


def new_recording(
    *,
    id: UUID | None = None,
    started_at: datetime = STARTED_AT,
    work_order: str = "",
    citizen_number: str = "13000000001",
) -> NewRecording:
    """A finished call of three minutes."""
    identifier = id or new_id()
    return NewRecording(
        id=identifier,
        sip_call_id=f"{identifier}@gateway.example",
        started_at=started_at,
        ended_at=started_at + timedelta(minutes=3),
        duration_ms=180_000,
        agent_number="8001",
        agent_name="坐席甲",
        citizen_number=citizen_number,
        citizen_name="市民乙",
        work_order=work_order,
        interrupted=False,
        flags=(),
        facts={"end_reason": "bye", "streams": [{"label": "1", "packets": 9000, "lost": 0}]},
    )


def new_turns(*dialogue: tuple[str, str]) -> list[NewTurn]:
    """Turns of two seconds, one after the other."""
    return [
        NewTurn(party, 2000 * n, 2000 * n + 1900, text, 0.9, False, [[2000 * n, 2000 * n + 1900, text, 0.9]])
        for n, (party, text) in enumerate(dialogue or DIALOGUE)
    ]
