"""SRTP keys in SDP: what is read, which line is taken, and that keys show nowhere."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.rtp.packet import RtpPacket
from telephony.rtp.srtp import SUITES, MasterKey
from telephony.sip.crypto import Agreement, Crypto, accepted, agree, redacted, renewed
from tests.srtp_model import Sender

CM_80, CM_32, CM_256, GCM_128, GCM_256 = (
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
)
PLACE = ("192.0.2.1", 40000)


def encoded(size: int = 30, fill: int = 7) -> str:
    return base64.b64encode(bytes([fill]) * size).decode()


def taken(*lines: str, before: Agreement | None = None, place: tuple[str, int] | None = PLACE) -> Agreement | None:
    return agree([Crypto.parse(line) for line in lines], place, before)


def took(*lines: str) -> str:
    """The answer's line without its key."""
    agreement = taken(*lines)
    assert agreement
    return agreement.ours.to_sdp().replace(encode(agreement.ours), "KEY")


def encode(crypto: Crypto) -> str:
    return base64.b64encode(crypto.keys[0].material).decode()


@pytest.mark.parametrize(
    ("value", "mkis", "parameters"),
    [
        (f"1 {CM_80} inline:{encoded()}", [b""], ()),
        (f"  1\t{CM_80.lower()}   INLINE:{encoded()}|2^20  ", [b""], ()),
        (f"1 {CM_80} inline:{encoded()}|1048576|1:4", [b"\0\0\0\1"], ()),
        (f"1 {CM_80} inline:{encoded()}|258:2 KDR=0 WSH=128 -x=y", [b"\1\2"], ("KDR=0", "WSH=128", "-X=Y")),
        (f"1 {CM_80} inline:{encoded()}|2^20|1:1 ; inline:{encoded(30, 8)}|2^20|2:1", [b"\1", b"\2"], ()),
        (f"1 {CM_80} inline:{encoded()}|2^31 FEC_ORDER=FEC_SRTP UNENCRYPTED_SRTCP", [b""], None),
    ],
)
def test_a_line_is_read(value: str, mkis: list[bytes], parameters: tuple[str, ...] | None) -> None:
    crypto = Crypto.parse(value)
    assert (crypto.tag, crypto.suite, [key.mki for key in crypto.keys]) == (1, CM_80, mkis)
    assert crypto.keys[0].material == bytes([7]) * 30
    assert parameters is None or crypto.parameters == parameters
    assert crypto.usable


def test_padding_may_be_missing() -> None:
    assert Crypto.parse(f"1 {GCM_256} inline:{encoded(44).rstrip('=')}").usable
    assert Crypto.parse(f"1 {GCM_256} inline:{encoded(44)}").usable


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"{CM_80} inline:{encoded()}",
        f"x {CM_80} inline:{encoded()}",
        f"1 {CM_80} uri:{encoded()}",
        f"1 {CM_80} inline:",
        f"1 {CM_80} inline:{encoded()[:-3]}",
        f"1 {CM_80} inline:*{encoded()[1:]}",
        f"1 {CM_80} inline:{encoded()}|soon",
        f"1 {CM_80} inline:{encoded()}|2^20|1",
        f"1 {CM_80} inline:{encoded()}|2^20|1:0",
        f"1 {CM_80} inline:{encoded()}|2^20|1:129",
        f"1 {CM_80} inline:{encoded()}|2^20|256:1",
        f"1 {CM_80} inline:{encoded()}|2^20|1:4|1",
        f"1 {CM_80} inline:{encoded()};inline:{encoded()}",
        f"1 {CM_80} inline:{encoded()}|1:1;inline:{encoded()}",
        f"1 {CM_80} inline:{encoded()}|1:1;inline:{encoded()}|1:1",
    ],
)
def test_a_broken_line_raises_without_telling_the_key(value: str) -> None:
    with pytest.raises(ValueError) as raised:
        Crypto.parse(value)
    assert encoded()[:8] not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_192_CM_HMAC_SHA1_80 inline:{encoded(38)}",
        f"1 {GCM_128} inline:{encoded(28)} UNENCRYPTED_SRTP",
        f"1 F8_128_HMAC_SHA1_80 inline:{encoded()}",
        f"1 {CM_80} inline:{encoded(29)}",
        f"1 {GCM_128} inline:{encoded(30)}",
        f"1 {CM_80} inline:{encoded()} KDR=24",
        f"1 {CM_80} inline:{encoded()} UNAUTHENTICATED_SRTP",
        f"1 {CM_80} inline:{encoded()} FEC_KEY=inline:{encoded()}",
        f"1 {CM_80} inline:{encoded()} SOMETHING",
    ],
)
def test_a_line_beyond_us_is_not_taken(value: str) -> None:
    assert taken(value) is None
    assert took(value, f"2 {CM_32} inline:{encoded()}") == f"2 {CM_32} inline:KEY"


