"""Our own offer."""

import pytest

from telephony.sip.offer import offer
from telephony.sip.sdp import parse_sdp


@pytest.mark.parametrize(("host", "family"), [("192.0.2.1", "IP4"), ("2001:db8::1", "IP6")])
def test_the_offer_is_audio_that_we_only_receive(host: str, family: str) -> None:
    text = offer((20000, 0, 20004), host, session_id=7, version=2)
    assert f"o=huiyin 7 2 IN {family} {host}\r\n".encode() in text
    first, closed, third = parse_sdp(text).media
    assert [(one.port, one.direction, one.label) for one in (first, third)] == [
        (20000, "recvonly", "1"),
        (20004, "recvonly", "3"),
    ]
    assert (closed.port, closed.recordable()) == (0, {})
    # Whatever we offer we can record, A-law first.
    offered = first.recordable()
    assert tuple(offered) == first.formats
    assert next(iter(offered.items())) == ("8", "PCMA/8000")
    assert {"PCMU/8000", "G722/8000", "TELEPHONE-EVENT/8000"} <= set(offered.values())
