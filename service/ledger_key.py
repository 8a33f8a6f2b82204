"""The key that signs the ledger's heads: a file that only the service may read, made at the first start."""

import logging
import os
from pathlib import Path

from core.errors import SettingsError
from core.note import SigningKey
from core.settings import Settings

log = logging.getLogger(__name__)


def ledger_key(settings: Settings) -> SigningKey:
    """The signing key of ``HUIYIN_LEDGER_KEY_FILE``, made there if nothing is; ``SettingsError`` if it is unusable."""
    path = settings.ledger_key
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return _make(path, settings.ledger_name)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"HUIYIN_LEDGER_KEY_FILE: cannot read {path}: {error}") from None
    try:
        return SigningKey.parse(text)
    except ValueError:
        raise SettingsError(
            f"HUIYIN_LEDGER_KEY_FILE: {path} holds no signing key; restore it from its backup"
        ) from None


def _make(path: Path, name: str) -> SigningKey:
    key = SigningKey.generate(name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.secret())
        file.flush()
        os.fsync(file.fileno())
    try:
        # Two processes may start at once: the first key stays.
        os.link(temporary, path)
    except FileExistsError:
        return SigningKey.parse(path.read_text(encoding="ascii"))
    finally:
        temporary.unlink()
    log.warning("a new key signs the ledger; keep a copy of it", extra={"facts": {"file": path, "key": key.verifier}})
    return key
