"""Undoing SRTP: against the RFCs' own vectors, against another implementation, and against whatever else comes."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.rtp.packet import RtpPacket, goodbye, source_description
from telephony.rtp.srtp import SUITES, MasterKey, Protection, Replayed
from tests.srtp_model import Sender, derive, gcm, keystream

RFC3711_KEY = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139")
RFC3711_SALT = bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
RFC7714_PACKET = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"
suites = pytest.mark.parametrize("suite", SUITES)


def rtp(sequence: int, ssrc: int = 7, payload: bytes = b"\xd5" * 160) -> bytes:
    return bytes(RtpPacket(8, sequence & 0xFFFF, 160 * sequence & 0xFFFF_FFFF, ssrc, payload))


def material(suite: str) -> bytes:
    return secrets.token_bytes(SUITES[suite].material)


def receiver(suite: str, *keys: MasterKey | bytes, former: Protection | None = None) -> Protection:
    theirs = [key if isinstance(key, MasterKey) else MasterKey(key) for key in keys]
    return Protection(suite, theirs, material(suite), former=former)


def test_the_model_keeps_to_the_vectors_of_rfc_3711() -> None:
    # §B.2 and §B.3
    assert keystream(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), 0xF0F1F2F3F4F5F6F7F8F9FAFBFCFD0000, 32) == (
        bytes.fromhex("e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab")
    )
    assert derive(RFC3711_KEY, RFC3711_SALT, 0, 16) == bytes.fromhex("c61e7a93744f39ee10734afe3ff7a087")
    assert derive(RFC3711_KEY, RFC3711_SALT, 2, 14) == bytes.fromhex("30cbbc08863d8c85d49db34a9ae1")
    assert derive(RFC3711_KEY, RFC3711_SALT, 1, 20) == bytes.fromhex("cebe321f6ff7716b6fd4ab49af256a156d38baa4")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (
            16,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            32,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ],
)
def test_the_model_keeps_to_the_vectors_of_rfc_7714(size: int, expected: str) -> None:
    # §16.1 and §16.2
    head, plain = RFC7714_PACKET[:12], RFC7714_PACKET[12:]
    mixed = gcm(bytes(range(size)), bytes.fromhex("517569642070726f2071756f"), (0, 0x5501A0B2, 0, 0xF17B), plain, head)
    assert mixed.hex() == expected


@suites
def test_what_another_implementation_protects(suite: str) -> None:
    key = material(suite)
    sender, protection = Sender(suite, key), receiver(suite, key)
    assert protection.suite == suite
    # Across the end of the sequence numbers, with reordering and loss.
    for sequence in (65500, 65534, 65533, 65536, 65535, 65540, 70000):
        protected = sender.protect(rtp(sequence), sequence >> 16)
        assert rtp(sequence) not in protected
        assert protection.unprotect(memoryview(protected)) == rtp(sequence)
    for index in (1, 2, 5):
        assert protection.unprotect_rtcp(sender.protect_rtcp(goodbye(7), index)) == goodbye(7)


@suites
def test_what_we_protect(suite: str) -> None:
    ours = material(suite)
    protection = Protection(suite, [MasterKey(material(suite))], ours)
    model = Sender(suite, ours)
    assert protection.protect(rtp(5)) == model.protect(rtp(5))
    assert protection.protect_rtcp(goodbye(7)) == model.protect_rtcp(goodbye(7), 1)


@suites
def test_keys_with_an_identifier(suite: str) -> None:
    keys = [MasterKey(material(suite), b"\0\0\0\1"), MasterKey(material(suite), b"\0\0\0\2")]
    first, second = (Sender(suite, key.material, key.mki) for key in keys)
    unknown = Sender(suite, keys[0].material, b"\0\0\0\3")
    protection = receiver(suite, *keys)
    assert protection.unprotect(first.protect(rtp(1))) == rtp(1)
    assert protection.unprotect(second.protect(rtp(2))) == rtp(2)
    assert protection.unprotect_rtcp(second.protect_rtcp(goodbye(7), 1)) == goodbye(7)
    for wrong in (unknown.protect(rtp(3)), b"", b"\x80"):
        with pytest.raises(ValueError, match="no known key"):
            protection.unprotect(wrong)


@suites
def test_what_is_not_authentic_or_comes_again(suite: str) -> None:
    key = material(suite)
    sender, protection = Sender(suite, key), receiver(suite, key)
    protected = sender.protect(rtp(1000))
    for place in (1, 4, 20, len(protected) - 1):
        changed = bytearray(protected)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="not authentic"):
            protection.unprotect(bytes(changed))
    for other in (rtp(1000), Sender(suite, material(suite)).protect(rtp(1001))):
        with pytest.raises(ValueError, match="not authentic"):
            protection.unprotect(other)
    assert protection.unprotect(protected) == rtp(1000)
    with pytest.raises(Replayed):
        protection.unprotect(protected)
    report = sender.protect_rtcp(goodbye(7), 1)
    assert protection.unprotect_rtcp(report) == goodbye(7)
    with pytest.raises(Replayed):
        protection.unprotect_rtcp(report)
    # Overtaken by twenty seconds of speech, and more than that.
    assert protection.unprotect(sender.protect(rtp(3000))) == rtp(3000)
    assert protection.unprotect(sender.protect(rtp(2000))) == rtp(2000)
    with pytest.raises(Replayed):
        protection.unprotect(sender.protect(rtp(1500)))


@suites
@pytest.mark.parametrize(("rollovers", "sequence"), [(1, 0), (1, 100), (3, 40000), (27, 65535), (60, 16384)])
def test_a_stream_that_ran_before_we_were_called_in(suite: str, rollovers: int, sequence: int) -> None:
    key = material(suite)
    sender, protection = Sender(suite, key), receiver(suite, key)
    for index in range(sequence, sequence + 20):
        protected = sender.protect(rtp(index), rollovers + (index >> 16))
        assert protection.unprotect(protected) == rtp(index)
    with pytest.raises(Replayed):
        protection.unprotect(protected)


def test_the_search_for_a_counter_ends() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    key = material(suite)
    sender, protection = Sender(suite, key), receiver(suite, key)
    for _ in range(20):
        with pytest.raises(ValueError):
            protection.unprotect(secrets.token_bytes(180))
        with pytest.raises(ValueError):
            protection.unprotect(rtp(1))
    with pytest.raises(ValueError):
        protection.unprotect(sender.protect(rtp(5), 2))
    # A new stream begins at 0 and never needed the search.
    assert protection.unprotect(sender.protect(rtp(6))) == rtp(6)


@suites
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_new_key_in_the_middle_of_a_call(suite: str, goes_on: bool) -> None:
    old, new = material(suite), material(suite)
    before = receiver(suite, old)
    assert before.unprotect(Sender(suite, old).protect(rtp(65000), 0)) == rtp(65000)
    protection = receiver(suite, new, former=before)
    # On their way when the key changed, more than a search has patience for.
    for sequence in range(65001, 65031):
        assert protection.unprotect(Sender(suite, old).protect(rtp(sequence), 0)) == rtp(sequence)
    # RFC 3711 §3.3.1 lets the counter go on; many senders set it back.
    for sequence in range(66000, 66020):
        protected = Sender(suite, new).protect(rtp(sequence), 1 if goes_on else 0)
        assert protection.unprotect(protected) == rtp(sequence)
    with pytest.raises(Replayed):
        protection.unprotect(protected)


def test_a_new_suite_and_an_identifier_in_the_middle_of_a_call() -> None:
    old, new = material("AES_CM_128_HMAC_SHA1_32"), MasterKey(material("AEAD_AES_128_GCM"), b"\x07")
    before = receiver("AES_CM_128_HMAC_SHA1_32", old)
    protection = receiver("AEAD_AES_128_GCM", new, former=before)
    assert protection.unprotect(Sender("AES_CM_128_HMAC_SHA1_32", old).protect(rtp(1))) == rtp(1)
    late = Sender("AES_CM_128_HMAC_SHA1_32", old).protect_rtcp(goodbye(7), 1)
    assert protection.unprotect_rtcp(late) == goodbye(7)
    assert protection.unprotect(Sender("AEAD_AES_128_GCM", new.material, new.mki).protect(rtp(2))) == rtp(2)


@suites
@pytest.mark.parametrize(("open_rtp", "open_rtcp"), [(True, False), (False, True), (True, True)])
def test_what_is_authenticated_and_not_encrypted(suite: str, open_rtp: bool, open_rtcp: bool) -> None:
    key, ours = material(suite), material(suite)
    if open_rtp and not SUITES[suite].tag:
        with pytest.raises(ValueError, match="without encryption"):
            Protection(suite, [MasterKey(key)], ours, open_rtp=open_rtp, open_rtcp=open_rtcp)
        return
    sender = Sender(suite, key, b"\x05", open_rtp, open_rtcp)
    protection = Protection(suite, [MasterKey(key, b"\x05")], ours, open_rtp=open_rtp, open_rtcp=open_rtcp)
    compound = goodbye(7) + source_description(7, "gw@gateway.invalid")
    protected, report = sender.protect(rtp(1)), sender.protect_rtcp(compound, 1)
    assert (rtp(1) in protected, compound in report) == (open_rtp, open_rtcp)
    with pytest.raises(ValueError, match="not authentic"):
        protection.unprotect(protected[:20] + b"?" + protected[21:])
    with pytest.raises(ValueError, match="not authentic"):
        protection.unprotect_rtcp(report[:8] + b"?" + report[9:])
    assert protection.unprotect(protected) == rtp(1)
    assert protection.unprotect_rtcp(report) == compound
    model = Sender(suite, ours, b"", open_rtp, open_rtcp)
    assert protection.protect(rtp(5)) == model.protect(rtp(5))
    assert protection.protect_rtcp(compound) == model.protect_rtcp(compound, 1)


@pytest.mark.parametrize(
    ("suite", "sizes"),
    [("F8_128_HMAC_SHA1_80", [30]), ("AEAD_AES_128_GCM", [30]), ("AEAD_AES_128_GCM", []), ("", [28])],
)
def test_keys_that_do_not_fit(suite: str, sizes: list[int]) -> None:
    with pytest.raises(ValueError):
        Protection(suite, [MasterKey(bytes(size)) for size in sizes], bytes(28))


def test_a_key_never_shows() -> None:
    assert repr(MasterKey(b"secret" * 5, b"\x01")) == "MasterKey(mki=b'\\x01')"


@given(st.sampled_from(list(SUITES)), st.binary(max_size=200), st.booleans())
def test_only_value_error_for_anything_else(suite: str, noise: bytes, marked: bool) -> None:
    protection = receiver(suite, MasterKey(material(suite), b"\x01") if marked else material(suite))
    for packet in (noise, b"\x80\x08" + noise, b"\x80\xc8" + noise + b"\x01", noise * 20):
        for undo in (protection.unprotect, protection.unprotect_rtcp):
            with pytest.raises(ValueError):
                undo(packet)
