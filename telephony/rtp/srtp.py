"""SRTP and SRTCP of one stream (RFC 3711, AEAD suites: RFC 7714).  The only importer of pylibsrtp.

Packets are decrypted before they are spooled, so that what is on the disk needs no key.  libsrtp is given no master key
identifiers (MKI): they lie between the encrypted part and the authentication tag and are authenticated by neither
(RFC 3711 §3.1), so they can be cut out beforehand, and choose among sessions when an offer has several keys.  Suites
and services that pylibsrtp has no name for are written into its policies, whose layout is looked at first.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pylibsrtp import Error, Policy, Session
from pylibsrtp._binding import ffi

# Packets that may be overtaken and still be told from replays; libsrtp's own 128 are 2.5 seconds of speech.
_WINDOW = 1024
_REPLAYS = ("replay check failed (bad index)", "replay check failed (index too old)")
_HEADER, _VERSION = struct.Struct(">BBHII"), 2
# Rollovers that a stream may have behind it when its first packet comes: 64 are 23 hours of 20 ms packets.
_MOST_ROLLOVERS = 64
# Packets without authenticity that a search is spent on; each costs about a millisecond.
_SEARCHES = 16
# Less than half of the sequence numbers, so that libsrtp's guess of the rollover counter is never in doubt.
_STRIDE = 0x4000


# libsrtp's srtp_crypto_policy_t: cipher and octets of its key, authentication and octets of its key, octets of the tag,
# services (1: encryption, 2: authentication).  What stands there for the usual suite says whether that is still so.
_FIELDS = struct.Struct("=6i")
_USUAL = (1, 30, 3, 20, 10, 3)
_AUTHENTICATION = 2
# libsrtp's AES-256 in counter mode.
_AES_256 = 5


@dataclass(frozen=True)
class Suite:
    """Octets of a suite's master key and salt, and what stands behind an MKI in SRTP and SRTCP packets.

    ``cipher`` replaces that of the profile.
    """

    profile: int
    key: int
    salt: int
    tag: int
    rtcp_tag: int
    cipher: int = 0

    @property
    def material(self) -> int:
        """Octets of key and salt together."""
        return self.key + self.salt

    def serves(self, *, open_rtp: bool, open_rtcp: bool) -> bool:
        """Whether packets can be authenticated without being encrypted: libsrtp's AEAD always encrypts RTP."""
        return not (open_rtp or open_rtcp) or (ADJUSTABLE and not (open_rtp and not self.tag))


def _fields(part: object) -> memoryview:
    return memoryview(ffi.buffer(ffi.addressof(part)))


def _layout_is_known() -> bool:
    parts = [_fields(part) for part in (Policy()._policy.rtp, Policy()._policy.rtcp)]
    return all(len(part) == _FIELDS.size and _FIELDS.unpack(part) == _USUAL for part in parts)


# Whether more than pylibsrtp's own suites can be had, and authentication without encryption.
ADJUSTABLE = _layout_is_known()
_LONG_TAG, _SHORT_TAG = Policy.SRTP_PROFILE_AES128_CM_SHA1_80, Policy.SRTP_PROFILE_AES128_CM_SHA1_32
# The strongest first (RFC 4568 §6.2, RFC 6188, RFC 7714).  An AEAD's tag is part of the encrypted part, in front of an
# MKI (RFC 7714 §8.2, §9.2), and SRTCP has 80 bits of tag in all other suites.
_SUITES = {
    "AEAD_AES_256_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 0, 0),
    "AEAD_AES_128_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 0, 0),
    "AES_256_CM_HMAC_SHA1_80": Suite(_LONG_TAG, 32, 14, 10, 10, _AES_256),
    # As a draft of RFC 6188 named it, and some still do.
    "AES_CM_256_HMAC_SHA1_80": Suite(_LONG_TAG, 32, 14, 10, 10, _AES_256),
    "AES_CM_128_HMAC_SHA1_80": Suite(_LONG_TAG, 16, 14, 10, 10),
    "AES_256_CM_HMAC_SHA1_32": Suite(_SHORT_TAG, 32, 14, 4, 10, _AES_256),
    "AES_CM_256_HMAC_SHA1_32": Suite(_SHORT_TAG, 32, 14, 4, 10, _AES_256),
    "AES_CM_128_HMAC_SHA1_32": Suite(_SHORT_TAG, 16, 14, 4, 10),
}
SUITES: Mapping[str, Suite] = {name: suite for name, suite in _SUITES.items() if ADJUSTABLE or not suite.cipher}


