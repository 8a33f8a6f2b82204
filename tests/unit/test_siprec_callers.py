"""What headers tell: people, the conversation's name, the sides of a built-in bridge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.message import Request, decode
from telephony.siprec.callers import Group, numbers_in, read_callers, read_group
from telephony.siprec.metadata import parse_metadata
from telephony.siprec.snapshot import Metadata


def request(*headers: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:r@h", headers)


def numbers(*headers: tuple[str, str]) -> list[str]:
    return [one.number for one in read_callers(request(*headers)).people.participants]


def test_headers_are_believed_in_order() -> None:
    told = (
        ("From", '"王" <sip:13800000001@x>;tag=1'),
        ("P-Asserted-Identity", "<sip:8001@x>, <tel:+8613800000002>"),
        ("X-Cisco-Caller", "<sip:13800000003@x>"),
        ("Remote-Party-ID", "<sip:8001@x>;party=calling"),
    )
    assert numbers(*told) == ["13800000003", "8001", "+8613800000002", "13800000001"]
    (last,) = read_callers(request(told[0])).people.participants
    assert (last.name, last.aor) == ("王", "sip:13800000001@x")


@pytest.mark.parametrize("value", ["<sip:sbc@x>", "<sip:x>", "anonymous", '"no end <sip:1@x>', "<sip:10.0.0.1>", ""])
def test_what_is_no_number_names_nobody(value: str) -> None:
    assert numbers(("From", value), ("P-Asserted-Identity", value), ("X-Cisco-Id", value)) == []


def test_names_are_read_in_gbk() -> None:
    raw = '"王五" <sip:13800000001@x>'.encode("gbk")
    (one,) = read_callers(request(("From", decode(raw)))).people.participants
    assert (one.name, one.number) == ("王五", "13800000001")


def test_compact_from_is_from() -> None:
    assert numbers(("f", "<sip:8001@x>")) == ["8001"]


GROUPS = [
    ("X-UCID", "u-1", "u-1"),
    ("User-to-User", "00FA080001015969A38F90;encoding=hex", "00001003451772326800"),
    ("X-Foo-Call-ID", "f-1", "f-1"),
    ("Session-ID", "ab30;remote=00", "ab30"),
]


@pytest.mark.parametrize("present", range(len(GROUPS)))
def test_the_best_name_wins(present: int) -> None:
    headers = [(name, value) for name, value, _ in reversed(GROUPS[present:])]
    assert read_group(request(*headers), None).name == GROUPS[present][2]


def test_metadata_names_the_conversation_between_the_headers() -> None:
    metadata = Metadata(group="g", session="s", extensions={"gcid": "7"})
    weak, strong = ("X-Foo-Call-ID", "f-1"), ("X-UCID", "u-1")
    assert read_group(request(weak), metadata).name == "g"
    assert read_group(request(weak, strong), metadata).name == "u-1"
    assert read_group(request(weak), Metadata(session="s", extensions={"gcid": "7"})).name == "7"
    assert read_group(request(), Metadata(session="s")).name == "s"
    assert read_group(request(("User-to-User", "04FA")), None) == Group()
    # An extension may bring what others say in a header.
    inside = Metadata(group="g", extensions={"ucid": "00FA080001015969A38F90;encoding=hex"})
    assert read_group(request(), inside).name == "00001003451772326800"


@pytest.mark.parametrize(
    ("side", "speaker"),
    [("x-nearend", "near:8001"), ("x-farend", "far:13800000001"), ("x-nearend;x-farend", "near:8001")],
)
@pytest.mark.parametrize("bracket", [True, False])
def test_a_built_in_bridge_says_whose_voice_comes(side: str, speaker: str, bracket: bool) -> None:
    parameters = f"{side};x-refci=5;x-nearenddevice=D;x-nearendclusterid=C;x-farendaddr=13800000001"
    uri = f"sip:8001@cm;{parameters}"
    callers = read_callers(request(("From", f"<{uri}>;tag=1" if bracket else uri)))
    assert (callers.tie, callers.speaker) == ("C D 5", speaker)
    assert [(one.role, one.number) for one in callers.people.participants] == [
        ("agent", "8001"),
        ("citizen", "13800000001"),
    ]


def test_a_bridge_that_hides_the_far_end_still_has_sides() -> None:
    callers = read_callers(request(("From", "<sip:8001@cm;x-farend;x-refci=5>")))
    assert (callers.tie, callers.speaker) == ("5", "")
    assert [one.role for one in callers.people.participants] == ["agent"]


def test_extension_numbers_come_calling_first() -> None:
    body = b"""<recording><participant id='1'/><x><calledPartyNumber>sip:12345@x</calledPartyNumber>
    <callingPartyNumber>+8613800000001</callingPartyNumber><from>no number</from></x></recording>"""
    assert numbers_in(parse_metadata(body)) == ("+8613800000001", "12345")


@given(st.lists(st.tuples(st.sampled_from(["From", "User-to-User", "X-Cisco-A", "Session-ID", "X-UCID"]), st.text())))
def test_nothing_escapes(headers: list[tuple[str, str]]) -> None:
    asked = request(*headers)
    read_callers(asked)
    read_group(asked, None)
