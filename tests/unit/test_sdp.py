"""Session descriptions as gateways write them, and the answers of a recording server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.answer import answer
from telephony.sip.crypto import Crypto, agree
from telephony.sip.sdp import MOST_MEDIA, Description, Media, parse_sdp

OFFER = b"""v=0
o=gw 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
a=sendonly
m=audio 40000 RTP/AVP 97 8 0 101
a=rtpmap:101 telephone-event/8000
a=label:1
a=ptime:20
m=audio 40002/1 RTP/AVP 96
c=IN IP4 192.0.2.2
a=rtpmap:96 pcma/8000/1
a=label:caller
a=inactive
m=video 40004 RTP/AVP 97
a=rtpmap:97 H264/90000
m=audio 40006 RTP/AVP 98
a=rtpmap:98 EVRC/8000
a=label:4
m=audio 40008 RTP/SAVP 8
m=audio 0 RTP/AVP 8
"""


def answered(offer: str, *, agreed: bool = False) -> str:
    """The answer with every line that can be recorded at port 20000 and above."""
    read = parse_sdp(offer.encode())
    ports = {index: 20000 + 2 * index for index, media in enumerate(read.media) if media.recordable()}
    keys = {index: agree(read.media[index].cryptos, ("", 0)) for index in ports} if agreed else None
    return answer(read, ports, "192.0.2.9", session_id=1, version=1, agreed=keys).decode()


def one(lines: str) -> Media:
    """The only m-line of a description."""
    (media,) = parse_sdp(lines.encode()).media
    return media


def test_an_offer_is_read() -> None:
    first, second, *others = parse_sdp(OFFER).media
    assert (first.port, first.label, first.direction, first.connection) == (40000, "1", "sendonly", "192.0.2.1")
    assert (second.port, second.label, second.direction, second.connection) == (
        40002,
        "caller",
        "inactive",
        "192.0.2.2",
    )
    assert first.recordable() == {"8": "PCMA/8000", "0": "PCMU/8000", "101": "TELEPHONE-EVENT/8000"}
    assert second.recordable() == {"96": "PCMA/8000"}
    assert [media.recordable() for media in others] == [{}, {}, {}, {}]
    assert [media.refusal() for media in others] == ["not audio", "no known codec", "no usable key", "closed"]


def test_the_answer_takes_audio_and_refuses_the_rest() -> None:
    text = answer(parse_sdp(OFFER), {0: 20000, 1: 20002, 2: 9}, "198.51.100.1", session_id=7, version=2).decode()
    assert text.startswith("v=0\r\no=huiyin 7 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n")
    assert "m=audio 20000 RTP/AVP 8 0 101\r\na=label:1\r\n" in text
    assert "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=recvonly\r\n" in text
    assert "m=audio 20002 RTP/AVP 96\r\na=label:caller\r\na=rtpmap:96 pcma/8000/1\r\na=inactive\r\n" in text
    assert "m=video 0 RTP/AVP 97\r\na=inactive\r\nm=audio 0 RTP/AVP 98\r\na=label:4\r\n" in text
    again = parse_sdp(text.encode())
    assert [media.port for media in again.media] == [20000, 20002, 0, 0, 0, 0]
    assert [media.direction for media in again.media[:2]] == ["recvonly", "inactive"]


@pytest.mark.parametrize(
    ("offered", "told"),
    [("sendrecv", "recvonly"), ("sendonly", "recvonly"), ("recvonly", "inactive"), ("inactive", "inactive")],
)
@pytest.mark.parametrize("place", ["session", "media"])
def test_we_only_ever_receive(offered: str, told: str, place: str) -> None:
    head, tail = (f"a={offered}\n", "") if place == "session" else ("", f"a={offered}\n")
    offer = parse_sdp(f"v=0\nc=IN IP6 2001:db8::1\n{head}m=audio 9 RTP/AVP 0\n{tail}".encode())
    assert offer.media[0].connection == "2001:db8::1"
    text = answer(offer, {0: 20000}, "2001:db8::9", session_id=1, version=1)
    assert f"a={told}\r\n".encode() in text
    assert b"c=IN IP6 2001:db8::9\r\n" in text


def test_a_remapped_static_payload_type_is_what_the_map_says() -> None:
    media = one("v=0\nm=audio 9 RTP/AVP 8\na=rtpmap:8 MP4A-LATM/90000\n")
    assert media.encodings() == {"8": "MP4A-LATM/90000"}
    assert media.recordable() == {}


@pytest.mark.parametrize(
    "text",
    [
        "v=0\r\nm=audio 40000 RTP/AVP 8\r\na=label:1\r\n",
        "v=0\nm=audio 40000 RTP/AVP 8\na=label:1",
        "v=0\rm=audio 40000 RTP/AVP 8\ra=label:1\r",
        "\ufeffv=0\n\n\nm=audio\t40000  RTP/AVP\t8 \n a = Label : 1 \n",
        "V=0\nM=AUDIO 40000 rtp/avp 8\nA=LABEL:1\n",
        "m=audio 40000/2 RTP/AVP 8 8\na=label:1\na=label:2\n",
        "v=0\nt=0 0\ns=\nnonsense\nz\n=\nm=audio 40000 RTP/AVP 8\nq=?\na=\na=:\na=label:1\nc=IN\nc=broken line\n",
        "v=0\nm=audio 40000 RTP/AVP 8\na=rtpmap:8 pcma\na=rtpmap:broken\na=rtpmap:0 x/y\na=label:1\n",
    ],
)
def test_however_it_is_written(text: str) -> None:
    media = one(text)
    assert (media.kind, media.port, media.label, media.recordable()) == ("audio", 40000, "1", {"8": "PCMA/8000"})


@pytest.mark.parametrize(
    "line",
    ["m=", "m=audio", "m=audio 70000 RTP/AVP 8", "m=audio x RTP/AVP 8", "m=audio 40000 RTP/AVP", "m=audio 123456 x 8"],
)
def test_a_broken_media_line_is_refused_in_its_place(line: str) -> None:
    text = answered(f"v=0\nm=audio 40000 RTP/AVP 8\na=label:1\n{line}\na=label:2\nm=audio 40004 RTP/AVP 8\na=label:3\n")
    assert [(media.port, media.label) for media in parse_sdp(text.encode()).media] == [
        (20000, "1"),
        (0, "2"),
        (20004, "3"),
    ]


def test_lines_without_end_do_not_take_all_ports() -> None:
    offer = parse_sdp(b"v=0\n" + b"m=audio 40000 RTP/AVP 8\n" * 3000)
    assert len(offer.media) == 3000
    assert sum(1 for media in offer.media if media.recordable()) == MOST_MEDIA
    assert answer(offer, {}, "192.0.2.1", session_id=1, version=1).count(b"m=audio 0 ") == 3000


@pytest.mark.parametrize(
    ("line", "held"),
    [("c=IN IP4 0.0.0.0", True), ("c=IN IP6 ::", True), ("c=IN IP4 192.0.2.1", False), ("c=IN IP4 a.invalid", False)],
)
def test_hold_by_address(line: str, held: bool) -> None:
    assert one(f"v=0\nc=IN IP4 192.0.2.7\nm=audio 9 RTP/AVP 8\n{line}\n").held is held
    assert one(f"v=0\n{line}\nm=audio 9 RTP/AVP 8\n").held is held


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("m=video 9 RTP/AVP 97", "not audio"),
        ("m=image 9 udptl t38", "not audio"),
        ("m=message 9 TCP/MSRP *", "not audio"),
        ("m=audio 0 RTP/AVP 8", "closed"),
        ("m=audio 9 TCP/RTP/AVP 8", "unknown transport"),
        ("m=audio 9 RTP/SAVP 8", "no usable key"),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 8\na=fingerprint:sha-256 AB:CD\na=setup:actpass", "no usable key"),
        ("m=audio 9 RTP/AVP 96 13 101\na=rtpmap:101 telephone-event/8000", "no known codec"),
        ("m=audio 9 RTP/AVPF 8", ""),
    ],
)
def test_why_a_line_is_refused(line: str, why: str) -> None:
    assert one(f"v=0\n{line}\n").refusal() == why
    assert answered(f"v=0\n{line}\n").count("m=") == 1


def test_refusals_that_cost_sound_are_told() -> None:
    lines = (
        "audio 9 RTP/AVP 8",
        "video 9 RTP/AVP 97",
        "audio 9 RTP/SAVP 8",
        "audio 0 RTP/AVP 8",
        "audio",
        "audio 9 x 8",
    )
    assert parse_sdp("".join(f"m={line}\n" for line in lines).encode()).refusals() == (
        "audio line 3 refused: no usable key",
        "audio line 6 refused: unknown transport",
    )


def test_digits_and_comfort_noise_come_along_at_any_clock() -> None:
    text = answered(
        "v=0\nm=audio 9 RTP/AVP 8 13 101 102 103\na=rtpmap:101 telephone-event/48000\na=fmtp:101 0-16,32\n"
        "a=rtpmap:102 CN/16000\na=rtpmap:103 red/8000\n"
    )
    assert "m=audio 20000 RTP/AVP 8 13 101 102\r\n" in text
    assert "a=rtpmap:13 CN/8000\r\na=rtpmap:101 telephone-event/48000\r\na=fmtp:101 0-16,32\r\n" in text


def test_how_packets_are_cut_and_what_codecs_were_told_is_repeated() -> None:
    text = answered(
        "v=0\na=ptime:30\nm=audio 9 RTP/AVP 18 96\na=fmtp:18 annexb=no\na=rtpmap:96 opus/48000/2\na=maxptime:60\n"
        "a=fmtp:96 useinbandfec=1; stereo=0\nm=audio 9 RTP/AVP 8\na=ptime:10\n"
    )
    assert "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n" in text
    assert "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1; stereo=0\r\na=ptime:30\r\na=maxptime:60\r\n" in text
    assert text.count("a=ptime:10\r\n") == 1


def test_attributes_of_browsers_and_border_controllers() -> None:
    text = answered(
        "v=0\na=group:BUNDLE a b\na=ice-lite\nm=audio 9 RTP/AVPF 8\na=mid:a\na=rtcp-mux\na=rtcp-rsize\na=rtcp:9\n"
        "a=ssrc:1 cname:x\na=ice-ufrag:u\na=ice-pwd:p\na=candidate:1 1 UDP 1 192.0.2.1 9 typ host\na=setup:actpass\n"
        "a=rtcp-fb:* nack\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\na=label:1\n"
        "m=audio 9 RTP/AVP 8\na=mid:b\na=rtcp:9 IN IP4 192.0.2.1\n"
    )
    first, second = parse_sdp(text.encode()).media
    assert (first.profile, first.mux, first.attribute("mid"), first.label) == ("RTP/AVPF", True, "a", "1")
    assert (second.mux, second.attribute("mid"), second.port) == (False, "b", 20002)
    for unsupported in ("group", "ice", "candidate", "setup", "rtcp-fb", "rtcp-rsize", "extmap", "ssrc", "a=rtcp:"):
        assert unsupported not in text


def test_one_line_with_a_key_and_one_without() -> None:
    key = Crypto.fresh("AEAD_AES_128_GCM", 3)
    text = answered(
        f"v=0\nm=audio 9 RTP/SAVPF 8\na=crypto:{key.to_sdp()}\na=fingerprint:sha-256 AB\nm=audio 9 RTP/AVP 8\n",
        agreed=True,
    )
    first, second = parse_sdp(text.encode()).media
    assert (first.profile, [one.tag for one in first.cryptos], second.cryptos) == ("RTP/SAVPF", [3], ())
    assert first.cryptos[0].keys != key.keys
    assert "fingerprint" not in text


def test_a_key_that_cannot_be_used_leaves_an_open_line_open() -> None:
    text = answered("v=0\nm=audio 9 RTP/AVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short\n", agreed=True)
    assert "m=audio 20000 RTP/AVP 8\r\n" in text
    assert "crypto" not in text


@pytest.mark.parametrize("body", [b"", b"\n\n", b"v=1\nm=audio 9 RTP/AVP 0\n", b"nonsense", b"\x00\xff", b"s=-\n"])
def test_what_is_no_sdp_raises_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        parse_sdp(body)


words = st.text(st.sampled_from("abz09-.\u56de"), min_size=1, max_size=8)
names = words.filter(lambda name: name.lower() == name).map(lambda name: f"x-{name}")
medias = st.builds(
    Media,
    kind=st.sampled_from(["audio", "video", "image"]),
    port=st.integers(0, 65535),
    profile=st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl"]),
    formats=st.lists(words, min_size=1, max_size=5, unique=True).map(tuple),
    connection=st.sampled_from(["192.0.2.1", "2001:db8::1", "host.invalid"]),
    direction=st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]),
    attributes=st.lists(st.tuples(names, st.just("") | words), max_size=4).map(tuple),
    cryptos=st.lists(st.sampled_from(["AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_32"]), max_size=2).map(
        lambda suites: tuple(Crypto.fresh(suite, tag) for tag, suite in enumerate(suites, 1))
    ),
)
descriptions = st.builds(
    Description,
    origin=st.just("gw 1 1 IN IP4 192.0.2.1"),
    media=st.lists(medias, max_size=4).map(tuple),
    connection=st.sampled_from(["192.0.2.1", "2001:db8::1"]),
    attributes=st.lists(st.tuples(names, st.just("") | words), max_size=3).map(tuple),
)


@given(descriptions)
def test_round_trip(description: Description) -> None:
    assert parse_sdp(bytes(description)) == description


@given(st.binary(max_size=200), st.integers(0, len(OFFER)))
def test_only_value_error_escapes_and_every_line_is_answered(noise: bytes, place: int) -> None:
    for body in (noise, b"v=0\n" + noise, OFFER[:place] + noise + OFFER[place:]):
        try:
            offer = parse_sdp(body)
        except ValueError:
            continue
        ports = {index: 20000 for index, media in enumerate(offer.media) if media.recordable()}
        again = parse_sdp(answer(offer, ports, "192.0.2.1", session_id=1, version=1))
        assert len(again.media) == len(offer.media)
        assert [index for index, media in enumerate(again.media) if media.port] == list(ports)


def test_sound_of_two_channels_is_not_taken_for_one() -> None:
    """Its samples would be read as twice as many of one channel.  Opus says two channels whatever it has."""
    text = (
        "v=0\nm=audio 9 RTP/AVP 96 97 98\na=rtpmap:96 L16/16000/2\na=rtpmap:97 L16/16000/1\na=rtpmap:98 opus/48000/2\n"
    )
    assert parse_sdp(text.encode()).media[0].recordable() == {"97": "L16/16000", "98": "OPUS/48000"}
