"""How fast each codec decodes, in seconds of sound for each second of one core.

``python -m benchmarks.codecs [--seconds S] [--batch N]``: packets of 20 ms, ``N`` of them at a time (the assembler
decodes a stretch at once), to 8 and to 16 kHz; once more packet by packet.  The last line is JSON.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from core.errors import Refused
from telephony.rtp.codecs import Codec, by_payload_type, find

SAMPLES = Path(__file__).parents[1] / "tests" / "codec_samples"
NAMES = ["PCMA", "PCMU", "G722", "G729", "GSM", "G726-32", "G726-40", "opus", "L16/16000"]
# Codecs that we do not encode: files of frames, and the octets of 20 ms.
FRAMES = {"G729": ("g729", 20), "GSM": ("gsm", 33)}


def packets(codec: Codec, seconds: float) -> list[bytes]:
    """Speech and tones, over and over."""
    try:
        sound, _ = soundfile.read(SAMPLES / f"original_{codec.file_rate // 1000}k.flac", dtype="int16")
        found = codec.payloads(sound, 20)
    except Refused:
        name, octets = FRAMES[codec.encoding]
        content = (SAMPLES / name).read_bytes()
        found = [content[at : at + octets] for at in range(0, len(content) - octets + 1, octets)]
    count = round(seconds * 50)
    return (found * (count // len(found) + 1))[:count]


def speed(codec: Codec, payloads: Sequence[bytes], rate: int, batch: int) -> float:
    """Seconds of sound for each second of processor time."""
    decoder, started = codec.decoder(rate), time.process_time()
    samples = 0
    for at in range(0, len(payloads), batch):
        samples += sum(map(len, decoder.decode(payloads[at : at + batch])))
    return samples / rate / (time.process_time() - started)


def main() -> None:
    """A table, and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="of sound for each figure")
    parser.add_argument("--batch", type=int, default=500, help="packets decoded at once")
    options = parser.parse_args()
    figures: dict[str, dict[str, int]] = {}
    print(f"{'codec':<10}{'8 kHz':>9}{'16 kHz':>9}{'8 kHz, one by one':>20}   x real time per core")
    for codec in (codec for name in NAMES if (codec := find(name))):
        payloads = packets(codec, options.seconds)
        row = {
            "8k": speed(codec, payloads, 8000, options.batch),
            "16k": speed(codec, payloads, 16000, options.batch),
            "8k_one_by_one": speed(codec, payloads, 8000, 1),
        }
        figures[codec.rtpmap] = {name: round(value) for name, value in row.items()}
        print(f"{codec.encoding:<10}{row['8k']:>9,.0f}{row['16k']:>9,.0f}{row['8k_one_by_one']:>20,.0f}")
    rows = by_payload_type({})[8].rows
    assert rows
    octets, started = np.zeros((50 * 600, 160), np.uint8), time.process_time()
    rows(octets)
    figures["PCMA/8000"]["rows"] = round(600 / (time.process_time() - started))
    print(f"{'PCMA, as an array':<39}{figures['PCMA/8000']['rows']:>9,}")
    print(json.dumps({"x_realtime_per_core": figures}))


if __name__ == "__main__":
    main()
