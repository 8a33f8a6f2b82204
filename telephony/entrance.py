"""Who may come in and by which door: the certificate of TLS, the addresses and the accounts that the settings name."""

import logging
from dataclasses import dataclass

from core.settings import Settings
from telephony.sip.accounts import AccountsFile
from telephony.sip.admission import AccessControl
from telephony.sip.tls import Certificate

log = logging.getLogger(__name__)

_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Entrance:
    """Everything None: no TLS, and everybody is let in."""

    certificate: Certificate | None = None
    access: AccessControl | None = None
    accounts: AccountsFile | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "Entrance":
        """``SettingsError`` names the variable whose file is missing, unreadable or wrong, and the remedy."""
        certificate = Certificate.from_settings(settings)
        accounts = None if settings.sip_users_file is None else AccountsFile(settings.sip_users_file)
        if accounts is None and not settings.sip_allow:
            return cls(certificate)
        access = AccessControl(
            networks=settings.sip_allow,
            accounts=None if accounts is None else accounts.accounts,
            own=(*_LOOPBACK, settings.sip_bind.host),
            refused=tell_refused,
        )
        return cls(certificate, access, accounts)

    def admits(self, host: str) -> bool:
        """Whether an address may open a connection."""
        return self.access is None or self.access.admits_address(host)

    def reload(self) -> None:
        """Read what has changed: for new connections and new calls; those that run notice nothing."""
        if self.certificate is not None:
            self.certificate.reload()
        if self.accounts is not None and self.accounts.reload() and self.access is not None:
            self.access.accounts = self.accounts.accounts


def tell_refused(host: str, why: str, times: int) -> None:
    """Note that a peer was not let in, or its calls were not taken."""
    log.warning("a SIP peer was refused", extra={"facts": {"peer": host, "why": why, "times": times}})
