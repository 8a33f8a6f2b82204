"""Write tests/codec_samples: ``python -m tools.codec_samples``.

Needs Debian's espeak-ng, libspandsp2, libbcg729-0, libopencore-amrnb0, libvo-amrwbenc0, opus-tools and ffmpeg; what it
writes is kept in the repository, so that the tests need none of them.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tools.codec_samples import encoders, sound

TARGET = Path(__file__).parents[2] / "tests" / "codec_samples"
_OPUS_RATE = 48000
# opus_defines.h: requests by number.
_FEC, _DTX = "--set-ctl-int=4012=1", "--set-ctl-int=4016=1"


def main() -> None:
    """Everything anew."""
    wide = sound.original()
    narrow = np.rint(soxr.resample(wide.astype(np.float64), sound.RATE, 8000)).astype(np.int16)
    TARGET.mkdir(exist_ok=True)
    soundfile.write(TARGET / "original_16k.flac", wide, sound.RATE)
    soundfile.write(TARGET / "original_8k.flac", narrow, 8000)
    _write("g722", encoders.g722(wide))
    for bits in (2, 3, 4, 5):
        _write(f"g726-{8 * bits}", encoders.g726(narrow, bits, encoders.LEAST_BIT_FIRST))
    _write("aal2-g726-32", encoders.g726(narrow, 4, encoders.MOST_BIT_FIRST))
    _write("aal2-g726-24", encoders.g726(narrow, 3, encoders.MOST_BIT_FIRST))
    _write("gsm", encoders.gsm(narrow))
    _write("g729", b"".join(encoders.g729(narrow, silence_suppression=False)))
    # Frames differ in length: each has its length before it.
    frames = encoders.g729(narrow, silence_suppression=True)
    _write("g729b", b"".join(bytes([len(frame)]) + frame for frame in frames))
    _write("amr", b"".join(encoders.amr(narrow)))
    _write("amr-wb", b"".join(encoders.amr_wideband(wide)))
    _write_opus(wide)


def _write(name: str, content: bytes) -> None:
    (TARGET / name).write_bytes(content)


def _write_opus(wide: sound.Sound) -> None:
    loud = np.rint(soxr.resample(wide.astype(np.float64), sound.RATE, _OPUS_RATE)).astype(np.int16)
    with tempfile.TemporaryDirectory() as directory:
        mono, stereo = Path(directory) / "mono.wav", Path(directory) / "stereo.wav"
        soundfile.write(mono, loud, _OPUS_RATE)
        soundfile.write(stereo, np.stack([loud, loud // 2], axis=1), _OPUS_RATE)
        _opusenc(mono, "opus-20ms", "--bitrate=24", "--speech", _FEC, "--expect-loss=10")
        _opusenc(mono, "opus-10ms-dtx", "--bitrate=16", "--speech", "--framesize=10", _DTX)
        _opusenc(stereo, "opus-60ms-stereo", "--bitrate=32", "--framesize=60")
        _ffmpeg(mono, "opus-celt")


def _opusenc(source: Path, name: str, *options: str) -> None:
    target = str(TARGET / f"{name}.opus")
    subprocess.run(
        ["opusenc", "--quiet", "--serial=1", "--discard-comments", *options, str(source), target], check=True
    )


def _ffmpeg(source: Path, name: str) -> None:
    """FFmpeg's own encoder shares nothing with libopus."""
    options = ["-c:a", "opus", "-strict", "-2", "-b:a", "48k", "-fflags", "+bitexact", "-f", "opus"]
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", "-i", source, *options, TARGET / f"{name}.opus"], check=True)


if __name__ == "__main__":
    main()
