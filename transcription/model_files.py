"""Which model it is: the hash of the files that the engine reads."""

import hashlib
from pathlib import Path

from core.errors import NoEngine

SAMPLE = "sample"
SAMPLE_DIR = Path(__file__).parent / "sample_model"
# What CTranslate2 and faster-whisper read of a model directory; a README beside them does not change the model.
ENGINE_FILES = ("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.*")


def local_directory(model: str) -> Path | None:
    """The directory that the setting names: the embedded model or an existing directory; None for a model's name."""
    if model == SAMPLE:
        return SAMPLE_DIR
    path = Path(model).expanduser()
    return path if path.is_dir() else None


def hash_model(directory: Path) -> str:
    """SHA-256 over the names and SHA-256 hashes of the engine's files.

    Raises ``NoEngine`` when the directory holds no model.
    """
    if not (directory / "model.bin").is_file():
        raise NoEngine(
            "this directory holds no speech model",
            directory=directory,
            expected="model.bin in CTranslate2 form",
            remedy="set HUIYIN_ASR_MODEL to `sample`, a faster-whisper model name or a converted model's directory",
        )
    total = hashlib.sha256()
    for file in sorted({found for pattern in ENGINE_FILES for found in directory.glob(pattern)}):
        with file.open("rb") as content:
            total.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
