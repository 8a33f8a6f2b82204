"""Any sequence of requests, repetitions, answers and time: the server keeps its promises and forgets in the end."""

from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from telephony.sip.dialog import Dialog, DialogKey, Flow
from telephony.sip.message import Message, Request, Response, parse
from telephony.sip.server import Reply, Send, Server
from telephony.sip.transaction import GIVE_UP, key_of

FLOWS = (Flow("UDP", "192.0.2.1", 6000), Flow("TCP", "192.0.2.9", 7000, 3))
METHODS = ("INVITE", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "PRACK", "INFO", "MESSAGE", "NONSENSE")
LINES = (
    "Supported: timer",
    "Session-Expires: 90",
    "Session-Expires: 30",
    "Session-Expires: 200;refresher=uas",
    "Allow: UPDATE",
    "Require: gruu",
    "Info-Package: weather",
    "Contact: nowhere",
    "Content-Length: 7",
    "Content-Type: application/sdp\r\nContent-Length: 5",
    "Accept: text/none",
    "CSeq: x",
    "no colon",
)


def written(method: str, key: DialogKey, number: int, branch: str, lines: list[str]) -> bytes:
    call, ours, theirs = key
    text = (
        f"{method} sip:r@s SIP/2.0\r\nVia: SIP/2.0/UDP gw:5070;branch=z9hG4bK{branch}\r\n"
        f"From: <sip:g@w>;tag={theirs}\r\nTo: <sip:r@s>{';tag=' + ours if ours else ''}\r\n"
        f"Call-ID: {call}\r\nCSeq: {number} {method}\r\nContact: <sip:g@gw:5070>\r\n"
    )
    return ("\r\n".join((text.rstrip(), *lines)) + "\r\n\r\nv=0\r\n").encode()


STATUSES = (100, 180, 200, 202, 302, 401, 405, 408, 422, 481, 491, 500, 503, 603)


class Model:
    """An application that notices whatever is asked of it out of turn."""

    def __init__(self) -> None:
        self.open: set[DialogKey] = set()
        self.seen: set[DialogKey] = set()
        self.invites: dict[DialogKey, int] = {}
        self.next_status, self.next_offers, self.patient = 200, False, False

    def invited(self, dialog: Dialog, request: Request) -> Reply:
        assert dialog.key not in self.seen
        self.seen.add(dialog.key)
        self.invites[dialog.key] = request.cseq.number
        if self.next_status < 300:
            self.open.add(dialog.key)
        return Reply(self.next_status, content_type="application/sdp", body=b"v=0\r\n", offers=self.next_offers)

    def changed(self, dialog: Dialog, request: Request) -> Reply:
        assert dialog.key in self.open
        if request.method == "INVITE":
            self.invites[dialog.key] = request.cseq.number
        return Reply(self.next_status, offers=self.next_offers and request.method == "INVITE")

    def acknowledged(self, dialog: Dialog, request: Request) -> None:
        assert dialog.key in self.open

    def informed(self, dialog: Dialog, request: Request) -> None:
        assert dialog.key in self.open

    def heard(self, dialog: Dialog) -> None:
        assert dialog.key in self.open

    def description(self, dialog: Dialog) -> bytes:
        assert dialog.key in self.open
        return b"v=0\r\n"

    def ended(self, dialog: Dialog, request: Request) -> None:
        self.open.remove(dialog.key)

    def expired(self, dialog: Dialog) -> bool:
        return self.unacknowledged(dialog)

    def unacknowledged(self, dialog: Dialog) -> bool:
        assert dialog.key in self.open
        if not self.patient:
            self.open.remove(dialog.key)
        return not self.patient

    def available(self) -> bool:
        return self.next_status < 300


