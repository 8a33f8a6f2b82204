"""The file of SIP accounts: read when it changes, written whole.  It holds no password, only what a digest needs."""

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from core.errors import NotFound, SettingsError
from telephony.sip.digest import Account, read_accounts
from telephony.sip.tls import stamp_of

log = logging.getLogger(__name__)

_VARIABLE = "HUIYIN_SIP_USERS_FILE"
_REMEDY = "add an account with `huiyin sip-user add NAME`"
_HEADING = (
    "# user:realm:HA1-SHA256[:HA1-MD5], written by `huiyin sip-user`; whoever reads a line can call as its user\n"
)


class AccountsFile:
    """The accounts in force."""

    def __init__(self, path: Path) -> None:
        """``SettingsError`` names the variable, the file and the remedy."""
        self._path = path
        self._stamp = stamp_of(path)
        self.accounts: Mapping[str, Account] = load_accounts(path)

    def reload(self) -> bool:
        """Read a file that has changed; a broken one leaves the old accounts in force.  Whether there are new ones."""
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.accounts = load_accounts(self._path)
        except SettingsError as error:
            log.error("the old SIP accounts stay in force", extra={"facts": {"why": error}})
            return False
        log.info("new SIP accounts in force", extra={"facts": {"accounts": len(self.accounts)}})
        return True


def load_accounts(path: Path) -> dict[str, Account]:
    """The accounts of the file, one at least; ``SettingsError`` otherwise."""
    accounts = _read(path)
    if not accounts:
        raise SettingsError(f"{_VARIABLE}: {path} has no account: nobody could call; {_REMEDY}")
    return accounts


def _read(path: Path) -> dict[str, Account]:
    try:
        return read_accounts(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{_VARIABLE}: there is no file {path}; {_REMEDY}") from None
    except OSError as error:
        raise SettingsError(f"{_VARIABLE}: cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{_VARIABLE}: {path}: {_what(error)}") from None


def add_account(path: Path, account: Account) -> bool:
    """Write the account into the file, which is made if there is none; whether its user was there before.

    ``SettingsError`` when the file cannot be read or its accounts have another realm.
    """
    accounts = _read(path) if path.exists() else {}
    known = account.user in accounts
    others = {user: other for user, other in accounts.items() if user != account.user}
    for other in others.values():
        if other.realm != account.realm:
            raise SettingsError(
                f"{_VARIABLE}: the accounts in {path} have the realm {other.realm!r}; give it with --realm"
            )
    _write(path, {**accounts, account.user: account})
    return known


def remove_account(path: Path, user: str) -> None:
    """Take an account out of the file; ``NotFound`` when it is not there."""
    accounts = _read(path)
    if user not in accounts:
        raise NotFound("there is no such SIP account", file=path)
    _write(path, {other: account for other, account in accounts.items() if other != user})


def _write(path: Path, accounts: Mapping[str, Account]) -> None:
    """Replace the file at once, so that nobody reads half of it, and for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The recorder may run as another user than the one who adds: keep who may read.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if path.exists():
            os.fchmod(descriptor, path.stat().st_mode & 0o777)
            os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
        file.write(_HEADING + "".join(f"{account}\n" for account in accounts.values()))
        file.flush()
        os.fsync(descriptor)
    Path(name).replace(path)


def _what(error: ValueError) -> str:
    return "not a text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
