"""What the user agent server does not do a second time, and what it tells its operator of calls that it refuses."""

import pytest

from telephony.sip.message import parse
from telephony.sip.server import Server
from tests.unit.test_sip_server import FLOW, OTHER, Calls, Peer


def test_a_request_that_came_two_ways_within_a_dialog_is_done_once() -> None:
    """Another branch makes it another transaction; the number tells that it is the same (keys count once)."""
    peer = Peer()
    peer.call()
    statuses = [peer.send(peer.text("INFO", branch=branch, number=5))[0].status for branch in ("one", "two")]
    assert (statuses, peer.calls.log.count("informed")) == ([200, 500], 1)


def test_an_ack_belongs_to_one_invite() -> None:
    """That of the first, come late, does not end the waiting for that of the second, which answers our offer."""
    peer = Peer(Calls(offers=True))
    peer.call()
    peer.calls.log.clear()
    (response,) = peer.send(peer.text("INVITE", number=7))
    assert response.status == 200
    for stray in (1, 6, 8):
        peer.send(peer.text("ACK", branch=f"stray{stray}", number=stray))
    assert (peer.server.unconfirmed, "acknowledged" in peer.calls.log) == (1, False)
    peer.send(peer.text("ACK", branch="right", number=7))
    assert (peer.server.unconfirmed, peer.calls.log.count("acknowledged")) == (0, 1)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"Contact: <sip:g@gw:5070>", b"Contact: <sip:g@gw:5070", "400, a broken request"),
        (b"Contact", b"Require: 100rel, path\r\nContact", "420, it requires what we do not know: path"),
        (b"INVITE sip:r@s", b"INVITE im:r@s", "416, its Request-URI"),
        (b"Contact", b"Accept: text/html\r\nContact", "406, its Accept lacks application/sdp"),
    ],
)
def test_a_refused_call_is_told_with_its_reason_once_a_minute(old: bytes, new: bytes, why: str) -> None:
    told: list[tuple[str, str, int]] = []
    server = Server(
        Calls(),
        contact=lambda flow: "203.0.113.1:5060",
        new_tag=lambda: "t",
        refused=lambda *note: told.append(note),
    )
    for place, (flow, now) in enumerate(((FLOW, 0.0), (FLOW, 1.0), (OTHER, 2.0), (FLOW, 61.0))):
        text = Peer().text("INVITE", branch=f"b{place}", call_id=f"c{place}").replace(old, new, 1)
        (send,) = server.receive(parse(text), flow, now)
        assert not send.data.startswith(b"SIP/2.0 200")
    assert [(host, times) for host, _, times in told] == [("192.0.2.1", 1), ("192.0.2.9", 1), ("192.0.2.1", 2)]
    assert all(reason.startswith(why) for _, reason, _ in told)


def test_what_is_refused_by_rule_is_not_told() -> None:
    """Merged requests, intervals that are negotiated, 503 (told where it arises): nobody has anything to mend."""
    told: list[str] = []
    calls = Calls()
    server = Server(
        calls,
        contact=lambda flow: "203.0.113.1:5060",
        new_tag=lambda: "t",
        refused=lambda host, why, n: told.append(why),
    )
    peer = Peer()
    server.receive(parse(peer.text("INVITE", branch="one")), FLOW, 0.0)
    server.receive(parse(peer.text("INVITE", branch="two")), FLOW, 0.0)
    short = peer.text("INVITE", "Supported: timer", "Session-Expires: 30", branch="three", call_id="d")
    server.receive(parse(short), FLOW, 0.0)
    calls.status = 503
    server.receive(parse(peer.text("INVITE", branch="four", call_id="e")), FLOW, 0.0)
    assert told == []
