"""Which addresses a webhook may lead to, and how they may be written."""

from ipaddress import ip_address, ip_network

import pytest

from api.webhooks.addresses import METADATA, NOBODY, PRIVATE, Reach, parse_url, refusal, refused_among

REACH = Reach(frozenset({443}))
PUBLIC = ("93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450::1", "240e::1", "2408:8000::1")
# Addresses that stand for an IPv4 address: IPv4-mapped, translated, NAT64 (both), 6to4, IPv4-compatible.
FORMS = ("::ffff:{0}", "::ffff:0:{0}", "64:ff9b::{0}", "64:ff9b:1::{0}", "2002:{1}::1", "::{0}")
INSIDE = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("169.254.1.1", "198.18.0.1", "192.0.0.8", "192.0.2.1", "198.51.100.7", "203.0.113.9", "240.0.0.1", "0.1.2.3"),
)


def forms(address: str) -> list[str]:
    """Every way in which IPv6 stands for this IPv4 address."""
    number = int(ip_address(address))
    return [each.format(address, f"{number >> 16:x}:{number & 0xFFFF:x}") for each in FORMS]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert refusal(ip_address(address), ()) == ""


@pytest.mark.parametrize("address", INSIDE)
def test_private_addresses_may_not_in_any_form(address: str) -> None:
    for form in (address, *forms(address)):
        assert refusal(ip_address(form), ()) == PRIVATE, form


def test_what_stands_for_a_public_address_is_public() -> None:
    for form in forms("93.184.216.34"):
        assert refusal(ip_address(form), ()) == "", form


@pytest.mark.parametrize(
    "address",
    [
        *("::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "2001:db8::1", "2001::1", "2001:10::1", "3fff::1"),
        *("100::1", "4000::1", "5f00::1", "fe80::1%lo"),
        # Teredo, and 127.0.0.1 where a local translation prefix of 48, 56 or 64 bits has it, above 8.8.8.8.
        *("2001:0:7f00:1::1", "64:ff9b:1:7f00:0:100:808:808", "64:ff9b:1:7f:0:1:808:808", "64:ff9b:1:0:7f:0:108:808"),
    ],
)
def test_addresses_of_ipv6_that_are_not_public(address: str) -> None:
    assert refusal(ip_address(address), ()) == PRIVATE


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "239.255.255.250", "ff02::1", "::ffff:224.0.0.1"])
def test_what_is_no_machine_is_refused_even_in_an_allowed_network(address: str) -> None:
    assert refusal(ip_address(address), (ip_network("0.0.0.0/0"), ip_network("::/0"))) == NOBODY


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", *forms("169.254.169.254")],
)
def test_metadata_is_refused_even_in_an_allowed_network(address: str) -> None:
    assert refusal(ip_address(address), (ip_network("0.0.0.0/0"), ip_network("::/0"))) == METADATA


def test_an_allowed_network_lets_in_what_lies_in_it_and_no_more() -> None:
    allowed = (ip_network("10.20.0.0/16"), ip_network("fd12::/32"))
    assert [refusal(ip_address(each), allowed) for each in ("10.20.3.4", "::ffff:10.20.3.4", "fd12::5")] == ["", "", ""]
    assert [refusal(ip_address(each), allowed) for each in ("10.21.0.1", "fd13::5")] == [PRIVATE, PRIVATE]


def test_one_bad_address_is_enough() -> None:
    assert refused_among(["93.184.216.34", "2606:4700::1111"], ()) == ""
    assert refused_among(["93.184.216.34", "10.0.0.1"], ()) == PRIVATE


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://hotline.example/hook?key=1", "hotline.example", 443),
        ("https://HOTLINE.example.:443", "hotline.example.", 443),
        ("https://93.184.216.34/", "93.184.216.34", 443),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443),
        ("https://xn--fiqs8s/", "xn--fiqs8s", 443),
    ],
)
def test_how_an_address_is_read(url: str, host: str, port: int) -> None:
    target = parse_url(url, REACH)
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://hotline.example/", "https://"),
        ("ftp://hotline.example/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("hotline.example/hook", "https://"),
        ("", "https://"),
        ("https://hotline.example:8443/", "HUIYIN_WEBHOOK_PORTS"),
        ("https://hotline.example:0/", "HUIYIN_WEBHOOK_PORTS"),
        ("https://hotline.example:22/", "HUIYIN_WEBHOOK_PORTS"),
        ("https://hotline.example:x/", "no address"),
        ("https://hotline.example:99999/", "no address"),
        ("https://user:password@hotline.example/", "user name"),
        ("https://user@hotline.example/", "user name"),
        ("https://@hotline.example/", "user name"),
        ("https://hotline.example/#x", "fragment"),
        ("https:///hook", "no valid host"),
        ("https://", "no valid host"),
        ("https://hotline.example\\@10.0.0.1/", "visible"),
        ("https://hotline.example/\r\nX: y", "visible"),
        ("https://hotline.example/ x", "visible"),
        ("https://hotline。example/", "visible"),
        ("https://h%6ftline.example/", "no valid host"),
        ("https://-hotline.example/", "no valid host"),
        ("https://2130706433/", "no valid host"),
        ("https://127.1/", "no valid host"),
        ("https://0177.0.0.1/", "no valid host"),
        ("https://0x7f000001/", "no valid host"),
        ("https://0x7f.0.0.1./", "no valid host"),
        ("https://[::1%25lo]/", "no"),
        ("https://[::1", "no address"),
        ("https://127.0.0.1/", "HUIYIN_WEBHOOK_NETWORKS"),
        ("https://[::ffff:10.0.0.1]/", "HUIYIN_WEBHOOK_NETWORKS"),
        ("https://169.254.169.254/latest/meta-data/", "metadata"),
        ("https://0.0.0.0/", "no machine"),
        ("https://hotline.example/" + "x" * 500, "at most 500"),
    ],
)
def test_how_an_address_may_not_be_written(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_url(url, REACH)


def test_plain_http_where_it_is_allowed() -> None:
    assert parse_url("http://hotline.example/", Reach(frozenset({80, 443}), http=True)).port == 80
