"""Requests of ours within dialogs, until each is answered or given up (RFC 3261 §17.1)."""

from collections import Counter
from dataclasses import dataclass

from telephony.sip.agenda import Agenda
from telephony.sip.application import Send
from telephony.sip.dialog import DialogKey, Flow
from telephony.sip.message import Headers, Request, Response
from telephony.sip.transaction import State, Transaction, event_of

_Key = tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """How a request ended: with a final response, or without any (None).  A repeated 2xx of an INVITE is one more."""

    dialog: DialogKey
    request: Request
    response: Response | None

    @property
    def status(self) -> int:
        """No answer counts as 408 (§8.1.3.1)."""
        return self.response.status if self.response else 408


@dataclass
class _Sent:
    dialog: DialogKey
    request: Request
    flow: Flow
    transaction: Transaction

    @property
    def open(self) -> bool:
        return self.transaction.state is State.PROCEEDING


class Outgoing:
    """All client transactions."""

    def __init__(self) -> None:
        self._sent: dict[_Key, _Sent] = {}
        self._open: Counter[tuple[DialogKey, str]] = Counter()
        self._agenda: Agenda[_Key] = Agenda()

    def __len__(self) -> int:
        return len(self._sent)

    def waiting(self, method: str) -> int:
        """How many requests of a method have no final response yet."""
        return sum(count for (_, name), count in self._open.items() if name == method)

    def is_waiting(self, dialog: DialogKey, method: str) -> bool:
        """Whether a request of this method within this dialog has no final response yet."""
        return (dialog, method) in self._open

    def start(self, dialog: DialogKey, request: Request, flow: Flow, now: float) -> Send:
        """Begin a transaction; what comes back is to be sent."""
        key = (request.via.parameter("branch") or "").lower(), request.method
        transaction = Transaction.client(request, now, reliable=flow.reliable)
        self._sent[key] = _Sent(dialog, request, flow, transaction)
        self._open[dialog, request.method] += 1
        self._agenda.set(key, transaction.deadline())
        return Send(flow, transaction.last)

    def receive(self, response: Response, now: float) -> tuple[list[Send], Outcome | None]:
        """A response; one that belongs to nothing of ours is dropped (§18.1.2)."""
        try:
            key = (response.via.parameter("branch") or "").lower(), response.cseq.method
        except ValueError:
            return [], None
        sent = self._sent.get(key)
        if sent is None:
            return [], None
        was_open, is_invite = sent.open, sent.request.method == "INVITE"
        if was_open and is_invite and response.status >= 300:
            sent.transaction.last = bytes(_ack_of_failure(sent.request, response))
        data = sent.transaction.on(event_of(response.status), now)
        self._agenda.set(key, sent.transaction.deadline())
        if was_open and not sent.open:
            self._settle(sent)
        again = is_invite and sent.transaction.state is State.ACCEPTED and 200 <= response.status < 300
        news = response.status >= 200 and (was_open or again)
        return [Send(sent.flow, one) for one in data], Outcome(sent.dialog, sent.request, response) if news else None

    def deadline(self) -> float | None:
        """The next moment at which ``fire`` has something to do."""
        return self._agenda.next()

    def fire(self, now: float) -> tuple[list[Send], list[Outcome]]:
        """Repetitions that are due, and what was given up."""
        sends: list[Send] = []
        given_up: list[Outcome] = []
        for key in self._agenda.due(now):
            sent = self._sent[key]
            was_open = sent.open
            sends += [Send(sent.flow, data) for data in sent.transaction.fire(now)]
            self._agenda.set(key, sent.transaction.deadline())
            if sent.transaction.state is State.TERMINATED:
                del self._sent[key]
                if was_open:
                    self._settle(sent)
                    given_up.append(Outcome(sent.dialog, sent.request, None))
        return sends, given_up

    def _settle(self, sent: _Sent) -> None:
        place = sent.dialog, sent.request.method
        self._open[place] -= 1
        if not self._open[place]:
            del self._open[place]


def _ack_of_failure(invite: Request, response: Response) -> Request:
    """The ACK of a final response other than 2xx: the INVITE's own Via, the response's To (§17.1.1.3)."""
    copied = ("Via", "Max-Forwards", "Route", "From", "Call-ID")
    headers: Headers = tuple((name, value) for name, value in invite.headers if name in copied)
    number = invite.cseq.number
    return Request("ACK", invite.uri, (*headers, ("To", response.get("To")), ("CSeq", f"{number} ACK")))
