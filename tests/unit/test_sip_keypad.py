"""Keys told by INFO, in the bodies that gateways use."""

import pytest

from telephony.sip.keypad import pressed
from telephony.sip.message import Request


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("Application/DTMF-Relay; charset=x", b"Duration=160\r\nsignal = *\r\n", "*"),
        ("application/dtmf-relay", b"Signal=10\nDuration=100", "*"),
        ("application/dtmf-relay", b"Signal=11", "#"),
        ("application/dtmf-relay", b"Signal=a", "A"),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b" #\r\n", "#"),
        ("application/dtmf-relay", b"Signal=55", ""),
        ("application/dtmf-relay", b"Duration=1", ""),
        ("application/dtmf", b"hello", ""),
        ("application/dtmf", b"", ""),
        ("application/dtmf", b"\xff\xfe" * 500, ""),
        ("application/media_control+xml", b"5", ""),
    ],
)
def test_the_key_of_a_body(kind: str, body: bytes, key: str) -> None:
    assert pressed(Request("INFO", "sip:r", (("Content-Type", kind),), body)) == key
