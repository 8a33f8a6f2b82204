"""The user agent server: requests in, answers out, with every rule of RFC 3261 that a recorder needs.

Sans-IO: ``receive`` and ``fire`` take a time and return what to send.  The application answers through ``Application``
at once, so an INVITE never waits in *proceeding* and a CANCEL always comes too late to change anything (§9.2).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from telephony.sip.dialog import Dialog, DialogKey, Flow, key_for
from telephony.sip.message import Headers, Message, Request, Response, parse
from telephony.sip.transaction import GIVE_UP, T1, T2, Event, State, Transaction, event_of, key_of

ALLOW = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE")
ACCEPT = "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed"
SUPPORTED = ("siprec",)
# 100rel needs nothing from a server that sends no provisional response.
_TOLERATED = frozenset(("siprec", "record-aware", "100rel"))
_KNOWN_METHODS = frozenset(("REGISTER", "SUBSCRIBE", "NOTIFY", "INFO", "REFER", "MESSAGE", "PUBLISH", "PRACK"))
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    415: "Unsupported Media Type",
    420: "Bad Extension",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
}


@dataclass(frozen=True)
class Send:
    """Bytes to send on a flow."""

    flow: Flow
    data: bytes


@dataclass(frozen=True)
class Reply:
    """What the application answers."""

    status: int
    headers: Headers = ()
    content_type: str = ""
    body: bytes = b""


class Admission(Protocol):
    """Who may call at all: digest authentication, an address allow-list …"""

    def check(self, request: Request, flow: Flow, now: float) -> Reply | None:
        """None lets the request in.  Asked for all but ACK, CANCEL and what belongs to a dialog already admitted."""


class Application(Protocol):
    """What the server asks of whoever records.  Nothing may raise for what a peer sent."""

    def invited(self, dialog: Dialog, request: Request) -> Reply:
        """A new call; a 2xx makes the dialog."""

    def changed(self, dialog: Dialog, request: Request) -> Reply:
        """A re-INVITE or an UPDATE."""

    def acknowledged(self, dialog: Dialog, request: Request) -> None:
        """The ACK of a 2xx."""

    def heard(self, dialog: Dialog) -> None:
        """Any request within the dialog: the peer is alive."""

    def ended(self, dialog: Dialog) -> None:
        """A BYE, already answered."""

    def unacknowledged(self, dialog: Dialog) -> bool:
        """No ACK came for 32 seconds; the answer says whether to end the call with a BYE (§13.3.1.4)."""

    def available(self) -> bool:
        """Whether a new call would be taken (for OPTIONS)."""


@dataclass
class _Unacknowledged:
    dialog: DialogKey
    sequence: int
    flow: Flow
    data: bytes
    again_at: float
    over_at: float
    interval: float = T1


class Server:
    """All transactions and dialogs of one recorder."""

    def __init__(
        self,
        application: Application,
        *,
        contact: Callable[[Flow], str],
        new_tag: Callable[[], str],
        admission: Admission | None = None,
    ) -> None:
        """``contact`` gives ``host:port`` for a flow, ``new_tag`` an unguessable token; no admission lets all in."""
        self._admission = admission
        self._application, self._contact, self._new_tag = application, contact, new_tag
        self._transactions: dict[tuple[str, ...], tuple[Transaction, Flow]] = {}
        self._merging: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._clients: dict[tuple[str, ...], tuple[Transaction, Flow]] = {}
        self._dialogs: dict[DialogKey, Dialog] = {}
        self._waiting: dict[tuple[DialogKey, int], _Unacknowledged] = {}

    @property
    def hanging_up(self) -> int:
        """How many BYEs of ours wait for an answer."""
        return sum(transaction.state is State.PROCEEDING for transaction, _ in self._clients.values())

    def receive(self, message: Message, flow: Flow, now: float) -> list[Send]:
        """Everything that a message leads to.  Never raises: what cannot be answered is dropped."""
        if isinstance(message, Response):
            return self._receive_response(message, now)
        try:
            key = key_of(message)
            request = message.with_top_via(message.via.seen_from(flow.host, flow.port))
            reply_to = _reply_flow(request, flow)
        except ValueError:
            return [] if message.method == "ACK" else _refuse_broken(message, flow)
        if message.method == "ACK":
            return self._receive_ack(request, key, flow, now)
        if found := self._transactions.get(key):
            return [Send(found[1], data) for data in found[0].on(Event.REPEATED, now)]
        transaction = Transaction.server(request.method, reliable=flow.reliable)
        response, dialog = self._answer(request, key, flow, now)
        self._transactions[key] = transaction, reply_to
        sends = [Send(reply_to, data) for data in transaction.respond(response, now)]
        if request.method == "INVITE" and dialog is not None and response.status < 300:
            self._await_ack(dialog, request.cseq.number, reply_to, bytes(response), now)
        return sends

    def deadline(self) -> float | None:
        """The next moment at which ``fire`` has something to do."""
        moments = [transaction.deadline() for transaction, _ in (*self._transactions.values(), *self._clients.values())]
        waiting = [min(one.again_at, one.over_at) for one in self._waiting.values()]
        return min((at for at in (*moments, *waiting) if at is not None), default=None)

    def fire(self, now: float) -> list[Send]:
        """Retransmissions and timeouts that are due."""
        sends: list[Send] = []
        for table in (self._transactions, self._clients):
            sends += _fire_all(table, now)
        self._merging = {same: key for same, key in self._merging.items() if key in self._transactions}
        for key, waiting in list(self._waiting.items()):
            if now >= waiting.over_at:
                del self._waiting[key]
                dialog = self._dialogs.get(waiting.dialog)
                if dialog is not None and self._application.unacknowledged(dialog):
                    sends += self.hang_up(dialog.key, now)
            elif now >= waiting.again_at:
                waiting.interval = min(2 * waiting.interval, T2)
                waiting.again_at = now + waiting.interval
                sends.append(Send(waiting.flow, waiting.data))
        return sends

    def hang_up(self, key: DialogKey, now: float) -> list[Send]:
        """End a dialog with a BYE of ours; an unknown dialog is nothing to do."""
        dialog = self._forget(key)
        if dialog is None:
            return []
        branch = self._new_tag()
        _, request = dialog.request("BYE", branch=branch, sent_by=self._contact(dialog.flow))
        transaction = Transaction.client(bytes(request), now, reliable=dialog.flow.reliable)
        self._clients[f"z9hg4bk{branch}".lower(), "BYE"] = transaction, dialog.flow
        return [Send(dialog.flow, bytes(request))]

    def _receive_response(self, response: Response, now: float) -> list[Send]:
        try:
            key = (response.via.parameter("branch") or "").lower(), response.cseq.method
        except ValueError:
            return []
        if found := self._clients.get(key):
            transaction, flow = found
            return [Send(flow, data) for data in transaction.on(event_of(response.status), now)]
        return []

    def _receive_ack(self, request: Request, key: tuple[str, ...], flow: Flow, now: float) -> list[Send]:
        found = self._transactions.get(key)
        if found and found[0].state is not State.ACCEPTED:
            return [Send(found[1], data) for data in found[0].on(Event.ACK, now)]
        try:
            request.require_complete()
            dialog = self._dialogs.get(key_for(request))
        except ValueError:
            return []
        if dialog is not None and (dialog.key, request.cseq.number) in self._waiting:
            del self._waiting[dialog.key, request.cseq.number]
            self._dialogs[dialog.key] = replace(dialog, flow=flow)
            self._application.heard(dialog)
            self._application.acknowledged(dialog, request)
        return []

    def _answer(self, request: Request, key: tuple[str, ...], flow: Flow, now: float) -> tuple[Response, Dialog | None]:
        tag = self._new_tag()
        try:
            request.require_complete()
            if request.version != "SIP/2.0":
                return self._response(request, Reply(505), tag, flow), None
            if request.method == "CANCEL":
                return self._cancel(request, key, tag, flow), None
            if refusal := self._refuse_stranger(request, flow, now):
                return self._response(request, refusal, tag, flow), None
            if request.recipient.tag:
                return self._answer_within(request, flow)
            if request.method == "INVITE" and self._is_merged(request, key):
                return self._response(request, Reply(482), tag, flow), None
            return self._answer_outside(request, tag, flow)
        except ValueError:
            return self._response(request, Reply(400), tag, flow), None

    def _refuse_stranger(self, request: Request, flow: Flow, now: float) -> Reply | None:
        # Our tag in the key is unguessable: who knows it was told it by an answer to somebody let in.
        if self._admission is None or key_for(request) in self._dialogs:
            return None
        return self._admission.check(request, flow, now)

    def _cancel(self, request: Request, key: tuple[str, ...], tag: str, flow: Flow) -> Response:
        found = self._transactions.get((*key[:-1], "INVITE"))
        if found is None:
            return self._response(request, Reply(481), tag, flow)
        # Both answers carry the same To tag (§9.2).
        return self._response(request, Reply(200), parse(found[0].last).recipient.tag, flow)

    def _is_merged(self, request: Request, key: tuple[str, ...]) -> bool:
        """The same INVITE by another path (§8.2.2.2).  Other requests do no harm twice, and some gateways probe with
        one CSeq for ever."""
        same = request.sender.tag, request.call_id, str(request.cseq)
        return self._merging.setdefault(same, key) != key

    def _answer_outside(self, request: Request, tag: str, flow: Flow) -> tuple[Response, Dialog | None]:
        reply = _refuse_extension(request) or _refuse_method(request)
        dialog = None
        if reply is None and request.method == "OPTIONS":
            reply = Reply(200 if self._application.available() else 503, () if self._application.available() else RETRY)
        elif reply is None and request.method == "INVITE":
            dialog = Dialog.accept(request, tag, flow)
            self._dialogs[dialog.key] = dialog
            reply = self._application.invited(dialog, request)
            if reply.status >= 300:
                del self._dialogs[dialog.key]
        return self._response(request, reply or Reply(481), tag, flow), dialog

    def _answer_within(self, request: Request, flow: Flow) -> tuple[Response, Dialog | None]:
        dialog = self._dialogs.get(key_for(request))
        if dialog is None:
            return self._response(request, _refuse_method(request) or Reply(481), "", flow), None
        try:
            dialog = dialog.follow(request, flow)
        except ValueError:
            # §12.2.2: out of order within the dialog.
            return self._response(request, Reply(500, RETRY), "", flow), None
        self._dialogs[dialog.key] = dialog
        self._application.heard(dialog)
        reply = _refuse_extension(request) or _refuse_method(request)
        if reply is None and request.method in ("INVITE", "UPDATE"):
            reply = self._application.changed(dialog, request)
        elif reply is None and request.method == "BYE":
            self._forget(dialog.key)
            self._application.ended(dialog)
        return self._response(request, reply or Reply(200), "", flow), dialog

    def _forget(self, key: DialogKey) -> Dialog | None:
        for waiting in [one for one in self._waiting if one[0] == key]:
            del self._waiting[waiting]
        return self._dialogs.pop(key, None)

    def _await_ack(self, dialog: Dialog, sequence: int, flow: Flow, data: bytes, now: float) -> None:
        again_at, over_at = now + T1, now + GIVE_UP
        self._waiting[dialog.key, sequence] = _Unacknowledged(dialog.key, sequence, flow, data, again_at, over_at)

    def _response(self, request: Request, reply: Reply, tag: str, flow: Flow) -> Response:
        makes_dialog = reply.status < 300 and request.method in ("INVITE", "UPDATE")
        headers = [*_copied(request, tag, record_route=makes_dialog), *reply.headers]
        if makes_dialog:
            # RFC 7866 §6.1.1: a recording server says so in its Contact.
            headers.append(
                ("Contact", f"<sip:huiyin@{self._contact(flow)};transport={flow.transport.lower()}>;+sip.srs")
            )
        if makes_dialog or reply.status in (405, 501) or request.method == "OPTIONS":
            headers.append(("Allow", ", ".join(ALLOW)))
        if makes_dialog or reply.status == 415 or request.method == "OPTIONS":
            headers += [("Accept", ACCEPT), ("Supported", ", ".join(SUPPORTED))]
        if reply.body:
            headers.append(("Content-Type", reply.content_type))
        return Response(reply.status, REASONS[reply.status], (*headers, ("Server", "Huiyin")), reply.body)


RETRY: Headers = (("Retry-After", "10"),)


def _fire_all(table: dict[tuple[str, ...], tuple[Transaction, Flow]], now: float) -> Iterable[Send]:
    for key, (transaction, flow) in list(table.items()):
        if (deadline := transaction.deadline()) is None or deadline > now:
            continue
        yield from (Send(flow, data) for data in transaction.fire(now))
        if transaction.state is State.TERMINATED:
            del table[key]


def _refuse_extension(request: Request) -> Reply | None:
    unknown = [option for option in request.values("Require") if option.lower() not in _TOLERATED]
    if not unknown or request.method in ("ACK", "CANCEL"):
        return None
    return Reply(420, (("Unsupported", ", ".join(unknown)),))


def _refuse_method(request: Request) -> Reply | None:
    if request.method in ALLOW:
        return None
    return Reply(405 if request.method in _KNOWN_METHODS else 501)


def _reply_flow(request: Request, flow: Flow) -> Flow:
    """Where a response goes: back on the connection; over UDP to the source address, at the port that the sender
    named unless it asked for ``rport`` (§18.2.2, RFC 3581).  ``maddr`` is not followed: it lets strangers aim us."""
    if flow.reliable or request.via.parameter("rport") is not None:
        return flow
    return replace(flow, port=request.via.port or 5060)


def _copied(request: Request, tag: str, *, record_route: bool) -> Headers:
    copied = [("Via", value) for value in request.values("Via")]
    copied += [(name, request.get(name)) for name in ("From", "To", "Call-ID", "CSeq") if request.all(name)]
    if tag and ";tag=" not in request.get("To").replace(" ", "").lower():
        copied = [(name, f"{value};tag={tag}" if name == "To" else value) for name, value in copied]
    if record_route:
        copied += [("Record-Route", value) for value in request.values("Record-Route")]
    return tuple(copied)


def _refuse_broken(request: Request, flow: Flow) -> list[Send]:
    """400 for a request whose Via cannot be read: back where it came from (§8.1.1 asks every request for a Via)."""
    if not request.all("Via"):
        return []
    return [Send(flow, bytes(Response(400, REASONS[400], _copied(request, "", record_route=False))))]
