"""Digest authentication, both sides (RFC 7616; RFC 8760 for SIP): MD5 and SHA-256 with ``qop=auth``.

Sans-IO and without state; ``sip.nonces`` knows what was issued and used.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

# In the order in which they are offered: the client takes the topmost that it knows (RFC 8760 §2.4).
ALGORITHMS = {"SHA-256": "sha256", "MD5": "md5"}
_ACCOUNT = re.compile("(?P<user>[^:]+):(?P<realm>[^:]+):(?P<SHA>(?:[0-9a-f]{64})?)(?::(?P<MD5>(?:[0-9a-f]{32})?))?")
_PARAMETER = re.compile(r"""\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)""", re.S)


def hashed(algorithm: str, *parts: str) -> str:
    """The hash of the parts with colons between them, in hexadecimal digits."""
    data = ":".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.new(ALGORITHMS[algorithm], data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Account:
    """Who may call; the secrets are HA1 = H(user:realm:password), by algorithm."""

    user: str
    realm: str
    secrets: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, user: str, realm: str, password: str, algorithms: Iterable[str] = ALGORITHMS) -> "Account":
        """``ValueError`` for an empty password, and for a name or realm that a line or a header cannot hold."""
        if not password:
            raise ValueError("the password is empty")
        for text in (user, realm):
            if not text or not text.isprintable() or set(text) & set(':"\\'):
                raise ValueError("a name or realm is empty or has a colon, a quotation mark or a backslash")
        return cls(user, realm, {name: hashed(name, user, realm, password) for name in algorithms})

    @classmethod
    def parse(cls, line: str) -> "Account":
        """``user:realm:HA1-SHA256[:HA1-MD5]``, the first of the two empty for a client that knows only MD5.

        ``ValueError`` says what is wrong, never what stands there.
        """
        found = _ACCOUNT.fullmatch(line)
        if not found or not (found["SHA"] or found["MD5"]):
            raise ValueError("expected user:realm:HA1-SHA256[:HA1-MD5]")
        secrets = {"SHA-256": found["SHA"], "MD5": found["MD5"]}
        return cls(found["user"], found["realm"], {name: secret for name, secret in secrets.items() if secret})

    def __str__(self) -> str:
        return ":".join((self.user, self.realm, *(self.secrets.get(name, "") for name in ALGORITHMS)))


def read_accounts(text: str) -> dict[str, Account]:
    """The accounts of a file by name; empty lines and those that begin with ``#`` are passed over.

    ``ValueError`` names the line.  All share one realm: a challenge can name only one.
    """
    accounts: dict[str, Account] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            account = Account.parse(line.strip())
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if any(other.realm != account.realm for other in accounts.values()):
            raise ValueError(f"line {number}: another realm than in the lines above")
        accounts[account.user] = account
    return accounts


@dataclass(frozen=True)
class Credentials:
    """An Authorization header.  ``qop`` and ``count`` are empty where the client is of the time before them."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str = ""
    count: str = ""
    client_nonce: str = ""
    opaque: str = ""

    @classmethod
    def parse(cls, text: str) -> "Credentials":
        """``ValueError`` for another scheme, for broken syntax and for what we do not offer."""
        found = _parameters(text)
        names = ("username", "realm", "nonce", "uri", "response")
        if any(name not in found for name in names):
            raise ValueError("a parameter of the credentials is missing")
        algorithm = found.get("algorithm", "MD5").upper()
        if algorithm not in ALGORITHMS or found.get("userhash", "false").lower() != "false":
            raise ValueError("an algorithm that was not offered")
        qop, count = found.get("qop", "").lower(), found.get("nc", "")
        if qop not in ("", "auth") or (qop and not re.fullmatch("[0-9a-fA-F]{8}", count)):
            raise ValueError("a quality of protection that was not offered")
        user, realm, nonce, uri, response = (found[name] for name in names)
        return cls(
            user,
            realm,
            nonce,
            uri,
            response,
            algorithm,
            qop,
            count=count if qop else "",
            client_nonce=found.get("cnonce", ""),
            opaque=found.get("opaque", ""),
        )

    def __str__(self) -> str:
        quoted = {"username": self.user, "realm": self.realm, "nonce": self.nonce, "uri": self.uri}
        parts = [f'{name}="{_escaped(value)}"' for name, value in quoted.items()]
        parts += [f'response="{self.response}"', f"algorithm={self.algorithm}"]
        if self.qop:
            parts += [f"qop={self.qop}", f"nc={self.count}", f'cnonce="{_escaped(self.client_nonce)}"']
        if self.opaque:
            parts.append(f'opaque="{_escaped(self.opaque)}"')
        return f"Digest {', '.join(parts)}"

    def expected(self, secret: str, method: str) -> str:
        """The response that whoever knows HA1 gives (RFC 7616 §3.4.1)."""
        request = hashed(self.algorithm, method, self.uri)
        quality = (self.count, self.client_nonce, self.qop) if self.qop else ()
        return hashed(self.algorithm, secret, self.nonce, *quality, request)

    def prove(self, account: Account | None, method: str) -> bool:
        """Whether the response is right; takes as long for an unknown user as for a wrong password."""
        secret = account.secrets.get(self.algorithm) if account is not None and account.realm == self.realm else None
        right = self.expected(secret or hashed(self.algorithm, "nobody"), method)
        return hmac.compare_digest(right, self.response.lower().encode("ascii", "replace").decode()) and bool(secret)


