"""Who may call: an address allow-list, digest authentication, either, both or neither.

Both rules hold where both are set.  Only an INVITE is challenged: gateways probe with OPTIONS and have no credentials
for it, and nothing else does anything outside a dialog.  A refused address gets 403, to OPTIONS as well, so that
whoever set up the gateway sees what is wrong; the answer is no longer than the question, so it amplifies nothing.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from core.settings import Network
from telephony.sip.dialog import Flow
from telephony.sip.digest import ALGORITHMS, Account, Challenge, Credentials
from telephony.sip.message import Headers, Request
from telephony.sip.nonces import Nonces
from telephony.sip.notes import Notes, Tell
from telephony.sip.server import Reply

NOT_ALLOWED = "address not in HUIYIN_SIP_ALLOW"
WRONG_CREDENTIALS = "wrong user or password"
UNREADABLE_CREDENTIALS = "credentials that cannot be read or were not asked for"


class AccessControl:
    """The ``sip.server.Admission`` that the settings describe; ``accounts`` may be replaced at any time."""

    def __init__(
        self,
        *,
        networks: Sequence[Network] = (),
        accounts: Mapping[str, Account] | None = None,
        own: Collection[str] = (),
        refused: Tell = lambda host, why, times: None,
    ) -> None:
        """``own`` are addresses of this machine, whose health checks (OPTIONS) are always let in; ``accounts`` None
        asks for no authentication; ``refused`` hears of each refused address once a minute."""
        self.networks, self.accounts = tuple(networks), accounts
        self._own = frozenset(own)
        self._nonces = Nonces(secrets.token_bytes(32))
        self._notes = Notes(refused)
        self._inside = lru_cache(4096)(self._is_inside)

    def admits_address(self, host: str) -> bool:
        """Whether the allow-list, if there is one, has this address."""
        return not self.networks or self._inside(host)

    def check(self, request: Request, flow: Flow, now: float) -> Reply | None:
        """``sip.server.Admission``: None lets the request in."""
        if not self.admits_address(flow.host):
            if request.method == "OPTIONS" and flow.host in self._own:
                return None
            self._notes.add(flow.host, NOT_ALLOWED, now)
            return Reply(403)
        if self.accounts is None or request.method != "INVITE":
            return None
        return self._authenticate(request, flow, now, self.accounts)

    def _authenticate(self, request: Request, flow: Flow, now: float, accounts: Mapping[str, Account]) -> Reply | None:
        lines = request.all("Authorization")
        if not lines:
            return self._challenge(accounts, now)
        for line in lines:
            try:
                found = Credentials.parse(line)
            except ValueError:
                continue
            if not found.prove(accounts.get(found.user), request.method):
                self._notes.add(flow.host, WRONG_CREDENTIALS, now)
                return self._challenge(accounts, now)
            used_first = self._nonces.take(found.nonce, int(found.count or "0", 16), now)
            return None if used_first else self._challenge(accounts, now, stale=True)
        self._notes.add(flow.host, UNREADABLE_CREDENTIALS, now)
        return self._challenge(accounts, now)

    def _challenge(self, accounts: Mapping[str, Account], now: float, *, stale: bool = False) -> Reply:
        realm = next((account.realm for account in accounts.values()), "")
        nonce = self._nonces.issue(now)
        offered = [name for name in ALGORITHMS if any(name in account.secrets for account in accounts.values())]
        headers: Headers = tuple(
            ("WWW-Authenticate", str(Challenge(realm, nonce, algorithm, stale=stale))) for algorithm in offered
        )
        return Reply(401, headers)

    def _is_inside(self, host: str) -> bool:
        address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)
