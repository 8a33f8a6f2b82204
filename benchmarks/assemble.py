"""From a closed spool to a sealed stereo recording: times real time for one core, peak memory, the price of drift.

``python -m benchmarks.assemble [--minutes M …] [--damage SHARE] [--ppm P] [--rounds N]``: makes a two-party G.711 call
for each length, one packet in a hundred lost, doubled or out of order, assembles it and seals it into a local store, in
a process of its own.  One length is repeated with clocks that drift, in turns.  The last line is JSON.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from archive.seal import seal_recording
from core.ids import new_id
from core.settings import Settings
from retention.rule import keep_until
from service.migrate import migrate
from service.sealing import AUDIO_FILE, describe
from service.wiring import open_archive
from telephony.call import CLOSED, CallFacts, Stream
from telephony.rtp.assemble import assemble
from telephony.rtp.codecs import PCMA, SAMPLE_RATE
from telephony.rtp.packet import RtpPacket
from telephony.rtp.spool import RECORD, SpoolHeader, SpoolWriter
from telephony.rtp.tracks import open_tracks

STARTED = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
SILENCE_S, SPEECH_S, PACKET_SAMPLES, PACKET_MS = 2, 3, 160, 20
LONGEST, WARM_UP = 240.0, 0.25
BATCH = 20_000


@dataclass(frozen=True)
class Figures:
    """One row of the table.  CPU seconds of one process: ``survey`` is the first reading, part of ``assemble``."""

    minutes: float
    ppm: float
    survey: float
    assemble: float
    seal: float
    encoder: float
    peak_mb: float
    idle_mb: float

    @property
    def times_real_time(self) -> float:
        return self.minutes * 60 / (self.assemble + self.seal)


def make_spool(file: Path, minutes: float, damage: float, ppm: float, seed: int) -> None:
    """Noise shaped like talk: three seconds of it, two seconds of near silence, and so on."""
    noise = np.random.default_rng(seed)
    loud = np.convolve(noise.normal(0, 3000, (SPEECH_S * SAMPLE_RATE) + 40), np.ones(8) / 8, "same")
    phrase = np.concatenate([loud[: SPEECH_S * SAMPLE_RATE], noise.normal(0, 12, SILENCE_S * SAMPLE_RATE)])
    payloads = PCMA.encode(phrase.astype(np.int16)).reshape(-1, PACKET_SAMPLES)
    writer = SpoolWriter(file, SpoolHeader("127.0.0.1", 20000, STARTED))
    count = round(minutes * 60_000 / PACKET_MS)
    for first in range(0, count, BATCH):
        rows = np.arange(first, min(first + BATCH, count))
        # Neighbours change places where both were chosen to.
        swapped = np.flatnonzero(noise.random(len(rows) - 1) < damage)
        swapped = swapped[np.diff(swapped, prepend=-2) > 1]
        arrivals = (rows * PACKET_MS * (1 - ppm * 1e-6) + noise.integers(0, 3, len(rows))).astype(np.int64)
        rows[swapped], rows[swapped + 1] = rows[swapped + 1], rows[swapped].copy()
        times = np.where(noise.random(len(rows)) < damage, 0, np.where(noise.random(len(rows)) < damage, 2, 1))
        rows, arrivals = np.repeat(rows, times), np.repeat(arrivals, times)
        writer.append_records(_records(rows, arrivals, payloads, seed), len(rows))
        writer.flush()
    writer.close()


def _records(rows: NDArray[np.int64], arrivals: NDArray[np.int64], payloads: NDArray[np.uint8], seed: int) -> bytes:
    head = RECORD.size + len(bytes(RtpPacket(8, 0, 0, seed)))
    made = np.zeros((len(rows), head + PACKET_SAMPLES), np.uint8)
    fixed = RECORD.pack(made.shape[1], made.shape[1] - RECORD.size, 0) + bytes(RtpPacket(8, 0, 0, seed))
    made[:, :head] = np.frombuffer(fixed, np.uint8)
    made[:, 4:8] = arrivals.astype(">u4")[:, None].view(np.uint8)
    made[:, 10:12] = (rows & 0xFFFF).astype(">u2")[:, None].view(np.uint8)
    made[:, 12:16] = (rows * PACKET_SAMPLES & 0xFFFF_FFFF).astype(">u4")[:, None].view(np.uint8)
    made[:, head:] = payloads[rows % len(payloads)]
    return made.tobytes()


def measure(minutes: float, damage: float, ppm: float, pipe: Connection) -> None:
    """Runs in a process of its own, so that its peak is its own; a short call before warms it up, as a sealer is."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        calls = []
        for length in (WARM_UP, minutes):
            directory = Path(name) / f"{length}"
            directory.mkdir()
            calls.append((_call(directory, length, damage, ppm), directory))
        pipe.send(asyncio.run(_measured(calls, replace(Settings(), data_dir=Path(name) / "data"), ppm)))


