"""Header values: lists, parameters, Via and addresses."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.header import Address, CSeq, Via, parse_parameters, split_outside, user_of


def test_commas_in_quotes_and_brackets_do_not_split() -> None:
    assert split_outside('"Li, \\"Ming" <sip:a;x=1,2@b>, <sip:c@d>', ",") == [
        '"Li, \\"Ming" <sip:a;x=1,2@b>',
        "<sip:c@d>",
    ]


def test_parameters_keep_order_and_flags() -> None:
    assert parse_parameters(';Branch=z9;rport;x="a;b" ; y = 2') == (
        ("branch", "z9"),
        ("rport", None),
        ("x", '"a;b"'),
        ("y", "2"),
    )


@pytest.mark.parametrize(
    ("text", "host", "port", "transport"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKx", "192.0.2.1", 5062, "UDP"),
        ("SIP / 2.0 / tcp  gw.example ; branch=1", "gw.example", None, "TCP"),
        ("SIP/2.0/TLS [2001:db8::1]:5061;branch=1", "[2001:db8::1]", 5061, "TLS"),
    ],
)
def test_via_is_read(text: str, host: str, port: int | None, transport: str) -> None:
    via = Via.parse(text)
    assert (via.host, via.port, via.transport) == (host, port, transport)
    assert Via.parse(str(via)) == via


def test_received_and_rport_are_added_only_where_they_say_something() -> None:
    same = Via.parse("SIP/2.0/UDP 192.0.2.1:5060;branch=1")
    assert same.seen_from("192.0.2.1", 5060) == same
    assert str(same.seen_from("198.51.100.7", 6000)).endswith(";branch=1;received=198.51.100.7")
    asked = Via.parse("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=1")
    assert str(asked.seen_from("192.0.2.1", 6000)).endswith(";branch=1;received=192.0.2.1;rport=6000")


@pytest.mark.parametrize(
    ("text", "uri", "display", "tag"),
    [
        ("<sip:a@b>;tag=1", "sip:a@b", "", "1"),
        ("sip:a@b;tag=2", "sip:a@b", "", "2"),
        ('"A <b> \\"c\\"" <sip:a@b;lr>;tag=3;x', "sip:a@b;lr", 'A <b> "c"', "3"),
        ("Plain Name <tel:+86-10-12345>", "tel:+86-10-12345", "Plain Name", ""),
    ],
)
def test_addresses_are_read(text: str, uri: str, display: str, tag: str) -> None:
    address = Address.parse(text)
    assert (address.uri, address.display, address.tag) == (uri, display, tag)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        ("sip:13900000001@gw;user=phone", "13900000001"),
        ("sips:+86%2010-1234@gw", "+86101234"),
        ("tel:+86-10-12345;phone-context=x", "+861012345"),
        ("sip:agent.one:secret@gw", "agent.one"),
        ("sip:gw.example", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_number_is_the_user_part(uri: str, user: str) -> None:
    assert user_of(uri) == user


@given(st.text(max_size=80))
def test_only_value_error_escapes(text: str) -> None:
    split_outside(text, ",")
    user_of(text)
    parse_parameters(text)
    for reader in (Via.parse, CSeq.parse, Address.parse):
        with contextlib.suppress(ValueError):
            str(reader(text))


@given(st.text(alphabet='ab,;"<>\\ \udc81@', max_size=30), st.sampled_from(",;"))
def test_text_without_shelter_is_cut_at_every_separator(text: str, separator: str) -> None:
    parts = split_outside(text, separator)
    assert all(part == part.strip() for part in parts)
    if not set('"<>') & set(text):
        assert len(parts) == text.count(separator) + 1
    # What is cut nowhere inside a shelter comes out whole, however it began.
    assert separator.join(parts).replace(" ", "") == text.replace(" ", "")
