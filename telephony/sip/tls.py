"""TLS for SIP: contexts from PEM files, and a server's certificate that is read again when its files change."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from core.errors import SettingsError
from core.settings import Address, Settings

log = logging.getLogger(__name__)

_BIND, _CERTIFICATE = "HUIYIN_SIP_TLS_BIND", "HUIYIN_SIP_TLS_CERTIFICATE"
_KEY, _CLIENT_CA = "HUIYIN_SIP_TLS_KEY", "HUIYIN_SIP_TLS_CLIENT_CA"


@dataclass(frozen=True)
class Files:
    """PEM files: the chain, its key, and the authorities of clients where these must show a certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "Files | None":
        """None where TLS is off; ``SettingsError`` names a variable that is missing."""
        if settings.sip_tls_bind is None:
            return None
        if settings.sip_tls_certificate is None:
            raise SettingsError(f"{_CERTIFICATE}: empty, but {_BIND} is set; name the PEM file of the certificate")
        if settings.sip_tls_key is None:
            raise SettingsError(f"{_KEY}: empty, but {_BIND} is set; name the PEM file of the private key")
        return cls(settings.sip_tls_certificate, settings.sip_tls_key, settings.sip_tls_client_ca)

    def context(self) -> ssl.SSLContext:
        """What connections are accepted with; ``SettingsError`` names the variable, the file and the remedy."""
        for variable, path in ((_CERTIFICATE, self.certificate), (_KEY, self.key), (_CLIENT_CA, self.client_ca)):
            _require_readable(variable, path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # A key with a password would be asked for on the terminal: the empty one makes it an error.
            context.load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            raise SettingsError(
                f"{_CERTIFICATE}, {_KEY}: {self.certificate} and {self.key} are no certificate and its unencrypted "
                f"private key in PEM form ({error.reason or error})"
            ) from None
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except ssl.SSLError as error:
                raise SettingsError(f"{_CLIENT_CA}: {self.client_ca} has no PEM certificate ({error.reason})") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Changes when a file does."""
        return tuple(stamp_of(path) for path in (self.certificate, self.key, self.client_ca) if path is not None)


class Certificate:
    """The context in force for new connections; those that stand keep theirs."""

    def __init__(self, bind: Address, files: Files) -> None:
        """``SettingsError`` when the files cannot be used."""
        self.bind, self._files = bind, files
        self._stamp = files.stamp()
        self.context = files.context()

    @classmethod
    def from_settings(cls, settings: Settings) -> "Certificate | None":
        """The certificate that the settings name; None where TLS is off."""
        files = Files.from_settings(settings)
        return cls(settings.sip_tls_bind, files) if files is not None and settings.sip_tls_bind is not None else None

    def reload(self) -> bool:
        """Read files that have changed; broken ones leave the old certificate in force.  Whether a new one is."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.context = self._files.context()
        except SettingsError as error:
            log.error("the old SIP certificate stays in force", extra={"facts": {"why": error}})
            return False
        log.info("new SIP certificate in force", extra={"facts": {"file": self._files.certificate}})
        return True


def client_context(ca: Path | None) -> ssl.SSLContext:
    """For a client that trusts the authorities in ``ca``, or those of the system."""
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:
        raise SettingsError(f"{ca}: no file with PEM certificates ({error})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _require_readable(variable: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise SettingsError(
            f"{variable}: cannot read {path}: {error.strerror}; name a PEM file that this user may read"
        ) from None