@dataclass(frozen=True)
class Challenge:
    """A WWW-Authenticate header."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: bool = True
    opaque: str = ""
    stale: bool = False

    @classmethod
    def parse(cls, text: str) -> "Challenge":
        """``ValueError`` for another scheme, broken syntax and algorithms that we do not know."""
        found = _parameters(text)
        algorithm = found.get("algorithm", "MD5").upper()
        qualities = [one.strip().lower() for one in found.get("qop", "").split(",") if one.strip()]
        if "realm" not in found or "nonce" not in found or algorithm not in ALGORITHMS:
            raise ValueError("a challenge that cannot be answered")
        if qualities and "auth" not in qualities:
            raise ValueError("a challenge without qop=auth")
        stale = found.get("stale", "").lower() == "true"
        return cls(found["realm"], found["nonce"], algorithm, bool(qualities), found.get("opaque", ""), stale)

    def __str__(self) -> str:
        stale = ", stale=true" if self.stale else ""
        qop = ', qop="auth"' if self.qop else ""
        opaque = f', opaque="{_escaped(self.opaque)}"' if self.opaque else ""
        realm = _escaped(self.realm)
        return f'Digest realm="{realm}", nonce="{_escaped(self.nonce)}"{opaque}, algorithm={self.algorithm}{qop}{stale}'

    def answer(self, user: str, password: str, method: str, uri: str, client_nonce: str, count: int = 1) -> Credentials:
        """The client's credentials for one request."""
        quality = ("auth", f"{count:08x}", client_nonce) if self.qop else ("", "", "")
        blank = Credentials(user, self.realm, self.nonce, uri, "", self.algorithm, *quality, self.opaque)
        secret = hashed(self.algorithm, user, self.realm, password)
        return replace(blank, response=blank.expected(secret, method))


def first_known(challenges: Iterable[str]) -> Challenge | None:
    """The topmost challenge that can be answered (RFC 8760 §2.4)."""
    for text in challenges:
        try:
            return Challenge.parse(text)
        except ValueError:
            continue
    return None


def _parameters(text: str) -> dict[str, str]:
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        raise ValueError("not the Digest scheme")
    found: dict[str, str] = {}
    at = 0
    rest = rest.strip()
    while at < len(rest):
        one = _PARAMETER.match(rest, at)
        if not one or one[1].lower() in found:
            raise ValueError("a parameter list that cannot be read")
        found[one[1].lower()] = re.sub(r"\\(.)", r"\1", one[2], flags=re.S) if one[2] is not None else one[3]
        at = one.end()
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
