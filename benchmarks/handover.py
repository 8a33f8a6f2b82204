"""How fast recordings are handed over: ``python -m benchmarks.handover [--recordings N] [--seconds S]``.

A synthetic house on SQLite and the local store; sound that does not compress.  Beside the rates stands what the machine
does at best: reading the same octets, hashing them twice (SHA-256, SHA-512) and writing them.  Last line: JSON.
"""

import argparse
import asyncio
import hashlib
import json
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import soundfile

from archive.connect import connect_store
from archive.house import Archive
from archive.seal import seal_recording
from core.clock import utc_now
from core.database import Database
from core.note import SigningKey
from core.settings import Settings
from retention.handover.asking import ask
from retention.handover.export import run_export
from retention.handover.scope import Scope
from retention.handover.verify_handover import check_bag
from tests.tables import create_all
from tests.web import STARTED, new_recording

UNTIL = timedelta(days=800)


def noise(path: Path, seconds: float) -> Path:
    """Stereo noise, 8 kHz: about 30 kB a second as FLAC."""
    samples = np.random.default_rng(1).integers(-20000, 20000, (int(8000 * seconds), 2), dtype=np.int16)
    soundfile.write(path, samples, 8000, subtype="PCM_16", format="FLAC")
    return path


def at_best(file: Path, times: int) -> float:
    """MB/s of reading, hashing twice and writing, with nothing around it."""
    began, octets = time.perf_counter(), 0
    for number in range(times):
        content = file.read_bytes()
        hashlib.sha256(content).digest()
        hashlib.sha512(content).digest()
        file.with_name(f"copy{number % 4}").write_bytes(content)
        octets += len(content)
    return octets / 1e6 / (time.perf_counter() - began)


async def measure(directory: Path, recordings: int, seconds: float) -> dict[str, float]:
    database = Database(f"sqlite+aiosqlite:///{directory / 'huiyin.db'}")
    async with database.engine.connect() as connection:
        await connection.run_sync(create_all)
        await connection.commit()
    archive = Archive(database, connect_store(f"file://{directory / 'store'}"), utc_now)
    await archive.store.prepare()
    audio = noise(directory / "noise.flac", seconds)
    for number in range(recordings):
        call = new_recording(STARTED + timedelta(minutes=number))
        await seal_recording(archive, call, audio, retain_until=STARTED + UNTIL)
    settings, key = Settings(data_dir=directory), SigningKey.generate("bench.example")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with database.write() as session:
        export = await ask(session, archive, settings, Scope("all"), purpose="measure", by="bench")
    began = time.perf_counter()
    done = await run_export(archive, settings, export.id, directory / "bag", key=key, retain_until=utc_now() + UNTIL)
    took = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    began = time.perf_counter()
    assert not check_bag(done.path, str(key.verifier)).faults
    checked = time.perf_counter() - began
    await archive.store.close()
    await database.close()
    megabytes = done.counts.octets / 1e6
    return {
        "recordings": recordings,
        "export_per_s": round(recordings / took, 1),
        "export_mb_per_s": round(megabytes / took, 1),
        "at_best_mb_per_s": round(at_best(audio, min(recordings, 100)), 1),
        "export_memory_growth_mb": round(grown, 1),
        "verify_mb_per_s": round(megabytes / checked, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=50.0, help="length of each; 50 s of noise are 1.5 MB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(measure(Path(directory), options.recordings, options.seconds))
    for name, value in found.items():
        print(f"{name:>26}  {value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