class ServerMachine(RuleBasedStateMachine):
    """The network: it loses nothing by itself, but the rules repeat, reorder and forge."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.model, self.numbers = 0.0, Model(), count()
        self.server = Server(
            self.model,
            contact=lambda flow: "203.0.113.1:5060",
            new_tag=lambda: f"our{next(self.numbers)}",
            session_expires=120,
        )
        self.sent: list[tuple[bytes, Flow]] = []
        self.finals: dict[tuple[object, ...], tuple[float, set[bytes]]] = {}
        self.asked: list[tuple[Request, Flow]] = []

    @rule(
        method=st.sampled_from(METHODS),
        call=st.sampled_from("ab"),
        ours=st.integers(-1, 3),
        number=st.integers(0, 20),
        branch=st.integers(0, 30),
        lines=st.lists(st.sampled_from(LINES), max_size=3),
        flow=st.sampled_from(FLOWS),
    )
    def request(
        self, method: str, call: str, ours: int, number: int, branch: int, lines: list[str], flow: Flow
    ) -> None:
        tags = ["", *sorted(key[1] for key in self.model.seen if key[0] == call)]
        tag = "our-forged" if ours < 0 else tags[ours % len(tags)]
        self.give(written(method, (call, tag, f"{call}{branch % 2}"), number, str(branch), lines), flow)

    @rule(
        which=st.integers(0, 5),
        method=st.sampled_from(METHODS),
        lines=st.lists(st.sampled_from(LINES[:5]), max_size=2),
        flow=st.sampled_from(FLOWS),
    )
    def request_within(self, which: int, method: str, lines: list[str], flow: Flow) -> None:
        """A dialog's own request, in order."""
        if self.model.open:
            key = sorted(self.model.open)[which % len(self.model.open)]
            number = next(self.numbers) + 21
            number = self.model.invites[key] if method == "ACK" else number
            self.give(written(method, key, number, f"in{number}{method}", lines), flow)

    @rule(which=st.integers(0, 50))
    def repeat(self, which: int) -> None:
        if self.sent:
            self.give(*self.sent[which % len(self.sent)])

    @rule(which=st.integers(0, 20), status=st.sampled_from(STATUSES), line=st.sampled_from(LINES))
    def answer(self, which: int, status: int, line: str) -> None:
        if not self.asked:
            return
        request, flow = self.asked[which % len(self.asked)]
        copied = [f"{name}: {request.get(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
        self.give("\r\n".join((f"SIP/2.0 {status} -", *copied, line, "", "")).encode(), flow)

    @rule(seconds=st.sampled_from((0.1, 0.6, 5.0, 33.0, 50.0, 130.0)))
    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.server.deadline()) is not None and deadline <= until:
            assert deadline >= self.now - 1e-9
            self.now = max(self.now, deadline)
            self.take(self.server.fire(self.now))
        self.now = until

    @rule(status=st.sampled_from((200, 200, 488, 503)), offers=st.booleans(), patient=st.booleans())
    def change_mind(self, status: int, offers: bool, patient: bool) -> None:
        self.model.next_status, self.model.next_offers, self.model.patient = status, offers, patient

    @rule(which=st.integers(0, 5), probe=st.booleans())
    def call(self, which: int, probe: bool) -> None:
        if not self.model.open:
            return
        key = sorted(self.model.open)[which % len(self.model.open)]
        if probe:
            self.take(self.server.probe(key, self.now))
        else:
            self.model.open.discard(key)
            self.take(self.server.hang_up(key, self.now))

    @invariant()
    def nothing_is_overdue(self) -> None:
        deadline = self.server.deadline()
        assert deadline is None or deadline >= self.now - 1e-9

    def teardown(self) -> None:
        self.model.patient = False
        for key in list(self.model.open):
            self.model.open.discard(key)
            self.take(self.server.hang_up(key, self.now))
        self.wait(200.0)
        assert (self.server.remembered, self.server.deadline(), self.model.open) == (0, None, set())

    def give(self, data: bytes, flow: Flow) -> None:
        """A message arrives; each transaction gets one final response, and the same again for each repetition."""
        self.sent.append((data, flow))
        try:
            message = parse(data)
        except ValueError:
            return
        self.take(self.server.receive(message, flow, self.now), message)

    def take(self, sends: list[Send], cause: Message | None = None) -> None:
        for one in sends:
            message = parse(one.data)
            if isinstance(message, Request):
                self.asked.append((message, one.flow))
            elif isinstance(cause, Request):
                self.note(cause, message, one.data)

    def note(self, request: Request, response: Response, data: bytes) -> None:
        assert response.status >= 200
        assert response.via.parameter("branch") == request.via.parameter("branch")
        key = key_of(request)
        since, answers = self.finals.get(key, (self.now, set()))
        if self.now - since >= GIVE_UP:
            since, answers = self.now, set()
        answers.add(data)
        self.finals[key] = since, answers
        assert len(answers) == 1, "two final responses in one transaction"


TestServerMachine = ServerMachine.TestCase
TestServerMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
