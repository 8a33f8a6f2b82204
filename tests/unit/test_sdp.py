"""Offers and the answers of a recording server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.sdp import answer, parse_sdp

OFFER = b"""v=0
o=gw 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
a=sendonly
m=audio 40000 RTP/AVP 18 8 0 101
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
m=audio 40006 RTP/AVP 18
a=label:4
m=audio 40008 RTP/SAVP 8
m=audio 0 RTP/AVP 8
"""


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


def test_the_answer_takes_audio_and_refuses_the_rest() -> None:
    text = answer(parse_sdp(OFFER), {0: 20000, 1: 20002, 2: 9}, "198.51.100.1", session_id=7, version=2).decode()
    assert text.startswith("v=0\r\no=huiyin 7 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n")
    assert "m=audio 20000 RTP/AVP 8 0 101\r\na=label:1\r\n" in text
    assert "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=recvonly\r\n" in text
    assert "m=audio 20002 RTP/AVP 96\r\na=label:caller\r\na=rtpmap:96 PCMA/8000\r\na=inactive\r\n" in text
    assert "m=video 0 RTP/AVP 97\r\nm=audio 0 RTP/AVP 18\r\na=label:4\r\n" in text
    again = parse_sdp(text.encode())
    assert [media.port for media in again.media] == [20000, 20002, 0, 0, 0, 0]
    assert [media.direction for media in again.media[:2]] == ["recvonly", "inactive"]


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("sendrecv", "recvonly"), ("sendonly", "recvonly"), ("recvonly", "inactive"), ("inactive", "inactive")],
)
def test_we_only_ever_receive(offered: str, answered: str) -> None:
    offer = parse_sdp(f"v=0\nc=IN IP6 2001:db8::1\nm=audio 9 RTP/AVP 0\na={offered}\n".encode())
    text = answer(offer, {0: 20000}, "2001:db8::9", session_id=1, version=1)
    assert f"a={answered}\r\n".encode() in text
    assert b"c=IN IP6 2001:db8::9\r\n" in text


def test_a_remapped_static_payload_type_is_what_the_map_says() -> None:
    media = parse_sdp(b"v=0\nm=audio 9 RTP/AVP 8\na=rtpmap:8 OPUS/48000/2\n").media[0]
    assert media.encodings() == {"8": "OPUS/48000"}
    assert media.recordable() == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=1\n",
        b"m=audio 9 RTP/AVP 0\n",
        b"v=0\nnonsense\n",
        b"v=0\nm=audio\n",
        b"v=0\nm=audio 70000 RTP/AVP 0\n",
        b"v=0\nc=IN\nm=audio 9 RTP/AVP 0\n",
    ],
)
def test_what_is_no_sdp_raises_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        parse_sdp(body)


@given(st.binary(max_size=200), st.integers(0, len(OFFER)))
def test_only_value_error_escapes(noise: bytes, place: int) -> None:
    for body in (noise, b"v=0\n" + noise, OFFER[:place] + noise + OFFER[place:]):
        try:
            offer = parse_sdp(body)
            answer(offer, {0: 20000}, "192.0.2.1", session_id=1, version=1)
        except ValueError:
            pass