class Replayed(ValueError):
    """A packet with a number that came before, or too late to know."""


@dataclass(frozen=True)
class MasterKey:
    """Key and salt, side by side, and the identifier that packets carry when there is one."""

    material: bytes = field(repr=False)
    mki: bytes = b""


class Protection:
    """Undoes the protection of what one stream's sender sends, and protects our reports to it.

    ``theirs`` are the sender's master keys, all with MKIs of one length or a single one without; ``ours`` is key and
    salt for what we send.  ``open_rtp`` and ``open_rtcp`` are true where packets are authenticated, but not encrypted.
    After a change of key ``former`` undoes packets that were on their way.  Where protection is ``optional`` (a key on
    a profile without S), a sender may ignore it: until its first authentic packet, what fails counts as clear.
    """

    def __init__(
        self,
        suite: str,
        theirs: Sequence[MasterKey],
        ours: bytes,
        *,
        open_rtp: bool = False,
        open_rtcp: bool = False,
        former: "Protection | None" = None,
        optional: bool = False,
    ) -> None:
        """Raises ``ValueError`` for an unknown suite, keys of a wrong length, or services that cannot be had."""
        known = SUITES.get(suite)
        if known is None:
            raise ValueError("unknown SRTP suite")
        mki = len(theirs[0].mki) if theirs else 0
        sizes = {len(key.material) for key in theirs} | {len(ours)}
        if not theirs or sizes != {known.material} or any(len(key.mki) != mki for key in theirs):
            raise ValueError("SRTP keys do not fit their suite")
        if not known.serves(open_rtp=open_rtp, open_rtcp=open_rtcp):
            raise ValueError("SRTP without encryption cannot be had in this suite")
        self.suite, self._suite, self._mki = suite, known, mki
        # Packets that came in the clear; whether the sender protects at all, known from its first authentic one.
        self.clear_packets, self._optional, self._seen = 0, optional, False
        terms = _Terms(known, open_rtp, open_rtcp)
        self._theirs = {key.mki: _Inbound(terms, key.material) for key in theirs}
        self._ours = terms.session(ours, Policy.SSRC_ANY_OUTBOUND)
        self._former = former
        if former and former._former:
            # A longer chain would make every packet without authenticity dearer.  One more link stays, for what
            # waits to be read while ``former`` is still in force.
            former._former._former = None

    def unprotect(self, packet: bytes | memoryview) -> bytes:
        """The RTP packet.  Raises ``ValueError`` when it is not authentic, ``Replayed`` when it came before."""
        data = bytes(packet)
        try:
            inbound, sound = self._sorted(data, self._suite.tag)
            opened = inbound.unprotect(sound)
        except Replayed:
            raise
        except ValueError:
            try:
                opened = self._unprotect_otherwise(data)
            except ValueError:
                if not self.may_be_clear:
                    raise
                self.clear_packets += 1
                return data
        self._seen = True
        return opened

    @property
    def may_be_clear(self) -> bool:
        """Whether the sender may ignore the key, and has not shown that it does not."""
        return self._optional and not self._seen

    def unprotect_rtcp(self, packet: bytes | memoryview) -> bytes:
        """The RTCP compound.  Raises as ``unprotect`` does."""
        data = bytes(packet)
        try:
            inbound, sound = self._sorted(data, self._suite.rtcp_tag)
            return _checked(Session.unprotect_rtcp, inbound.session, sound)
        except Replayed:
            raise
        except ValueError:
            if self._former:
                return self._former.unprotect_rtcp(data)
            if self.may_be_clear:
                return data
            raise

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet of ours as SRTP (a recorder sends none, a gateway does)."""
        return _checked(Session.protect, self._ours, packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """An RTCP compound of ours as SRTCP; as it is to a sender that ignores the key."""
        if self.may_be_clear and self.clear_packets:
            return packet
        return _checked(Session.protect_rtcp, self._ours, packet)

    def _unprotect_otherwise(self, packet: bytes) -> bytes:
        """With the former key before a search: packets that are merely on their way must not use that up."""
        if self._former:
            try:
                return self._former.unprotect(packet)
            except Replayed:
                raise
            except ValueError:
                pass
        inbound, sound = self._sorted(packet, self._suite.tag)
        return inbound.search(sound)

    def _sorted(self, packet: bytes, tag: int) -> tuple["_Inbound", bytes]:
        """Whose packet it is, and the packet without its MKI."""
        end = len(packet) - tag
        start = end - self._mki
        inbound = self._theirs.get(packet[start:end]) if start >= 0 else None
        if inbound is None:
            raise ValueError("an SRTP packet names no known key")
        return inbound, packet[:start] + packet[end:]


class _Inbound:
    """One of the sender's keys.

    A packet carries the low 16 bits of its index; the rest, the rollover counter, is not signalled in SDP.  It is 0
    for a new stream, but not for one that was running before we were called in, nor after a change of key, which must
    not set it back (RFC 3711 §3.3.1).  So while a key has opened nothing yet, larger counters are tried.
    """

    def __init__(self, terms: "_Terms", material: bytes) -> None:
        self.session = terms.session(material, Policy.SSRC_ANY_INBOUND)
        self._terms, self._material = terms, material
        self._searches = _SEARCHES

    def unprotect(self, packet: bytes) -> bytes:
        opened = _checked(Session.unprotect, self.session, packet)
        self._searches = 0
        return opened

    def search(self, packet: bytes) -> bytes:
        """Try larger counters, if that was not in vain too often.  Raises ``ValueError``."""
        if self._searches and len(packet) >= _HEADER.size and packet[0] >> 6 == _VERSION:
            self._searches -= 1
            _, _, sequence, _, ssrc = _HEADER.unpack_from(packet)
            session = self._terms.session(self._material, Policy.SSRC_ANY_INBOUND)
            for _ in self._walk(session, sequence, ssrc):
                with suppress(ValueError):
                    opened = _checked(Session.unprotect, session, packet)
                    self.session, self._searches = session, 0
                    return opened
        raise ValueError("an SRTP packet is not authentic")

    def _walk(self, session: Session, sequence: int, ssrc: int) -> Iterator[None]:
        """Bring a session's counter up with packets of our own; stop a stride before ``sequence`` in each round."""
        sender = self._terms.session(self._material, Policy.SSRC_ANY_OUTBOUND)
        for index in range((sequence - _STRIDE) & 0xFFFF, _MOST_ROLLOVERS << 16, _STRIDE):
            session.unprotect(sender.protect(_HEADER.pack(0x80, 0, index & 0xFFFF, 0, ssrc)))
            if (index + _STRIDE - sequence) & 0xFFFF == 0:
                yield


