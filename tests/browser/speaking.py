"""A call that is speech, for pictures: a sample call of the demo, as what was said in it."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile

from archive.comments import add_comment
from archive.seal import NewTurn, seal_recording, seal_transcript
from tests.web import STARTED, Web, new_recording, order
from workorders.findings import SpokenTurn, read_findings, store_findings
from workorders.linking import link_recording

SAMPLE = Path(__file__).parent.parent.parent / "service" / "sample_calls" / "suggestion"
# The sentence that the picture shows while it is spoken, and one in which two words are doubtful.
SPOKEN, DOUBTFUL = 2, 7


async def speak(web: Web, directory: Path) -> tuple[UUID, float]:
    """Seal it with text, order, findings and a comment; answers its identifier and a second of it worth showing."""
    truth = json.loads((SAMPLE / "truth.json").read_text(encoding="utf-8"))
    until, spoken = STARTED + timedelta(days=740), truth["turns"]
    audio, duration_ms = _stereo(directory / "speech.flac")
    call = new_recording(
        STARTED + timedelta(hours=1),
        work_order=truth["work_order"],
        duration_ms=duration_ms,
        citizen_number="13800000103",
        facts={},
    )
    result = {
        "title": "社区门口无障碍坡道破损",
        "content": "来电人反映：社区门口无障碍坡道破损，希望修补。",
        "result": "已修补坡道",
    }
    async with web.archive.database.write() as session:
        session.add(order(truth["work_order"], category3="无障碍坡道", caller_phone="13800000103", **result))
    await seal_recording(web.archive, call, audio, retain_until=until)
    turns = [_turn(place, **said) for place, said in enumerate(spoken)]
    await seal_transcript(
        web.archive,
        call.id,
        {"engine": {"name": "none"}},
        turns,
        author="system",
        reason="first transcription",
        retain_until=until,
        expected_version=0,
    )
    await link_recording(web.archive, call.id, window_days=30)
    await _answers(web, call.id, turns)
    await add_comment(web.archive, call.id, at_ms=38_300, text="建议可转街道办事处。", by="supervisor")
    return call.id, spoken[SPOKEN]["start"] + 1.5


def _stereo(path: Path) -> tuple[Path, int]:
    """Agent left, citizen right; and how long it lasts, in milliseconds."""
    agent, rate = soundfile.read(SAMPLE / "agent.flac", dtype="int16")
    citizen, _ = soundfile.read(SAMPLE / "citizen.flac", dtype="int16")
    sound = np.stack([agent[: len(citizen)], citizen[: len(agent)]], axis=1)
    soundfile.write(path, sound, rate, subtype="PCM_16", format="FLAC")
    return path, len(sound) * 1000 // rate


def _turn(place: int, party: str, start: float, end: float, text: str) -> NewTurn:
    """Each character takes the same time."""
    began, each = round(start * 1000), (end - start) * 1000 / len(text)
    doubts = range(8, 10) if place == DOUBTFUL else range(0)
    words = [
        [began + round(each * at), began + round(each * (at + 1)), character, 0.48 if at in doubts else 0.97]
        for at, character in enumerate(text)
    ]
    return NewTurn(party, began, round(end * 1000), text, 0.97, False, words)


async def _answers(web: Web, recording: UUID, turns: list[NewTurn]) -> None:
    """What the rules read from it, the first of which a person has accepted."""
    said = [
        SpokenTurn(ordinal=place, party=turn.party, start_ms=turn.start_ms, end_ms=turn.end_ms, text=turn.text)
        for place, turn in enumerate(turns)
    ]
    async with web.archive.database.write() as session:
        await store_findings(session, recording, read_findings(said), text_version=1, now=web.archive.clock())
    first = (await (await web.get(f"/api/v1/recordings/{recording}")).json())["findings"][0]
    accepted = await web.post(f"/api/v1/findings/{first['id']}", {"answer": first["answer"]})
    assert accepted.status == 200, await accepted.text()
