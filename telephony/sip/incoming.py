"""Requests of others: each is answered once, however often and on however many ways it comes (RFC 3261 §17.2)."""

from dataclasses import dataclass

from telephony.sip.agenda import Agenda
from telephony.sip.application import Send
from telephony.sip.dialog import Flow
from telephony.sip.message import Request, Response
from telephony.sip.transaction import Event, State, Transaction

Key = tuple[str, ...]
# More than a busy recorder has; beyond it what changes nothing is answered without being remembered (§8.2.7), so that
# a flood of requests fills no memory.
MOST = 50_000
_Same = tuple[str, str, str]


@dataclass(frozen=True)
class _Served:
    transaction: Transaction
    flow: Flow
    tag: str


class Incoming:
    """All server transactions."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._served: dict[Key, _Served] = {}
        # Which transaction took an INVITE that may come by several paths, and back.
        self._first: dict[_Same, Key] = {}
        self._same: dict[Key, _Same] = {}
        self._agenda: Agenda[Key] = Agenda()

    def __len__(self) -> int:
        return len(self._served)

    def repeated(self, key: Key, now: float) -> list[Send] | None:
        """What a request gets that was answered before; None for a new one."""
        return self._on(key, Event.REPEATED, now)

    def acknowledged(self, key: Key, now: float) -> bool:
        """An ACK: whether it ends an answer that was no 2xx, and is nothing to the core."""
        found = self._served.get(key)
        if found is None or found.transaction.state is State.ACCEPTED:
            return False
        self._on(key, Event.ACK, now)
        return True

    def is_merged(self, request: Request, key: Key) -> bool:
        """The same INVITE by another path (§8.2.2.2).  Other requests do no harm twice, and some gateways probe with
        one CSeq for ever."""
        same = request.sender.tag, request.call_id, str(request.cseq)
        if self._first.setdefault(same, key) != key:
            return True
        self._same[key] = same
        return False

    def invite_tag(self, key: Key) -> str | None:
        """The To tag with which the INVITE was answered that a CANCEL names; None where there is none (§9.2)."""
        found = self._served.get((*key[:-1], "INVITE"))
        return found.tag if found else None

    def respond(self, key: Key, request: Request, response: Response, flow: Flow, now: float) -> list[Send]:
        """Begin a transaction with its final response, to be sent on ``flow``."""
        changes = response.status < 300 and request.method not in ("OPTIONS", "CANCEL")
        if len(self._served) >= self._most and not changes:
            self._forget_path(key)
            return [Send(flow, bytes(response))]
        transaction = Transaction.server(request.method, reliable=flow.reliable)
        self._served[key] = _Served(transaction, flow, _tag(response))
        data = transaction.respond(response, now)
        self._agenda.set(key, transaction.deadline())
        return [Send(flow, one) for one in data]

    def deadline(self) -> float | None:
        """The next moment at which ``fire`` has something to do."""
        return self._agenda.next()

    def fire(self, now: float) -> list[Send]:
        """Repetitions that are due; what is over is forgotten."""
        sends: list[Send] = []
        for key in self._agenda.due(now):
            served = self._served[key]
            sends += [Send(served.flow, data) for data in served.transaction.fire(now)]
            self._agenda.set(key, served.transaction.deadline())
            if served.transaction.state is State.TERMINATED:
                del self._served[key]
                self._forget_path(key)
        return sends

    def _forget_path(self, key: Key) -> None:
        if same := self._same.pop(key, None):
            del self._first[same]

    def _on(self, key: Key, event: Event, now: float) -> list[Send] | None:
        found = self._served.get(key)
        if found is None:
            return None
        data = found.transaction.on(event, now)
        self._agenda.set(key, found.transaction.deadline())
        return [Send(found.flow, one) for one in data]


def _tag(response: Response) -> str:
    try:
        return response.recipient.tag
    except ValueError:
        return ""
