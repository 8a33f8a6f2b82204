"""Session timers (RFC 4028) and what we ask within a dialog, on a clock that only the tests move."""

from dataclasses import dataclass

import pytest

from telephony.sip.message import Headers, Request, Response, parse
from telephony.sip.server import Send
from tests.unit.test_sip_server import FLOW, Calls, Peer

KEY_TAG = "1"


@dataclass
class Timed(Peer):
    """A peer whose clock is moved by hand; ``sent`` is what the server sent by itself."""

    def invite(self, *extra: str) -> Response:
        (response,) = self.send(self.text("INVITE", *extra))
        self.to_tag = response.recipient.tag
        if response.status < 300:
            self.send(self.text("ACK", branch="ack"))
        self.sequence += 1
        return response

    def refresh(self, method: str, now: float, *extra: str) -> Response:
        (response,) = self.send(self.text(method, *extra), now)
        self.sequence += 1
        if method == "INVITE":
            self.send(self.text("ACK", branch=f"ack{self.sequence}", number=self.sequence - 1), now)
        return response

    def until(self, now: float) -> list[tuple[float, Request]]:
        """Let time pass; the requests that came, each with its moment."""
        came = []
        while (deadline := self.server.deadline()) is not None and deadline <= now:
            came += [(deadline, request) for one in self.server.fire(deadline) for request in requests(one)]
        return came

    def reply(self, request: Request, status: int, now: float, *headers: tuple[str, str]) -> list[Request]:
        """Answer a request of the server; what it sends then."""
        copied: Headers = tuple((name, request.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq"))
        sends = self.server.receive(Response(status, "-", (*copied, *headers)), FLOW, now)
        return [request for one in sends for request in requests(one)]

    @property
    def key(self) -> tuple[str, str, str]:
        return "c", self.to_tag, KEY_TAG


def requests(*sends: Send) -> list[Request]:
    messages = [parse(one.data) for one in sends]
    return [message for message in messages if isinstance(message, Request)]


def methods(came: list[tuple[float, Request]]) -> list[tuple[float, str]]:
    return [(moment, request.method) for moment, request in came]


KNOWS = "Supported: timer"


@pytest.mark.parametrize(
    ("wished", "headers", "told", "required"),
    [
        (0, (), "", ""),
        (0, (KNOWS,), "", ""),
        (600, (), "", ""),
        (600, (KNOWS,), "600;refresher=uac", "timer"),
        (600, (KNOWS, "Min-SE: 900"), "900;refresher=uac", "timer"),
        (600, (KNOWS, "Session-Expires: 1800"), "1800;refresher=uac", "timer"),
        (0, (KNOWS, "x: 1800;refresher=uac"), "1800;refresher=uac", "timer"),
        (0, (KNOWS, "Session-Expires: 1800 ; Refresher=UAS"), "1800;refresher=uas", ""),
        (0, ("Require: timer", "Session-Expires: 90"), "90;refresher=uac", "timer"),
        # A proxy's wish, the peer knows nothing of it: only we can refresh.
        (0, ("Session-Expires: 1800",), "1800;refresher=uas", ""),
        (0, ("Session-Expires: 60",), "", ""),
        (0, (KNOWS, "Session-Expires: soon"), "", ""),
    ],
)
def test_what_is_agreed(wished: int, headers: tuple[str, ...], told: str, required: str) -> None:
    peer = Timed(session_expires=wished)
    response = peer.invite(*headers)
    assert (response.status, response.get("Session-Expires"), response.get("Require")) == (200, told, required)
    assert peer.server.session_lives(peer.key) == bool(told)


def test_too_short_an_interval_is_refused_with_the_least() -> None:
    peer = Timed()
    response = peer.invite(KNOWS, "Session-Expires: 89")
    assert (response.status, response.get("Min-SE"), peer.calls.log) == (422, "90", [])
    peer.to_tag = ""
    assert peer.invite(KNOWS, "Session-Expires: 90").status == 200
    assert peer.refresh("UPDATE", 1.0, KNOWS, "Session-Expires: 30").status == 422
    # The refused change left the timer that was agreed.
    assert methods(peer.until(500.0))[:1] == [(90.0, "BYE")]


def test_a_session_that_nobody_refreshes_ends() -> None:
    peer = Timed()
    peer.invite(KNOWS, "Session-Expires: 1800;refresher=uac")
    assert peer.until(1799.0) == []
    came = peer.until(1800.0)
    assert methods(came) == [(1800.0, "BYE")]
    assert (peer.calls.log[-1], came[0][1].recipient.tag) == ("expired", "1")
    assert [one.status for one in peer.send(peer.text("UPDATE"), 1801.0)] == [481]


def test_a_session_that_still_has_sound_loses_only_its_timer() -> None:
    peer = Timed(Calls(ends_unacknowledged=False))
    peer.invite(KNOWS, "Session-Expires: 1800;refresher=uac")
    assert (peer.until(9999.0), peer.calls.log.count("expired")) == ([], 1)
    assert not peer.server.session_lives(peer.key)
    assert peer.refresh("UPDATE", 9999.0, KNOWS, "Session-Expires: 100;refresher=uac").status == 200
    assert peer.server.session_lives(peer.key)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_refresh_begins_the_interval_anew(method: str) -> None:
    peer = Timed()
    peer.invite(KNOWS, "Session-Expires: 100;refresher=uac")
    for now in (50.0, 99.0, 198.0):
        response = peer.refresh(method, now, KNOWS, "Session-Expires: 100;refresher=uac")
        assert response.get("Session-Expires") == "100;refresher=uac"
    # What is no refresh lengthens nothing.
    assert peer.refresh("INFO", 250.0).status == 200
    assert methods(peer.until(298.0)) == [(298.0, "BYE")]


def test_a_refresh_without_a_timer_ends_the_timer_not_the_call() -> None:
    peer = Timed()
    peer.invite(KNOWS, "Session-Expires: 100;refresher=uac")
    assert peer.refresh("UPDATE", 50.0).get("Session-Expires") == ""
    assert (peer.until(10_000.0), peer.server.session_lives(peer.key)) == ([], False)


def test_we_refresh_by_update_where_the_peer_takes_it() -> None:
    peer = Timed()
    peer.invite("Allow: INVITE, UPDATE", KNOWS, "Session-Expires: 100;refresher=uas")
    for start in (0.0, 50.0, 100.0):
        ((moment, update),) = peer.until(start + 50.0)
        assert (moment, update.method, update.body) == (start + 50.0, "UPDATE", b"")
        assert (update.get("Session-Expires"), update.get("Min-SE")) == ("100;refresher=uac", "90")
        assert (update.uri, update.get("Contact")) == (
            "sip:g@gw:5070",
            "<sip:huiyin@203.0.113.1:5060;transport=udp>;+sip.srs",
        )
        assert peer.reply(update, 200, moment, ("Session-Expires", "100;refresher=uac")) == []
    assert "expired" not in peer.calls.log


def test_we_refresh_by_our_description_where_it_takes_none() -> None:
    peer = Timed()
    peer.invite(KNOWS, "Session-Expires: 100;refresher=uas")
    ((_, invite),) = peer.until(50.0)
    assert (invite.method, invite.body) == ("INVITE", b"v=0\r\ns=ours\r\n")
    accepted = ("Session-Expires", "100;refresher=uac"), ("Contact", "<sip:moved@gw>")
    (ack,) = peer.reply(invite, 200, 50.2, *accepted)
    assert (ack.method, ack.cseq.number) == ("ACK", invite.cseq.number)
    # The peer's 2xx again is acknowledged again.
    assert [one.method for one in peer.reply(invite, 200, 50.7, *accepted)] == ["ACK"]
    ((moment, again),) = peer.until(100.7)
    assert (moment, again.uri, again.cseq.number) == (100.7, "sip:moved@gw", invite.cseq.number + 1)


def test_a_method_that_is_refused_gives_way_to_the_other() -> None:
    peer = Timed()
    peer.invite("Allow: UPDATE", KNOWS, "Session-Expires: 100;refresher=uas")
    ((_, update),) = peer.until(50.0)
    (invite,) = peer.reply(update, 405, 50.0)
    assert (update.method, invite.method) == ("UPDATE", "INVITE")


def test_a_longer_interval_is_granted() -> None:
    peer = Timed()
    peer.invite("Allow: UPDATE", KNOWS, "Session-Expires: 100;refresher=uas")
    ((_, update),) = peer.until(50.0)
    (again,) = peer.reply(update, 422, 50.0, ("Min-SE", "300"))
    assert again.get("Session-Expires") == "300;refresher=uac"
    peer.reply(again, 200, 50.0, ("Session-Expires", "300;refresher=uac"))
    assert methods(peer.until(200.0)) == [(200.0, "UPDATE")]


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_that_finds_nobody_ends_the_call(status: int) -> None:
    peer = Timed()
    peer.invite("Allow: UPDATE", KNOWS, "Session-Expires: 100;refresher=uas")
    ((_, update),) = peer.until(50.0)
    assert [one.method for one in peer.reply(update, status, 50.0)] == ["BYE"]
    assert peer.calls.log[-1] == "expired"


def test_a_refresh_that_nobody_answers_ends_the_call() -> None:
    peer = Timed()
    peer.invite("Allow: UPDATE", KNOWS, "Session-Expires: 300;refresher=uas")
    came = methods(peer.until(182.0))
    assert came[:3] == [(150.0, "UPDATE"), (150.5, "UPDATE"), (151.5, "UPDATE")]
    assert (came[-1], peer.calls.log[-1]) == ((182.0, "BYE"), "expired")


@pytest.mark.parametrize(("status", "later"), [(491, 1.0), (503, 10.0)])
def test_a_refresh_that_came_badly_is_tried_again(status: int, later: float) -> None:
    peer = Timed()
    peer.invite("Allow: UPDATE", KNOWS, "Session-Expires: 100;refresher=uas")
    ((_, update),) = peer.until(50.0)
    assert peer.reply(update, status, 50.0) == []
    assert methods(peer.until(50.0 + later)) == [(50.0 + later, "UPDATE")]


def test_a_peer_that_always_refuses_is_asked_until_the_interval_is_over() -> None:
    peer = Timed()
    peer.invite("Allow: UPDATE", KNOWS, "Session-Expires: 100;refresher=uas")
    moments = []
    while "expired" not in peer.calls.log:
        for moment, request in peer.until(peer.server.deadline() or 0.0):
            moments.append((moment, request.method))
            peer.reply(request, 503, moment)
    assert moments == [(50.0 + 10 * at, "UPDATE") for at in range(5)] + [(100.0, "BYE")]


def test_an_offer_of_the_peer_waits_while_ours_is_out() -> None:
    peer = Timed()
    peer.invite(KNOWS, "Session-Expires: 100;refresher=uas")
    ((_, invite),) = peer.until(50.0)
    assert peer.refresh("INVITE", 50.1).status == 491
    peer.reply(invite, 491, 50.2)
    assert peer.refresh("INVITE", 50.3, KNOWS, "Session-Expires: 100;refresher=uac").status == 200


def test_a_probe_asks_whether_the_peer_is_there() -> None:
    peer = Timed()
    peer.invite()
    for status, heard in ((200, True), (501, True), (481, False), (408, False)):
        (probe,) = requests(*peer.server.probe(peer.key, 10.0))
        assert (probe.method, probe.recipient.tag, probe.sender.tag) == ("OPTIONS", "1", peer.to_tag)
        assert peer.server.probe(peer.key, 10.1) == []
        before = peer.calls.log.count("heard")
        peer.reply(probe, status, 11.0)
        assert (peer.calls.log.count("heard") > before) is heard
    assert "expired" not in peer.calls.log
    assert peer.server.probe(("c", "nobody", "1"), 13.0) == []


def test_a_probe_is_an_update_until_it_is_refused() -> None:
    peer = Timed()
    peer.invite("Allow: INVITE, UPDATE")
    (probe,) = requests(*peer.server.probe(peer.key, 10.0))
    assert (probe.method, probe.body, probe.get("Session-Expires")) == ("UPDATE", b"", "")
    peer.reply(probe, 501, 10.0)
    (again,) = requests(*peer.server.probe(peer.key, 11.0))
    assert again.method == "OPTIONS"
