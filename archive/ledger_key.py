"""The key that signs the ledger's heads: a file that only the service may read.

It is made once, when the house is made ready.  A process that finds none never makes its own: two keys in one house
would look like a forgery.
"""

import logging
from pathlib import Path

from core.errors import SettingsError
from core.key_files import write_new_key
from core.note import SigningKey, VerifierKey
from core.settings import Settings

log = logging.getLogger(__name__)


def ledger_key(settings: Settings) -> SigningKey:
    """The signing key of ``HUIYIN_LEDGER_KEY_FILE``; ``SettingsError`` if there is none that can be used."""
    path = settings.ledger_key
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        remedy = "copy it from the host that has it, or make it with `huiyin migrate`"
        raise SettingsError(f"HUIYIN_LEDGER_KEY_FILE: there is no {path}; {remedy}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"HUIYIN_LEDGER_KEY_FILE: cannot read {path}: {error}") from None
    try:
        return SigningKey.parse(text)
    except ValueError:
        raise SettingsError(
            f"HUIYIN_LEDGER_KEY_FILE: {path} holds no signing key; restore it from its backup"
        ) from None


def ensure_ledger_key(settings: Settings) -> SigningKey:
    """The signing key, made where there is none yet."""
    if not settings.ledger_key.exists():
        _make(settings.ledger_key, settings.ledger_name)
    return ledger_key(settings)


def trusted_keys(settings: Settings) -> tuple[VerifierKey, ...]:
    """The keys that heads may be signed with: those of ``HUIYIN_LEDGER_VERIFIERS``, or else that of our own key."""
    return settings.ledger_verifiers or (ledger_key(settings).verifier,)


def _make(path: Path, name: str) -> None:
    key = SigningKey.generate(name)
    if write_new_key(path, key.secret()):
        log.warning(
            "a new key signs the ledger; keep a copy of it", extra={"facts": {"file": path, "key": key.verifier}}
        )