@dataclass(frozen=True)
class _Terms:
    """All that makes a session but its key and direction."""

    suite: Suite
    open_rtp: bool
    open_rtcp: bool

    def session(self, material: bytes, direction: int) -> Session:
        policy = Policy(key=material, ssrc_type=direction, srtp_profile=self.suite.profile)
        policy.window_size = _WINDOW
        self._adjust(policy._policy.rtp, unencrypted=self.open_rtp)
        self._adjust(policy._policy.rtcp, unencrypted=self.open_rtcp)
        return Session(policy)

    def _adjust(self, part: object, *, unencrypted: bool) -> None:
        if self.suite.cipher or unencrypted:
            fields = _fields(part)
            cipher, size, *authentication, services = _FIELDS.unpack(fields)
            if self.suite.cipher:
                cipher, size = self.suite.cipher, self.suite.material
            fields[:] = _FIELDS.pack(cipher, size, *authentication, _AUTHENTICATION if unencrypted else services)


def _checked(step: Callable[[Session, bytes], bytes], session: Session, packet: bytes) -> bytes:
    try:
        return step(session, packet)
    except Error as error:
        if str(error) in _REPLAYS:
            raise Replayed("an SRTP packet came again") from None
        raise ValueError("an SRTP packet is not authentic") from None
