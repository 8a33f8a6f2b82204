"""The user agent server: what it answers, and what it makes of dialogs."""

from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.dialog import Dialog, Flow
from telephony.sip.message import Request, Response, parse
from telephony.sip.server import Reply, Send, Server

FLOW = Flow("UDP", "192.0.2.1", 6000)
OTHER = Flow("TCP", "192.0.2.9", 7000, 3)


@dataclass
class Calls:
    """Takes every call and notes what happened."""

    log: list[str] = field(default_factory=list)
    status: int = 200
    ends_unacknowledged: bool = True
    offers: bool = False

    def invited(self, dialog: Dialog, request: Request) -> Reply:
        self.log.append("invited")
        return Reply(self.status, content_type="application/sdp", body=b"v=0\r\n", offers=self.offers)

    def changed(self, dialog: Dialog, request: Request) -> Reply:
        self.log.append(f"changed {request.method}")
        return Reply(200)

    def acknowledged(self, dialog: Dialog, request: Request) -> None:
        self.log.append("acknowledged")

    def informed(self, dialog: Dialog, request: Request) -> None:
        self.log.append("informed")

    def description(self, dialog: Dialog) -> bytes:
        return b"v=0\r\ns=ours\r\n"

    def expired(self, dialog: Dialog) -> bool:
        self.log.append("expired")
        return self.ends_unacknowledged

    def heard(self, dialog: Dialog) -> None:
        self.log.append("heard")

    def ended(self, dialog: Dialog, request: Request) -> None:
        self.log.append("ended")

    def unacknowledged(self, dialog: Dialog) -> bool:
        self.log.append("unacknowledged")
        return self.ends_unacknowledged

    def available(self) -> bool:
        return self.status == 200


@dataclass
class Door:
    """Lets in what carries a ticket."""

    asked: list[str] = field(default_factory=list)

    def check(self, request: Request, flow: Flow, now: float) -> Reply | None:
        self.asked.append(request.method)
        if request.get("X-Ticket"):
            return None
        return Reply(401, (("WWW-Authenticate", 'Digest realm="r", nonce="n"'),))


@dataclass
class Peer:
    """A gateway's side of one call."""

    calls: Calls = field(default_factory=Calls)
    to_tag: str = ""
    sequence: int = 1
    door: Door | None = None
    session_expires: int = 0
    most_transactions: int = 1000

    def __post_init__(self) -> None:
        numbers = count()
        self.server = Server(
            self.calls,
            contact=lambda flow: "203.0.113.1:5060",
            new_tag=lambda: f"t{next(numbers)}",
            admission=self.door,
            session_expires=self.session_expires,
            most_transactions=self.most_transactions,
        )

    def text(self, method: str, *extra: str, branch: str = "", call_id: str = "c", number: int = 0) -> bytes:
        to = f"<sip:r@s>;tag={self.to_tag}" if self.to_tag else "<sip:r@s>"
        lines = (
            f"{method} sip:r@s SIP/2.0",
            f"Via: SIP/2.0/UDP gw:5070;branch=z9hG4bK{branch or f'{method}{self.sequence}'}",
            f"From: <sip:g@w>;tag=1\r\nTo: {to}\r\nCall-ID: {call_id}",
            f"CSeq: {number or self.sequence} {method}",
            "Contact: <sip:g@gw:5070>",
            *extra,
        )
        return "\r\n".join((*lines, "", "")).encode()

    def send(self, data: bytes, now: float = 0.0, flow: Flow = FLOW) -> list[Response]:
        return [read(one) for one in self.server.receive(parse(data), flow, now)]

    def call(self) -> Response:
        """INVITE, 200, ACK."""
        (response,) = self.send(self.text("INVITE"))
        self.to_tag = response.recipient.tag
        self.send(self.text("ACK", branch="ack"))
        self.sequence += 1
        return response


def read(send: Send) -> Response:
    message = parse(send.data)
    assert isinstance(message, Response)
    return message


