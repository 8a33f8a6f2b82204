"""From spool to stereo FLAC: times real time and peak memory, beside writing the same samples as FLAC only.

``python -m benchmarks.assemble [--minutes M …] [--damage SHARE]``: makes a two-party call for each length, one packet
in a hundred lost, doubled or out of order, and assembles it in a process of its own.  The last line is JSON.
"""

import argparse
import json
import multiprocessing
import random
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast
from uuid import UUID

import numpy as np
import soundfile

from telephony.call import CLOSED, CallFacts, Stream
from telephony.rtp.assemble import assemble
from telephony.rtp.codecs import PCMA, SAMPLE_RATE
from telephony.rtp.packet import RtpPacket
from telephony.rtp.spool import SpoolHeader, SpoolWriter

STARTED = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
SILENCE_S, SPEECH_S = 2, 3


@dataclass(frozen=True)
class Figures:
    """One row of the table."""

    minutes: float
    seconds: float
    cpu_seconds: float
    times_real_time: float
    flac_only_times_real_time: float
    peak_mb: float
    idle_mb: float
    spool_mb: float
    flac_mb: float


def make_spool(file: Path, minutes: float, damage: float, seed: int) -> None:
    """Noise shaped like talk: three seconds of it, two seconds of near silence, and so on."""
    numbers, noise = random.Random(seed), np.random.default_rng(seed)
    loud = np.convolve(noise.normal(0, 3000, (SPEECH_S * SAMPLE_RATE) + 40), np.ones(8) / 8, "same")
    phrase = np.concatenate([loud[: SPEECH_S * SAMPLE_RATE], noise.normal(0, 12, SILENCE_S * SAMPLE_RATE)])
    payloads = [row.tobytes() for row in PCMA.encode(phrase.astype(np.int16)).reshape(-1, 160)]
    writer = SpoolWriter(file, SpoolHeader("127.0.0.1", 20000, STARTED))
    held: list[bytes] = []
    for index in range(round(minutes * 60 * 50)):
        if numbers.random() < damage:
            continue
        due = [bytes(RtpPacket(8, index & 0xFFFF, index * 160 & 0xFFFF_FFFF, seed, payloads[index % len(payloads)]))]
        if not held and numbers.random() < damage:
            held = due
            continue
        if numbers.random() < damage:
            due *= 2
        for packet in due + held:
            writer.append(packet, index * 20 + numbers.randrange(3))
        held = []
        writer.flush()
    writer.close()


def measure(minutes: float, damage: float, pipe: Connection) -> None:
    """Runs in a process of its own, so that its peak is its own."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        directory = Path(name)
        maker = multiprocessing.get_context("spawn")
        makers = [
            maker.Process(target=make_spool, args=(directory / f"{seed}.rtpdump", minutes, damage, seed))
            for seed in (1, 2)
        ]
        for process in makers:
            process.start()
        for process in makers:
            process.join()
        streams = tuple(
            Stream(str(seed), seed, role, f"{seed}.rtpdump", 20000 + 2 * seed, {"8": "PCMA/8000"})
            for seed, role in ((1, "agent"), (2, "citizen"))
        )
        ended = STARTED + timedelta(minutes=minutes)
        facts = CallFacts(UUID(int=1), "bench@example.invalid", STARTED, CLOSED, ended, streams=streams)
        idle, target = _peak_mb(), directory / "audio.flac"
        began, cpu = time.perf_counter(), time.process_time()
        assembly = assemble(directory, facts, target)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        peak = _peak_mb()
        length = assembly.duration_ms / 1000
        pipe.send(
            Figures(
                minutes,
                round(seconds, 3),
                round(cpu, 3),
                round(length / cpu),
                round(length / _encode_only(target, directory / "again.flac")),
                round(peak, 1),
                round(idle, 1),
                round(sum(file.stat().st_size for file in directory.glob("*.rtpdump")) / 1e6, 1),
                round(target.stat().st_size / 1e6, 1),
            )
        )


def _encode_only(source: Path, target: Path) -> float:
    """CPU seconds that libsndfile alone needs for the same samples: no assembler can be faster."""
    cpu = 0.0
    with soundfile.SoundFile(source) as reader, soundfile.SoundFile(target, "w", SAMPLE_RATE, 2, "PCM_16") as writer:
        while len(samples := reader.read(80_000, dtype="int16")):
            began = time.process_time()
            writer.write(samples)
            cpu += time.process_time() - began
    return cpu


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure every length and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.assemble", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[3.0, 30.0], help="lengths of calls")
    parser.add_argument("--damage", type=float, default=0.01, help="share of packets lost, doubled and reordered")
    options = parser.parse_args()
    rows = []
    for minutes in options.minutes:
        processes = multiprocessing.get_context("spawn")
        ours, theirs = processes.Pipe()
        process = processes.Process(target=measure, args=(minutes, options.damage, theirs))
        process.start()
        rows.append(cast(Figures, ours.recv()))
        process.join()
    print(
        f"{'minutes':>8} {'CPU s':>7} {'× real time':>12} {'FLAC only ×':>12}"
        f" {'peak MB':>8} {'idle MB':>8} {'FLAC MB':>8}"
    )
    for row in rows:
        print(
            f"{row.minutes:8g} {row.cpu_seconds:7.2f} {row.times_real_time:12.0f} {row.flac_only_times_real_time:12.0f}"
            f" {row.peak_mb:8.1f} {row.idle_mb:8.1f} {row.flac_mb:8.1f}"
        )
    print(json.dumps({"calls": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
