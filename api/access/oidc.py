"""Login by a provider: OpenID Connect's authorization code flow with PKCE (RFC 7636), state and nonce.

The provider only says who somebody is; which accounts there are, and what they may do, stays with us.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.access.secret import new_secret, same
from core.errors import Refused, Unavailable

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
LEEWAY_SECONDS = 60
TIMEOUT = aiohttp.ClientTimeout(total=15)
LARGEST_ANSWER = 1_000_000


@dataclass(frozen=True)
class Provider:
    """Whom we ask, who we are there, where it sends people back to, and the claim that names them."""

    issuer: str
    client_id: str
    client_secret: str
    claim: str
    redirect_uri: str


@dataclass(frozen=True)
class Started:
    """A login that went to the provider; its browser keeps this until it comes back."""

    state: str
    nonce: str
    verifier: str
    following: str

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()

    @classmethod
    def parse(cls, text: str) -> "Started":
        """What ``str`` wrote; ``ValueError`` for anything else."""
        try:
            return cls(**json.loads(base64.urlsafe_b64decode(text.encode())))
        except TypeError as error:
            raise ValueError("not a login that was started here") from error


def start(following: str) -> Started:
    """Fresh secrets for one login."""
    return Started(new_secret(), new_secret(), new_secret(), following)


async def sent_to(provider: Provider, started: Started) -> str:
    """The provider's address that the browser is sent to."""
    endpoint: str = (await _discovered(provider))["authorization_endpoint"]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(started.verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": provider.redirect_uri,
        "scope": "openid profile email",
        "state": started.state,
        "nonce": started.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(asked)


async def named(provider: Provider, started: Started, answered: Mapping[str, str], now: datetime) -> str:
    """Who came back, by the claim; ``Refused`` for an answer that belongs to no login of this browser, or whose token
    does not hold."""
    if not same(answered.get("state", ""), started.state):
        raise Refused("the provider's answer belongs to another login", remedy="log in again")
    if answered.get("iss", provider.issuer) != provider.issuer:  # RFC 9207
        raise Refused("another provider answered", expected=provider.issuer)
    if not answered.get("code"):
        raise Refused("the provider did not let you in", error=_plain(answered.get("error", "no code")))
    known = await _discovered(provider)
    token = await _exchanged(provider, known, started, answered["code"])
    keys = await _fetched(known["jwks_uri"])
    claims = _verified(provider, token, keys, started.nonce, now)
    return _name(provider, claims)


async def _discovered(provider: Provider) -> Mapping[str, Any]:
    """The provider's metadata (OpenID Connect Discovery 1.0, section 4); its issuer must be the one we asked."""
    found = await _fetched(provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != provider.issuer:
        raise Refused("the provider names another issuer", expected=provider.issuer, found=found.get("issuer"))
    for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        require_safe(str(found.get(endpoint, "")), endpoint)
    return found


def require_safe(address: str, what: str) -> None:
    """``Refused`` unless the address is https, or http on this very host."""
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return
    raise Refused("an address of the provider is not safe", what=what, expected="https://")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _fetched(address: str) -> Mapping[str, Any]:
    require_safe(address, "issuer")
    async with aiohttp.ClientSession(timeout=TIMEOUT) as http:
        return await _answer(http, "GET", address)


async def _exchanged(provider: Provider, known: Mapping[str, Any], started: Started, code: str) -> str:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": provider.redirect_uri,
        "client_id": provider.client_id,
        "code_verifier": started.verifier,
    }
    # RFC 6749, section 2.3.1: both are form-encoded before they become a Basic header.
    pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as http:
        answered = await _answer(http, "POST", known["token_endpoint"], form)
    token = answered.get("id_token")
    if not isinstance(token, str):
        raise Refused("the provider answered without an ID token")
    return token


async def _answer(
    http: aiohttp.ClientSession, method: str, address: str, form: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    try:
        async with http.request(method, address, data=form, allow_redirects=False) as response:
            body = await response.content.read(LARGEST_ANSWER)
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable("the provider does not answer", error=type(error).__name__) from error
    if status in (400, 401, 403):
        raise Refused("the provider refused the login", status=status)
    try:
        found = json.loads(body) if status == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unavailable("the provider's answer cannot be read", status=status)
    return found


def _verified(provider: Provider, token: str, keys: Mapping[str, Any], nonce: str, now: datetime) -> Mapping[str, Any]:
    """The token's claims (OpenID Connect Core 1.0, section 3.1.3.7)."""
    registry = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        claims = jwt.decode(token, KeySet.import_key_set({"keys": keys.get("keys", [])}), algorithms=ALGORITHMS).claims
        registry.validate(claims)
    except (JoseError, ValueError) as error:
        raise Refused("the provider's token does not hold", error=type(error).__name__) from error
    if claims.get("azp", provider.client_id) != provider.client_id:
        raise Refused("the provider's token is for another program")
    return claims


def _name(provider: Provider, claims: Mapping[str, Any]) -> str:
    found = claims.get(provider.claim)
    if provider.claim == "email" and claims.get("email_verified") is not True:
        raise Refused("the provider has not verified this e-mail address", claim="email_verified")
    if not isinstance(found, str) or not found:
        raise Refused("the provider does not say who this is", claim=provider.claim)
    return found


def _plain(error: str) -> str:
    """What a stranger may write into our log: the code of an error, nothing else."""
    return "".join(each for each in error[:40] if each.isascii() and (each.isalnum() or each == "_"))