def test_a_call_from_invite_to_bye() -> None:
    peer = Peer()
    response = peer.call()
    assert (response.status, response.body) == (200, b"v=0\r\n")
    assert response.get("Contact") == "<sip:huiyin@203.0.113.1:5060;transport=udp>;+sip.srs"
    assert "siprec" in response.values("Supported")
    assert response.values("Via") == ["SIP/2.0/UDP gw:5070;branch=z9hG4bKINVITE1;received=192.0.2.1"]
    assert [one.status for one in peer.send(peer.text("BYE"))] == [200]
    assert peer.calls.log == ["invited", "heard", "acknowledged", "heard", "ended"]
    assert [one.status for one in peer.send(peer.text("BYE", branch="again", number=3))] == [481]


def test_a_repeated_request_is_not_done_twice() -> None:
    peer = Peer()
    peer.send(peer.text("INVITE"))
    assert peer.send(peer.text("INVITE"), 0.1) == []
    peer.calls.status = 488
    refused = peer.send(peer.text("INVITE", branch="x", call_id="d"))
    assert peer.send(peer.text("INVITE", branch="x", call_id="d"), 0.2) == refused
    assert peer.calls.log == ["invited", "invited"]
    first = peer.send(peer.text("OPTIONS"))
    assert peer.send(peer.text("OPTIONS")) == first


def test_the_answer_is_repeated_until_its_ack() -> None:
    peer = Peer()
    (response,) = peer.send(peer.text("INVITE"))
    moments = []
    while (deadline := peer.server.deadline()) is not None and deadline < 16:
        moments += [deadline for one in peer.server.fire(deadline) if read(one) == response]
    # Twice the time each time, until that is T2.
    assert moments == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5]
    peer.to_tag = response.recipient.tag
    peer.send(peer.text("ACK", branch="ack"), 16.0)
    assert peer.calls.log == ["invited", "heard", "acknowledged"]
    assert peer.send(peer.text("ACK", branch="ack"), 16.1) == []
    assert peer.calls.log == ["invited", "heard", "acknowledged"]


@pytest.mark.parametrize("ends", [True, False])
def test_without_an_ack_the_application_decides(ends: bool) -> None:
    peer = Peer(Calls(ends_unacknowledged=ends))
    (response,) = peer.send(peer.text("INVITE"))
    sent: list[Send] = []
    while (deadline := peer.server.deadline()) is not None and deadline <= 32:
        sent = peer.server.fire(deadline)
    assert peer.calls.log == ["invited", "unacknowledged"]
    assert [one.data[:4] for one in sent] == ([b"BYE "] if ends else [])
    if ends:
        bye = parse(sent[0].data)
        assert isinstance(bye, Request)
        assert (bye.uri, bye.sender.tag, bye.recipient.tag) == ("sip:g@gw:5070", response.recipient.tag, "1")
        # The gateway sends from one port and listens at another, as its Via says.
        assert sent[0].flow == Flow("UDP", "192.0.2.1", 5070)


