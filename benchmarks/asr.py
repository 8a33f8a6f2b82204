"""Accuracy and cost of speech recognition with the model that ``HUIYIN_ASR_MODEL`` names (the embedded one by default).

``python -m benchmarks.asr [--files N] [--overhead-files N] [--repeats N] [--sets DIR]`` prints a table and, as its last
line, JSON: ``cer_sentences`` and ``cer_voices`` (share of wrong characters on sentences, and on voices, held out of the
embedded model's training), ``characters_on_noise`` (written on silence, ringback, busy tone, music and line noise;
should be 0), ``real_time_factor`` (seconds of work for each second of speech) and ``overhead_vs_bare_engine_pct``.

**The bare engine.**  What five lines around faster-whisper would do with the same file: its own ``decode_audio`` to
16 kHz, its own voice activity detection, windows and mapping back (``BatchedInferencePipeline``), word times, and the
texts joined.  Both sides use the same loaded model, threads, beam width, batch size, language,
prompt, voice activity options and longest window; so the difference is our decoding, resampling, levelling, packing,
guards, conversion to simplified characters and turns, less what the bare engine spends on its own decoding (PyAV).
Each file is done by both sides one right after the other, and who begins alternates; after one unmeasured round the
figure is the median of the ratios of all such pairs, which other load on the machine moves least.  Below zero means
that we take less time.  It is taken on single sentences and on two-party calls (there the bare engine takes one channel
after the other, while we decode both together); the last line holds the worse of the two.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile

from core.settings import load
from transcription.audio import ENGINE_RATE
from transcription.evaluate import Evaluation, evaluate_set
from transcription.whisper import WhisperTranscriber, load_transcriber

SETS = Path(__file__).parent / "asr_sets"
CALLS = Path(__file__).parent.parent / "service" / "sample_calls"


def bare_engine(transcriber: WhisperTranscriber) -> Callable[[Path], str]:
    """The same model and options without anything of ours around them."""
    # The engine is reached only here and in transcription.whisper; the benchmark's subject is the way between both.
    from faster_whisper import BatchedInferencePipeline, decode_audio
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = transcriber.options
    pipeline = BatchedInferencePipeline(transcriber.model)

    def own_windows(audio: Any) -> list[dict[str, float]] | None:
        """Without shared windows the engine is given the speech that its own detection finds, clip by clip."""
        if options.share_windows:
            return None
        voice = VadOptions(**asdict(options.voice), max_speech_duration_s=options.window_seconds)
        return [
            {"start": clip["start"] / ENGINE_RATE, "end": clip["end"] / ENGINE_RATE}
            for clip in get_speech_timestamps(audio, voice)
        ]

    def transcribe(audio: Any) -> str:
        clips = own_windows(audio)
        if clips == []:
            return ""
        segments, _ = pipeline.transcribe(
            audio,
            language=options.language or None,
            beam_size=options.beam,
            batch_size=options.batch,
            temperature=0.0,
            initial_prompt=options.prompt or None,
            word_timestamps=True,
            clip_timestamps=clips,
            vad_filter=True,
            vad_parameters=asdict(options.voice),
            chunk_length=int(options.window_seconds),
        )
        return "".join(segment.text for segment in segments)

    def one_file(path: Path) -> str:
        if soundfile.info(path).channels == 1:
            return transcribe(decode_audio(str(path)))
        return "".join(transcribe(channel) for channel in decode_audio(str(path), split_stereo=True))

    return one_file


def compare(
    files: Sequence[Path], ours: Callable[[Path], object], bare: Callable[[Path], object], repeats: int
) -> float:
    """How much longer than the bare engine we take, in per cent: the median over all pairs of runs on one file."""
    ratios: list[float] = []
    for file in files:
        sides = [ours, bare]
        for repeat in range(repeats + 1):
            taken = {side: _seconds(side, file) for side in sides}
            sides.reverse()
            if repeat:
                ratios.append(taken[ours] / taken[bare])
    return (median(ratios) - 1) * 100


def _seconds(work: Callable[[Path], object], file: Path) -> float:
    began = time.perf_counter()
    work(file)
    return time.perf_counter() - began


def stereo_calls(directory: Path) -> list[Path]:
    """The sample calls as the recorder would seal them: agent left, citizen right."""
    made = []
    for agent in sorted(CALLS.glob("*/agent.flac")):
        left, rate = soundfile.read(agent, dtype="int16")
        right, _ = soundfile.read(agent.with_name("citizen.flac"), dtype="int16")
        both = np.zeros((max(len(left), len(right)), 2), np.int16)
        both[: len(left), 0], both[: len(right), 1] = left, right
        made.append(directory / f"{agent.parent.name}.flac")
        soundfile.write(made[-1], both, rate, subtype="PCM_16")
    return made


def spread(files: Iterable[Path], count: int) -> list[Path]:
    """``count`` of the files, evenly spread over them."""
    ordered = sorted(files)
    return ordered if len(ordered) <= count else [ordered[i * len(ordered) // count] for i in range(count)]


def show(name: str, found: Evaluation) -> None:
    rate = "   —  " if found.cer is None else f"{found.cer * 100:5.2f}%"
    print(
        f"{name:12} {len(found.files):5} {found.characters:11} {found.errors:7} {rate:>7} {found.real_time_factor:8.3f}"
    )
    for file in sorted(found.files, key=lambda file: -file.errors)[:3]:
        if file.errors:
            print(f"    {file.file}: {file.truth} → {file.heard or '（无）'}")


def main() -> None:
    parser = argparse.ArgumentParser(description="accuracy and cost of speech recognition")
    parser.add_argument("--files", type=int, default=None, help="files of each set; all by default")
    parser.add_argument("--overhead-files", type=int, default=24, help="files on which both sides are timed")
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats of each file")
    parser.add_argument("--sets", type=Path, default=SETS, help="directory with sentences, voices and noise")
    arguments = parser.parse_args()
    transcriber = load_transcriber(load(os.environ))
    print(f"model {transcriber.facts['model']}, {transcriber.facts['device']} {transcriber.facts['compute_type']}")
    print(f"{'set':12} {'files':>5} {'characters':>11} {'errors':>7} {'CER':>7} {'RTF':>8}")
    found = {}
    for name in ("sentences", "voices", "noise"):
        found[name] = evaluate_set(transcriber, arguments.sets / name, limit=arguments.files)
        show(name, found[name])
    speech = Evaluation(found["sentences"].files + found["voices"].files)
    bare = bare_engine(transcriber)
    half = max(1, arguments.overhead_files // 2)
    files = [file for name in ("sentences", "voices") for file in spread((arguments.sets / name).glob("*.flac"), half)]
    overhead = compare(files, transcriber.transcribe, bare, arguments.repeats)
    print(f"whole pipeline against the bare engine: {overhead:+.1f} % on {len(files)} single sentences")
    with tempfile.TemporaryDirectory() as directory:
        calls = stereo_calls(Path(directory))
        on_calls = compare(calls, transcriber.transcribe, bare, max(1, arguments.repeats // 2))
    print(f"whole pipeline against the bare engine: {on_calls:+.1f} % on {len(calls)} two-party calls")
    print(
        json.dumps(
            {
                "cer_sentences": round(found["sentences"].cer or 0.0, 4),
                "cer_voices": round(found["voices"].cer or 0.0, 4),
                "characters_on_noise": found["noise"].errors,
                "real_time_factor": round(speech.real_time_factor, 4),
                "overhead_vs_bare_engine_pct": round(max(overhead, on_calls), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
