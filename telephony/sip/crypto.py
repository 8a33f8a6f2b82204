"""SRTP keys in session descriptions: the attribute ``a=crypto`` (RFC 4568, RFC 7714) and the choice among several.

Keys never show in a ``repr``; bodies that are kept or shown go through ``redacted`` first.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from telephony.rtp.srtp import SUITES, MasterKey, Protection

_ATTRIBUTE = re.compile(r"([0-9]{1,9})\s+([A-Za-z0-9_]+)\s+(inline:\S+)((?:\s+\S+)*)", re.I)
_LIFETIME = re.compile(r"2\^[0-9]{1,2}|[0-9]{1,15}")
_MKI = re.compile(r"([0-9]{1,39}):([0-9]{1,3})")
# RFC 4568 §6.1
_LONGEST_MKI = 128
# What both sides must do alike (§6.3.2): authenticate without encrypting.
_UNENCRYPTED_SRTP, _UNENCRYPTED_SRTCP = "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP"
_SERVICES = (_UNENCRYPTED_SRTP, _UNENCRYPTED_SRTCP)
# Hints and defaults, which need nothing of us; a leading minus marks what may be passed over (§6.3.7).
_HARMLESS = re.compile(r"KDR=0|WSH=[0-9]+|FEC_ORDER=\S+|-\S+", re.I)

_REDACTED = b"(redacted)"
_INLINE = re.compile(rb"(inline\s*:\s*)[^\s|;<>\"']+", re.I)
_KEY_LINE = re.compile(rb"((?<![^\r\n])[ \t]*(?:k|a[ \t]*=[ \t]*key-mgmt[ \t]*(?=:))[ \t]*[=:])[^\r\n]*", re.I)
# Underscores tell the name of a suite from a key: base64 has none.
_SUITE = rb"(?:AES|AEAD|ARIA|SEED|F8|NULL)(?:_[A-Za-z0-9]{1,12}){1,6}"
_CRYPTO_LINE = re.compile(
    rb"((?<![^\r\n])[ \t]*a[ \t]*=[ \t]*crypto[ \t]*:(?:[ \t]*[0-9]{1,9}[ \t]+" + _SUITE + rb"(?=\s|\Z))?)([^\r\n]*)",
    re.I,
)
# What may stand behind tag and suite once keys are hidden.
_IN_PLACE = re.compile(
    rb"inline:(\(redacted\))?(\|[0-9^]{1,5})?(\|[0-9]{1,3}:[0-9]{1,3})?"
    rb"|-?(KDR|WSH|FEC_ORDER|UNENCRYPTED_SRTP|UNENCRYPTED_SRTCP|UNAUTHENTICATED_SRTP)(=[0-9]{1,4})?",
    re.I,
)


@dataclass(frozen=True)
class Crypto:
    """One ``a=crypto`` attribute.  ``parameters`` are the session parameters (§6.3) in capitals."""

    tag: int
    suite: str
    keys: tuple[MasterKey, ...] = field(repr=False)
    parameters: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, value: str) -> "Crypto":
        """What follows ``a=crypto:``.  Any suite is read; ``ValueError`` when the line is broken."""
        found = _ATTRIBUTE.fullmatch(re.sub(r"\s*;\s*", ";", value.strip()))
        if not found:
            raise ValueError("a crypto attribute is broken")
        keys = tuple(_parse_key(text) for text in found[3].split(";"))
        lengths = {len(key.mki) for key in keys}
        if len(lengths) > 1 or (len(keys) > 1 and (0 in lengths or len({key.mki for key in keys}) < len(keys))):
            raise ValueError("keys of a crypto attribute cannot be told apart")
        return cls(int(found[1]), found[2].upper(), keys, tuple(found[4].upper().split()))

    @classmethod
    def fresh(cls, suite: str, tag: int = 1) -> "Crypto":
        """A new random key for a suite of ``SUITES``."""
        return cls(tag, suite, (MasterKey(secrets.token_bytes(SUITES[suite].material)),))

    def to_sdp(self) -> str:
        """What follows ``a=crypto:``, with the keys; never to be logged."""
        keys = ";".join(_print_key(key) for key in self.keys)
        return " ".join((f"{self.tag} {self.suite} {keys}", *self.parameters))

    @property
    def usable(self) -> bool:
        """Whether we can undo it: the suite known, keys of its length, no parameter beyond us."""
        suite = SUITES.get(self.suite)
        return (
            suite is not None
            and all(len(key.material) == suite.material for key in self.keys)
            and all(one in _SERVICES or _HARMLESS.fullmatch(one) for one in self.parameters)
            and suite.serves(open_rtp=self.open_rtp, open_rtcp=self.open_rtcp)
        )

    @property
    def open_rtp(self) -> bool:
        """Whether RTP is authenticated, but not encrypted."""
        return _UNENCRYPTED_SRTP in self.parameters

    @property
    def open_rtcp(self) -> bool:
        """Whether RTCP is authenticated, but not encrypted."""
        return _UNENCRYPTED_SRTCP in self.parameters


def _parse_key(text: str) -> MasterKey:
    encoded, *rest = text.partition(":")[2].split("|")
    try:
        material = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key of a crypto attribute is not base64") from None
    if rest and _LIFETIME.fullmatch(rest[0]):
        # How long a key lasts is its sender's business: 2^48 packets are more than any call has.
        del rest[0]
    if not rest:
        return MasterKey(material)
    found = _MKI.fullmatch(rest[0])
    size = int(found[2]) if found else 0
    if not found or len(rest) > 1 or not 0 < size <= _LONGEST_MKI or int(found[1]) >= 256**size:
        raise ValueError("lifetime or MKI of a crypto attribute is broken")
    return MasterKey(material, int(found[1]).to_bytes(size, "big"))


def _print_key(key: MasterKey) -> str:
    encoded = base64.b64encode(key.material).decode()
    return f"inline:{encoded}|{int.from_bytes(key.mki, 'big')}:{len(key.mki)}" if key.mki else f"inline:{encoded}"


@dataclass(frozen=True)
class Agreement:
    """What an m-line is protected with.  ``place`` is where the sender is; None while that was never said."""

    offered: Crypto
    ours: Crypto
    place: tuple[str, int] | None
    protection: Protection = field(repr=False, compare=False)


def agree(
    offered: Sequence[Crypto],
    place: tuple[str, int] | None,
    before: Agreement | None = None,
    *,
    optional: bool = False,
) -> Agreement | None:
    """Take the strongest line that we can undo, and a key of our own; ``None`` where there is no such line.

    The same key from the same place, or from None (on hold), changes nothing: the packet index goes on.  A place that
    moved may be another sender with an index of its own (RFC 4568 §7.1.4), so both are kept in mind.  ``optional``: the
    profile does not ask for protection, so that the sender may ignore the key.
    """
    usable = [crypto for crypto in offered if crypto.usable]
    if not usable:
        return None
    strength = list(SUITES)
    # Stable: among equals the offerer's order decides.
    best = min(usable, key=lambda crypto: (crypto.open_rtp, crypto.open_rtcp, strength.index(crypto.suite)))
    if before and before.offered == best and None in (place, before.place):
        return replace(before, place=place or before.place)
    if before and before.offered == best and before.place == place:
        return before
    services = tuple(one for one in _SERVICES if one in best.parameters)
    ours = Crypto(best.tag, best.suite, Crypto.fresh(best.suite).keys, services)
    return Agreement(best, ours, place, _protection(best, ours, before.protection if before else None, optional))


def renewed(agreement: Agreement) -> Agreement:
    """For an offer of ours in the middle of a call: the same terms with another key of ours."""
    ours = agreement.ours
    return replace(agreement, ours=replace(ours, keys=Crypto.fresh(ours.suite).keys))


def accepted(offered: Agreement, answered: Sequence[Crypto], place: tuple[str, int] | None) -> Agreement | None:
    """What the answer to our offer of ``offered`` makes of it; ``None`` where it takes no key."""
    ours = offered.ours
    same = (one for one in answered if one.usable and (one.tag, one.suite) == (ours.tag, ours.suite))
    theirs = next(same, None)
    if theirs is None:
        return None
    protection = _protection(theirs, ours, offered.protection)
    return Agreement(theirs, ours, place or offered.place, protection)


def _protection(theirs: Crypto, ours: Crypto, former: Protection | None, optional: bool = False) -> Protection:
    """Both sides have the same services: the answer repeats the offer's."""
    return Protection(
        ours.suite,
        theirs.keys,
        ours.keys[0].material,
        open_rtp=ours.open_rtp,
        open_rtcp=ours.open_rtcp,
        former=former,
        optional=optional,
    )


def redacted(body: bytes) -> bytes:
    """A body as it may be kept: without the keys of ``a=crypto``, ``k=`` and ``a=key-mgmt``, broken ones included."""
    hidden = _INLINE.sub(rb"\1" + _REDACTED, body)
    hidden = _KEY_LINE.sub(rb"\1" + _REDACTED, hidden)
    return _CRYPTO_LINE.sub(lambda found: found[1] + re.sub(rb"[^\s;]+", _kept, found[2]), hidden)


def _kept(word: re.Match[bytes]) -> bytes:
    return word[0] if _IN_PLACE.fullmatch(word[0]) else _REDACTED