def test_our_bye_is_repeated_until_answered() -> None:
    peer = Peer()
    peer.call()
    (bye,) = peer.server.hang_up(("c", peer.to_tag, "1"), 0.0)
    assert peer.server.hang_up(("c", peer.to_tag, "1"), 0.0) == []
    assert peer.server.hanging_up == 1
    assert bye in peer.server.fire(0.5)
    request = parse(bye.data)
    copied = tuple((name, request.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq"))
    peer.server.receive(Response(200, "OK", copied), FLOW, 0.6)
    assert peer.server.hanging_up == 0


def test_responses_go_back_where_they_belong() -> None:
    peer = Peer()
    (plain,) = peer.server.receive(parse(peer.text("OPTIONS")), FLOW, 0.0)
    assert plain.flow == Flow("UDP", "192.0.2.1", 5070)
    asked = peer.text("OPTIONS", branch="r;rport")
    (symmetric,) = peer.server.receive(parse(asked), FLOW, 0.0)
    assert symmetric.flow == FLOW
    assert read(symmetric).via.parameter("rport") == "6000"
    (connected,) = peer.server.receive(parse(peer.text("OPTIONS", branch="t")), OTHER, 0.0)
    assert connected.flow == OTHER


def test_options_tells_what_is_supported_and_whether_calls_are_taken() -> None:
    peer = Peer()
    (response,) = peer.send(peer.text("OPTIONS"))
    assert response.status == 200
    assert {"INVITE", "UPDATE", "BYE"} <= set(response.values("Allow"))
    assert "application/rs-metadata+xml" in response.values("Accept")
    assert response.values("Supported") == ["siprec", "timer"]
    peer.calls.status = 503
    (response,) = peer.send(peer.text("OPTIONS", branch="2"))
    assert (response.status, response.get("Retry-After")) == (503, "10")


@pytest.mark.parametrize(("method", "status"), [("REGISTER", 405), ("SUBSCRIBE", 405), ("FROBNICATE", 501)])
def test_other_methods_are_refused(method: str, status: int) -> None:
    peer = Peer()
    (response,) = peer.send(peer.text(method))
    assert response.status == status
    assert "INVITE" in response.values("Allow")


def test_unknown_extensions_are_refused_by_name() -> None:
    peer = Peer()
    (response,) = peer.send(peer.text("INVITE", "Require: siprec, 100rel, path", "Require: gruu"))
    assert (response.status, response.values("Unsupported")) == (420, ["path", "gruu"])
    (response,) = peer.send(peer.text("INVITE", "Require: siprec,100rel,timer", branch="2", call_id="d"))
    assert response.status == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
        (b"Call-ID: c\r\n", b""),
        (b"To: <sip:r@s>", b"To: <sip:r@s"),
        (b"Contact: <sip:g@gw:5070>", b"Contact: <sip:g@gw:5070"),
        (b"Via: SIP/2.0/UDP gw:5070;branch=z9hG4bKINVITE1", b"Via: who knows"),
    ],
)
def test_broken_requests_get_400(old: bytes, new: bytes) -> None:
    peer = Peer()
    (response,) = peer.send(peer.text("INVITE").replace(old, new))
    assert response.status == 400
    assert peer.calls.log == []