def test_the_strongest_line_is_taken() -> None:
    lines = {
        CM_32: f"1 {CM_32} inline:{encoded()}",
        CM_80: f"2 {CM_80} inline:{encoded()}|2^20|1:4",
        CM_256: f"3 {CM_256} inline:{encoded(46)}",
        GCM_128: f"4 {GCM_128} inline:{encoded(28)}",
        GCM_256: f"5 {GCM_256} inline:{encoded(44)}",
    }
    for number, suite in enumerate((CM_32, CM_80, CM_256, GCM_128, GCM_256), start=1):
        assert took(*list(lines.values())[:number]) == f"{number} {suite} inline:KEY"
    assert taken() is None


def test_among_equals_the_offers_order_decides_and_rtcp_counts() -> None:
    bare = f"1 {CM_80} inline:{encoded()} UNENCRYPTED_SRTCP"
    assert took(bare) == f"1 {CM_80} inline:KEY UNENCRYPTED_SRTCP"
    barer = f"9 {CM_256} inline:{encoded(46)} UNENCRYPTED_SRTCP UNENCRYPTED_SRTP KDR=0"
    assert took(barer) == f"9 {CM_256} inline:KEY UNENCRYPTED_SRTP UNENCRYPTED_SRTCP"
    assert took(barer, bare) == f"1 {CM_80} inline:KEY UNENCRYPTED_SRTCP"
    assert took(bare, f"5 {CM_80} inline:{encoded()}", f"4 {CM_80} inline:{encoded()}") == f"5 {CM_80} inline:KEY"


def test_what_was_agreed_works_in_both_directions() -> None:
    packet = bytes(RtpPacket(8, 1, 2, 3, bytes(160)))
    for suite, known in SUITES.items():
        theirs = Crypto.fresh(suite, 9)
        agreement = agree([theirs], PLACE)
        assert agreement
        assert Crypto.parse(agreement.ours.to_sdp()) == agreement.ours
        assert len(agreement.ours.keys[0].material) == known.material
        assert agreement.ours.keys != theirs.keys
        protection = agreement.protection
        assert protection.unprotect(Sender(suite, theirs.keys[0].material).protect(packet)) == packet
        assert protection.protect(packet) == Sender(suite, agreement.ours.keys[0].material).protect(packet)


def test_the_same_key_goes_on_and_a_new_one_begins() -> None:
    line = f"1 {CM_80} inline:{encoded()}"
    first = taken(line)
    assert first
    assert taken(line, before=first) is first
    held = taken(line, before=first, place=None)
    assert held == first
    assert held.protection is first.protection
    for again in (
        taken(f"1 {CM_80} inline:{encoded(30, 9)}", before=first),
        taken(line, before=first, place=("192.0.2.1", 40002)),
    ):
        assert again
        assert again.ours.keys != first.ours.keys
        assert again.protection is not first.protection
    begun_on_hold = taken(line, place=None)
    assert begun_on_hold
    resumed = taken(line, before=begun_on_hold)
    assert resumed
    assert (resumed.ours, resumed.protection, resumed.place) == (begun_on_hold.ours, begun_on_hold.protection, PLACE)


def test_the_answer_to_an_offer_of_ours() -> None:
    packet, late = (bytes(RtpPacket(8, sequence, 2, 3, bytes(160))) for sequence in (2, 1))
    before = taken(f"3 {CM_80} inline:{encoded()} UNENCRYPTED_SRTCP")
    assert before
    offering = renewed(before)
    assert (offering.ours.tag, offering.ours.suite, offering.ours.parameters) == (3, CM_80, ("UNENCRYPTED_SRTCP",))
    assert offering.ours.keys != before.ours.keys
    assert (offering.offered, offering.protection) == (before.offered, before.protection)
    theirs = Crypto(3, CM_80, Crypto.fresh(CM_80).keys, ("UNENCRYPTED_SRTCP",))
    others = (Crypto.fresh(CM_80, 4), Crypto.fresh(CM_32, 3), Crypto(3, CM_80, (MasterKey(b"short"),)))
    after = accepted(offering, [*others, theirs], None)
    assert after
    assert (after.offered, after.ours, after.place) == (theirs, offering.ours, PLACE)
    assert after.protection.unprotect(Sender(CM_80, theirs.keys[0].material).protect(packet)) == packet
    assert after.protection.unprotect(Sender(CM_80, bytes([7]) * 30).protect(late)) == late
    assert after.protection.protect(packet) == Sender(CM_80, offering.ours.keys[0].material).protect(packet)
    assert accepted(offering, others, PLACE) is None
    assert accepted(offering, [], PLACE) is None


