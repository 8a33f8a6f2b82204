"""Make the demonstration's callback calls: ``python -m tools.demo_calls.make_calls``.

Each call becomes a folder with one 8 kHz FLAC for each party, equally long, and a ``truth.json`` that says who said
what when.  Needs espeak-ng; the recordings are kept in the repository, so nobody needs this to run the demonstration.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from numpy.typing import NDArray

from tools.demo_calls.scripts import AGENT, CITIZEN, SCRIPTS, Line, Script
from tools.sample_model.speech import TELEPHONE_RATE, Manner, a_law, ringback, speak

TARGET = Path(__file__).parents[2] / "service" / "sample_calls"
AGENT_MANNER = Manner("f2", 195, 55, 0)
LEVEL = 0.6
LINE_NOISE = 5e-4
RINGING_SECONDS = 20
Turn = dict[str, str | float]


def _channel(speech: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A party's line as the recorder gets it."""
    noisy = speech + rng.standard_normal(len(speech), dtype=np.float32) * np.float32(LINE_NOISE)
    return a_law(np.clip(noisy, -0.999, 0.999).astype(np.float32))


def _place(lines: list[Line], script: Script) -> tuple[dict[str, NDArray[np.float32]], list[Turn]]:
    """Both channels with the turns one after the other, people's pauses between them."""
    rng = Random(script.work_order)
    manners = {AGENT: AGENT_MANNER, CITIZEN: Manner(script.citizen_voice, 190, 48, 0)}
    position = int(0.8 * TELEPHONE_RATE)
    placed: list[tuple[str, int, NDArray[np.float32]]] = []
    turns: list[Turn] = []
    for line in lines:
        utterance = speak(line.text, manners[line.party])
        first, last = position + int(utterance.spans[0, 0]), position + int(utterance.spans[-1, 1])
        start, end = round(first / TELEPHONE_RATE, 3), round(last / TELEPHONE_RATE, 3)
        turns.append({"party": line.party, "start": start, "end": end, "text": line.text})
        placed.append((line.party, position, utterance.samples * np.float32(LEVEL)))
        position += len(utterance.samples) + int(rng.uniform(0.25, 0.6) * TELEPHONE_RATE)
    channels = {party: np.zeros(position + TELEPHONE_RATE, dtype=np.float32) for party in (AGENT, CITIZEN)}
    for party, begin, samples in placed:
        channels[party][begin : begin + len(samples)] += samples
    return channels, turns


def _unanswered() -> dict[str, NDArray[np.float32]]:
    """The citizen's telephone rings and nobody speaks."""
    tone = ringback(RINGING_SECONDS * TELEPHONE_RATE)
    return {AGENT: np.zeros(len(tone), dtype=np.float32), CITIZEN: tone}


def make(script: Script, target: Path) -> float:
    """Write one call; returns its seconds."""
    lines = script.lines()
    channels, turns = _place(lines, script) if lines else (_unanswered(), [])
    folder = target / script.name
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(int(script.work_order))
    for party, samples in channels.items():
        path = folder / f"{party}.flac"
        soundfile.write(str(path), _channel(samples, noise), TELEPHONE_RATE, subtype="PCM_16", format="FLAC")
    truth = {
        "work_order": script.work_order,
        "signalled": script.signalled,
        "citizen_telephone": script.citizen_telephone,
        "title": script.title,
        "turns": turns,
    }
    (folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return len(channels[AGENT]) / TELEPHONE_RATE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=TARGET)
    target: Path = parser.parse_args().target
    for script in SCRIPTS:
        print(f"{script.name:11} {make(script, target):5.1f} s")


if __name__ == "__main__":
    main()