def test_another_version_of_sip_gets_505() -> None:
    peer = Peer()
    (response,) = peer.send(peer.text("INVITE").replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"))
    assert response.status == 505


def test_a_request_that_came_two_ways_is_merged() -> None:
    peer = Peer()
    peer.send(peer.text("INVITE", branch="one"))
    assert [one.status for one in peer.send(peer.text("INVITE", branch="two"))] == [482]
    assert peer.calls.log == ["invited"]


def test_cancel_comes_too_late_or_finds_nothing() -> None:
    peer = Peer()
    (accepted,) = peer.send(peer.text("INVITE", branch="i"))
    (cancelled,) = peer.send(peer.text("CANCEL", branch="i"))
    assert (cancelled.status, cancelled.recipient.tag) == (200, accepted.recipient.tag)
    assert [one.status for one in peer.send(peer.text("CANCEL", branch="j"))] == [481]
    assert peer.calls.log == ["invited"]


def test_requests_out_of_order_within_a_dialog_are_refused() -> None:
    peer = Peer()
    peer.call()
    assert [one.status for one in peer.send(peer.text("UPDATE", number=9))] == [200]
    (late,) = peer.send(peer.text("INVITE", number=8))
    assert (late.status, late.get("Retry-After")) == (500, "10")
    assert "changed INVITE" not in peer.calls.log


def test_requests_of_ours_follow_the_gateway() -> None:
    peer = Peer()
    peer.call()
    assert peer.server.probe(("c", peer.to_tag, "1"), 1.0)[0].flow == Flow("UDP", "192.0.2.1", 5070)
    peer.send(peer.text("UPDATE", branch="u;rport", number=3), 2.0, Flow("UDP", "192.0.2.7", 1234))
    (bye,) = peer.server.hang_up(("c", peer.to_tag, "1"), 3.0)
    assert bye.flow == Flow("UDP", "192.0.2.7", 1234)


def test_a_bye_ends_the_call_whatever_is_wrong_with_it() -> None:
    peer = Peer()
    peer.call()
    assert [one.status for one in peer.send(peer.text("BYE", "Require: gruu", number=1))] == [200]
    assert peer.calls.log[-1] == "ended"


def test_outside_any_dialog_only_a_call_can_begin() -> None:
    peer = Peer()
    assert [one.status for one in peer.send(peer.text("BYE"))] == [481]
    peer.to_tag = "unknown"
    assert [one.status for one in peer.send(peer.text("INVITE"))] == [481]
    assert peer.send(peer.text("ACK")) == []
    assert peer.calls.log == []


def test_a_route_set_is_recorded_and_used() -> None:
    peer = Peer()
    (response,) = peer.send(peer.text("INVITE", "Record-Route: <sip:p1;lr>, <sip:p2;lr>"))
    assert response.values("Record-Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    (bye,) = peer.server.hang_up(("c", response.recipient.tag, "1"), 0.0)
    assert parse(bye.data).values("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]


def test_transactions_are_forgotten_in_time() -> None:
    peer = Peer()
    peer.call()
    peer.send(peer.text("BYE"))
    while (deadline := peer.server.deadline()) is not None:
        assert deadline < 40
        peer.server.fire(deadline)
    (response,) = peer.send(peer.text("BYE"), 40.0)
    assert response.status == 481


@given(st.sampled_from(["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "X"]), st.binary(max_size=60), st.data())
def test_nothing_that_parses_raises(method: str, noise: bytes, data: st.DataObject) -> None:
    peer = Peer()
    if data.draw(st.booleans()):
        peer.call()
    text = peer.text(method)
    place = data.draw(st.integers(0, len(text)))
    try:
        message = parse(text[:place] + noise + text[place + data.draw(st.integers(0, 20)) :])
    except ValueError:
        return
    for flow in (FLOW, OTHER):
        for sent in peer.server.receive(message, flow, 0.0):
            assert isinstance(parse(sent.data), Response)


def test_strangers_are_turned_away_and_dialogs_are_asked_once() -> None:
    door = Door()
    peer = Peer(door=door)
    (challenge,) = peer.send(peer.text("INVITE"))
    assert (challenge.status, challenge.get("WWW-Authenticate")) == (401, 'Digest realm="r", nonce="n"')
    assert peer.send(peer.text("ACK", branch="INVITE1")) == []
    assert [one.status for one in peer.send(peer.text("CANCEL", branch="none"))] == [481]
    (response,) = peer.send(peer.text("INVITE", "X-Ticket: yes", number=2, branch="2"))
    peer.to_tag = response.recipient.tag
    peer.send(peer.text("ACK", number=2, branch="ack"))
    assert [one.status for one in peer.send(peer.text("UPDATE", number=3))] == [200]
    assert [one.status for one in peer.send(peer.text("BYE", number=4))] == [200]
    assert (door.asked, peer.calls.log[0]) == (["INVITE", "INVITE"], "invited")
    assert [one.status for one in peer.send(peer.text("OPTIONS", number=5))] == [401]


def test_strangers_are_not_remembered() -> None:
    """A refusal is told again to whoever repeats the request, with the same tag, and leaves nothing behind."""
    door = Door()
    peer = Peer(door=door)
    tags = {answer.recipient.tag for _ in range(3) for answer in peer.send(peer.text("INVITE"))}
    assert (len(tags), len(door.asked), peer.server.remembered) == (1, 3, 0)
    for number in range(100):
        assert [one.status for one in peer.send(peer.text("INVITE", branch=f"b{number}"))] == [401]
    assert (peer.server.remembered, peer.server.deadline()) == (0, None)


def test_dialogs_differ_by_both_tags() -> None:
    """One Call-ID, two callers, and the first of them once more with a new number: each is a call of its own."""
    peer = Peer()
    tags = []
    for place, (tag, number) in enumerate((("1", 1), ("2", 1), ("1", 5))):
        text = peer.text("INVITE", branch=f"i{place}", number=number).replace(b";tag=1", b";tag=" + tag.encode())
        (response,) = peer.send(text)
        assert response.status == 200
        tags.append((tag, response.recipient.tag))
    assert (len(set(tags)), peer.calls.log.count("invited")) == (3, 3)
    peer.to_tag = tags[1][1]
    # Our tag of the second with the first one's: no dialog.
    assert [one.status for one in peer.send(peer.text("BYE", branch="wrong", number=7))] == [481]
    right = peer.text("BYE", branch="right", number=7).replace(b"<sip:g@w>;tag=1", b"<sip:g@w>;tag=2")
    assert [one.status for one in peer.send(right)] == [200]
    for tag in (tags[0][1], tags[2][1]):
        peer.to_tag = tag
        assert [one.status for one in peer.send(peer.text("UPDATE", branch=tag, number=7))] == [200]