def test_keys_show_in_no_representation() -> None:
    crypto = Crypto.parse(f"1 {CM_80} inline:{encoded()} FEC_KEY=inline:{encoded()}")
    agreement = taken(f"1 {CM_80} inline:{encoded()}")
    for shown in (repr(crypto), str(crypto), repr(agreement), str(agreement)):
        assert encoded()[:12] not in shown.replace(encoded().upper(), encoded())
        assert repr(crypto.keys[0].material)[2:14] not in shown


KEY = base64.b64encode(bytes(range(7, 37))).decode()


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            f"a=crypto:1 {CM_80} inline:{KEY}|2^20|1:4 KDR=0\r\na=label:1\r\n",
            f"a=crypto:1 {CM_80} inline:(redacted)|2^20|1:4 KDR=0\r\na=label:1\r\n",
        ),
        (
            f"a=crypto:1 {CM_80} inline:{KEY}|1:1;inline:{KEY}|2:1",
            f"a=crypto:1 {CM_80} inline:(redacted)|1:1;inline:(redacted)|2:1",
        ),
        (
            f"A = Crypto : 1 {CM_80} Inline : {KEY}\nv=0",
            f"A = Crypto : 1 {CM_80} (redacted) (redacted) (redacted)\nv=0",
        ),
        (f"a=crypto:1 {CM_80} {KEY}\ra=x\r", f"a=crypto:1 {CM_80} (redacted)\ra=x\r"),
        (f"a=crypto:{KEY}", "a=crypto:(redacted)"),
        (f"a=crypto:1 {CM_80}\n inline:{KEY}", f"a=crypto:1 {CM_80}\n inline:(redacted)"),
        (f"a=cryptoscale:1 client {CM_80} inline:{KEY}|1:1", f"a=cryptoscale:1 client {CM_80} inline:(redacted)|1:1"),
        (f"k=base64:{KEY}\r\nk = clear:{KEY}", "k=(redacted)\r\nk =(redacted)"),
        (f"a=key-mgmt:mikey {KEY}\r\nm=audio", "a=key-mgmt:(redacted)\r\nm=audio"),
        (f"<sdp>a=crypto:1 {CM_80} inline:{KEY}</sdp>", f"<sdp>a=crypto:1 {CM_80} inline:(redacted)</sdp>"),
        ("v=0\r\nm=audio 9 RTP/AVP 8\r\na=ok:k=1\r\n", "v=0\r\nm=audio 9 RTP/AVP 8\r\na=ok:k=1\r\n"),
    ],
)
def test_keys_are_taken_out_of_what_is_kept(body: str, kept: str) -> None:
    assert redacted(body.encode()).decode() == kept


tails = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)


def test_a_key_in_the_place_of_the_suite_is_hidden() -> None:
    key = b"yWjz8DRz8kluzXU3eBrrsRpNyypizlcsLn2JE0NA"
    assert key not in redacted(b"a=crypto:4 " + key + b" inline:x")
    assert b"a=crypto:1 AEAD_AES_128_GCM" in redacted(b"a=crypto:1 AEAD_AES_128_GCM " + key)


@given(st.sampled_from(list(SUITES)), tails, tails, st.sampled_from(["\r\n", "\n", "\r"]))
def test_no_key_survives_what_stands_around_it(suite: str, before: str, after: str, end: str) -> None:
    crypto = Crypto.fresh(suite)
    key = base64.b64encode(crypto.keys[0].material)
    for line in (
        f"a=crypto:{crypto.to_sdp()} {after}",
        f"a=crypto:{before} {key.decode()} {after}",
        f"k={key.decode()}",
    ):
        body = f"v=0{end}a=x:{before}{end}{line}{end}{after}".encode()
        assert key not in redacted(body)
        assert redacted(redacted(body)) == redacted(body)


@given(st.text() | st.text(st.sampled_from("1 :|;=^inlineAES_CM")))
def test_only_value_error_and_what_is_read_is_written(text: str) -> None:
    try:
        crypto = Crypto.parse(text)
    except ValueError:
        return
    assert Crypto.parse(crypto.to_sdp()) == crypto


@given(
    st.builds(
        Crypto,
        st.integers(0, 999_999_999),
        st.sampled_from([*SUITES, "OTHER"]),
        st.integers(1, 16).flatmap(
            lambda size: st.lists(
                st.builds(MasterKey, st.binary(min_size=1, max_size=46), st.binary(min_size=size, max_size=size)),
                min_size=1,
                max_size=3,
                unique_by=lambda key: key.mki,
            ).map(tuple)
        ),
        st.lists(st.sampled_from(["KDR=1", "WSH=64", "-X"])).map(tuple),
    )
)
def test_round_trip(crypto: Crypto) -> None:
    assert Crypto.parse(crypto.to_sdp()) == crypto