def _call(directory: Path, minutes: float, damage: float, ppm: float) -> CallFacts:
    """A closed call in the spool; its makers' memory is not ours."""
    maker, streams, makers = multiprocessing.get_context("spawn"), list[Stream](), []
    for seed, role in ((1, "agent"), (2, "citizen")):
        file = f"{seed}.rtpdump"
        streams.append(Stream(str(seed), seed, role, file, 20000 + 2 * seed, {"8": "PCMA/8000"}))
        clock = ppm if role == "agent" else -ppm
        makers.append(maker.Process(target=make_spool, args=(directory / file, minutes, damage, clock, seed)))
        makers[-1].start()
    for process in makers:
        process.join()
    ended = STARTED + timedelta(minutes=minutes)
    return CallFacts(new_id(), "bench@example.invalid", STARTED, CLOSED, ended, streams=tuple(streams))


async def _measured(calls: Sequence[tuple[CallFacts, Path]], settings: Settings, ppm: float) -> Figures:
    """Of the last call."""
    await migrate(settings)
    async with open_archive(settings) as archive:
        await archive.store.prepare()
        for facts, directory in calls:
            audio = directory / AUDIO_FILE
            idle, began = _peak_mb(), time.process_time()
            assembly = assemble(directory, facts, audio)
            assembled = time.process_time()
            recording = describe(facts, assembly, directory)
            until = keep_until(settings, recording.ended_at)
            await seal_recording(archive, recording, audio, retain_until=until)
            sealed, peak = time.process_time(), _peak_mb()
    open_tracks(directory, facts)
    surveyed = time.process_time() - sealed
    encoder = _encode_only(audio, directory / "again.flac")
    minutes = assembly.duration_ms / 60_000
    return Figures(minutes, ppm, surveyed, assembled - began, sealed - assembled, encoder, peak, idle)


def _encode_only(source: Path, target: Path) -> float:
    """CPU seconds that libsndfile alone needs for the same samples: no assembler can be faster."""
    cpu = 0.0
    with soundfile.SoundFile(source) as reader, soundfile.SoundFile(target, "w", SAMPLE_RATE, 2, "PCM_16") as writer:
        while len(samples := reader.read(10 * SAMPLE_RATE, dtype="int16")):
            began = time.process_time()
            writer.write(samples)
            cpu += time.process_time() - began
    return cpu


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(minutes: float, damage: float, ppm: float = 0.0) -> Figures:
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=measure, args=(minutes, damage, ppm, theirs))
    process.start()
    # So that the end of the process is the end of the pipe.
    theirs.close()
    figures = cast(Figures, ours.recv())
    process.join()
    return figures


def main() -> None:
    """Measure every length and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.assemble", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[3.0, 30.0, LONGEST], help="lengths of calls")
    parser.add_argument("--damage", type=float, default=0.01, help="share of packets lost, doubled and reordered")
    parser.add_argument("--ppm", type=float, default=150.0, help="how far the parties' clocks drift, either way")
    parser.add_argument("--rounds", type=int, default=3, help="how often drift is compared, in turns")
    options = parser.parse_args()
    print(
        f"{'minutes':>8} {'ppm':>5} {'survey s':>9} {'assemble s':>11} {'seal s':>7} {'× real time':>12}"
        f" {'FLAC only ×':>12} {'peak MB':>8} {'idle MB':>8}"
    )
    rows = [_print(in_a_process(minutes, options.damage)) for minutes in options.minutes]
    compared = sorted(options.minutes)[len(options.minutes) // 2]
    pairs = [
        [_print(in_a_process(compared, options.damage, ppm)) for ppm in (0.0, options.ppm)]
        for _ in range(options.rounds)
    ]
    # The least of several: what disturbs only ever adds.
    exact, drifting = (min(pair[at].assemble for pair in pairs) for at in (0, 1))
    longest = max(rows, key=lambda row: row.minutes)
    print(
        f"Peak memory: {longest.peak_mb:.0f} MB at {longest.minutes:.0f} minutes, {rows[0].peak_mb:.0f} MB at the first"
    )
    print(f"Drift of {options.ppm:g} ppm: {drifting / exact - 1:+.1%} CPU")
    figures = {
        "x_realtime_per_core": round(min(row.times_real_time for row in rows)),
        "peak_mb_4h": round(longest.peak_mb, 1) if longest.minutes > LONGEST - 1 else None,
        "drift_cost_share": round(drifting / exact - 1, 3),
        "survey_share": round(longest.survey / longest.assemble, 3),
    }
    print(json.dumps(figures))


def _print(row: Figures) -> Figures:
    print(
        f"{row.minutes:8.1f} {row.ppm:5.0f} {row.survey:9.2f} {row.assemble:11.2f} {row.seal:7.2f}"
        f" {row.times_real_time:12.0f} {row.minutes * 60 / row.encoder:12.0f} {row.peak_mb:8.1f} {row.idle_mb:8.1f}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()
