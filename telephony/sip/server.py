"""The user agent server: requests in, answers out, with every rule of RFC 3261 that a recorder needs.

Sans-IO: ``receive`` and ``fire`` take a time and return what to send.  The application answers through ``Application``
at once, so an INVITE never waits in *proceeding*, needs no provisional response (and so no PRACK, RFC 3262), and a
CANCEL always comes too late to change anything (§9.2).
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from telephony.sip.application import RETRY, RETRY_SECONDS, Admission, Application, Reply, Send
from telephony.sip.caller import Caller
from telephony.sip.dialog import Dialog, DialogKey, Flow, key_for
from telephony.sip.dialogs import Dialogs
from telephony.sip.incoming import MOST, Incoming, Key
from telephony.sip.message import Message, Request, Response
from telephony.sip.multipart import read_parts
from telephony.sip.notes import Notes, Tell
from telephony.sip.responses import options, refuse_at_the_door, refuse_broken, refuse_within
from telephony.sip.responses import respond as print_response
from telephony.sip.session_timer import MIN_SE, SessionTimer, TooShort, agree, supports
from telephony.sip.transaction import key_of

__all__ = ["RETRY", "RETRY_SECONDS", "Admission", "Application", "Reply", "Send", "Server"]


class Server:
    """All transactions and dialogs of one recorder."""

    def __init__(
        self,
        application: Application,
        *,
        contact: Callable[[Flow], str],
        new_tag: Callable[[], str],
        admission: Admission | None = None,
        session_expires: int = 0,
        most_transactions: int = MOST,
        refused: Tell = lambda host, why, times: None,
    ) -> None:
        """``contact`` gives ``host:port`` for a flow, ``new_tag`` an unguessable token; no admission lets all in.

        ``session_expires`` is the session interval in seconds that we ask for where the peer does not; 0: none.
        ``refused`` hears once a minute of each peer whose INVITEs are refused for something that a person must mend.
        """
        self._application, self._contact, self._new_tag = application, contact, new_tag
        self._admission, self._session_expires = admission, session_expires
        self._incoming, self._dialogs = Incoming(most_transactions), Dialogs()
        self._notes = Notes(refused)
        self._caller = Caller(application, self._dialogs, contact=contact, new_tag=new_tag)

    @property
    def hanging_up(self) -> int:
        """How many BYEs of ours wait for an answer."""
        return self._caller.hanging_up

    @property
    def unconfirmed(self) -> int:
        """How many calls wait for an ACK; until then we may not send a BYE (§15)."""
        return len(self._dialogs.acknowledgements)

    @property
    def remembered(self) -> int:
        """How many transactions and dialogs are kept."""
        return len(self._incoming) + len(self._caller) + len(self._dialogs)

    def session_lives(self, key: DialogKey) -> bool:
        """Whether a session timer stands for the peer being alive."""
        return self._dialogs.sessions.timer(key) is not None

    def receive(self, message: Message, flow: Flow, now: float) -> list[Send]:
        """Everything that a message leads to.  Never raises: what cannot be answered is dropped."""
        if isinstance(message, Response):
            return self._caller.receive(message, now)
        try:
            key = key_of(message)
            request = message.with_top_via(message.via.seen_from(flow.host, flow.port))
            reply_to = _reply_flow(request, flow)
        except ValueError:
            refusal = refuse_broken(message)
            return [Send(flow, bytes(refusal))] if refusal else []
        if request.method == "ACK":
            self._receive_ack(request, key, reply_to, now)
            return []
        repeated = self._incoming.repeated(key, now)
        if repeated is not None:
            return repeated
        if turned_away := self._refuse_stranger(request, flow, now):
            # Without a transaction (§8.2.7): strangers must neither cost memory nor push out those who were let in.
            tag = sha256("\n".join(key).encode(errors="replace")).hexdigest()[:24]
            response = print_response(request, turned_away, tag=tag, contact=self._contact(flow), flow=flow)
            return [Send(reply_to, bytes(response))]
        return self._serve(request, key, flow, reply_to, now)

    def deadline(self) -> float | None:
        """The next moment at which ``fire`` has something to do."""
        moments = self._incoming.deadline(), self._caller.deadline(), self._dialogs.acknowledgements.deadline()
        return min((moment for moment in moments if moment is not None), default=None)

    def fire(self, now: float) -> list[Send]:
        """Retransmissions and timeouts that are due."""
        sends = self._incoming.fire(now)
        for due in self._dialogs.acknowledgements.due(now):
            if isinstance(due, Send):
                sends.append(due)
            elif (dialog := self._dialogs.get(due)) is not None and self._application.unacknowledged(dialog):
                sends += self.hang_up(due, now)
        return sends + self._caller.fire(now)

    def hang_up(self, key: DialogKey, now: float) -> list[Send]:
        """End a dialog with a BYE of ours; an unknown dialog is nothing to do."""
        return self._caller.hang_up(key, now)

    def probe(self, key: DialogKey, now: float) -> list[Send]:
        """Ask within a dialog whether the peer is there; the application hears of an answer."""
        return self._caller.probe(key, now)

    def _receive_ack(self, request: Request, key: Key, flow: Flow, now: float) -> None:
        if self._incoming.acknowledged(key, now):
            return
        try:
            request.require_complete()
            dialog = self._dialogs.get(key_for(request))
        except ValueError:
            return
        if dialog is not None and self._dialogs.acknowledgements.take(dialog.key, request.cseq.number):
            self._dialogs.keep(replace(dialog, flow=flow))
            self._application.heard(dialog)
            self._application.acknowledged(dialog, request)

    def _serve(self, request: Request, key: Key, flow: Flow, reply_to: Flow, now: float) -> list[Send]:
        tag = self._new_tag()
        try:
            # What we ask within a dialog takes the way of our answers: some gateways listen where they do not send.
            reply, dialog = self._answer(request, key, tag, reply_to, now)
        except ValueError as error:
            reply, dialog = Reply(400, why=f"a broken request: {error}"), None
        if request.method == "INVITE" and reply.status >= 300 and reply.why:
            self._notes.add(flow.host, f"{reply.status}, {reply.why}", now)
        if request.method == "CANCEL" and reply.status == 200:
            # Both answers carry the same To tag (§9.2).
            tag = self._incoming.invite_tag(key) or tag
        response = print_response(request, reply, tag=tag, contact=self._contact(flow), flow=flow)
        sends = self._incoming.respond(key, request, response, reply_to, now)
        if request.method == "INVITE" and dialog is not None and reply.status < 300:
            number = request.cseq.number
            self._dialogs.acknowledgements.expect(dialog.key, number, sends[0], now, offers=reply.offers)
        return sends

    def _refuse_stranger(self, request: Request, flow: Flow, now: float) -> Reply | None:
        """What the admission says of whoever is not known yet; defects are answered by ``_answer``."""
        if self._admission is None or request.method == "CANCEL":
            return None
        try:
            request.require_complete()
        except ValueError:
            return None
        # A dialog's key holds our tag, which nobody can guess: who knows it was told by an answer to somebody let in.
        known = self._dialogs.get(key_for(request)) is not None
        return None if known else self._admission.check(request, flow, now)

    def _answer(self, request: Request, key: Key, tag: str, flow: Flow, now: float) -> tuple[Reply, Dialog | None]:
        """The reply, and the dialog that it belongs to; ``ValueError`` for 400."""
        request.require_complete()
        if request.version != "SIP/2.0":
            return Reply(505), None
        if request.method == "CANCEL":
            return Reply(481 if self._incoming.invite_tag(key) is None else 200), None
        dialog = self._dialogs.get(key_for(request))
        if dialog is not None:
            return self._answer_within(dialog, request, flow, now)
        if request.recipient.tag:
            return refuse_at_the_door(request) or Reply(481), None
        if request.method == "INVITE" and self._incoming.is_merged(request, key):
            return Reply(482), None
        return self._answer_outside(request, tag, flow, now)

    def _answer_outside(self, request: Request, tag: str, flow: Flow, now: float) -> tuple[Reply, Dialog | None]:
        if refusal := refuse_at_the_door(request):
            return refusal, None
        if request.method == "OPTIONS":
            return options(self._application.available()), None
        if request.method != "INVITE":
            return Reply(481), None
        dialog = Dialog.accept(request, tag, flow)
        self._dialogs.keep(dialog)
        reply = self._refresh(dialog, request, self._application.invited, now)
        if reply.status >= 300:
            self._dialogs.forget(dialog.key)
        return reply, dialog

    def _answer_within(self, dialog: Dialog, request: Request, flow: Flow, now: float) -> tuple[Reply, Dialog]:
        try:
            dialog = dialog.follow(request, flow)
        except ValueError:
            if request.method != "BYE":
                # §12.2.2 and §14.2: it came after a later one.  A BYE means the same whenever it comes.
                return Reply(500, RETRY), dialog
        self._dialogs.keep(dialog)
        self._application.heard(dialog)
        refusal = refuse_within(request) or self._refuse_crossing(dialog, request)
        return refusal or self._do(dialog, request, now), dialog

    def _do(self, dialog: Dialog, request: Request, now: float) -> Reply:
        match request.method:
            case "INVITE" | "UPDATE":
                refreshed = dialog.refreshed(request)
                reply = self._refresh(refreshed, request, self._application.changed, now)
                if reply.status < 300:
                    self._dialogs.keep(refreshed)
                return reply
            case "BYE":
                self._dialogs.forget(dialog.key)
                self._application.ended(dialog, request)
            case "INFO":
                self._application.informed(dialog, request)
            case "PRACK":
                # We sent nothing that it could acknowledge (RFC 3262 §3).
                return Reply(481)
        return Reply(200)

    def _refuse_crossing(self, dialog: Dialog, request: Request) -> Reply | None:
        """491 while an offer of ours waits for its answer (§14.2, RFC 3311 §5.2)."""
        offering = self._caller.offers(dialog.key) or self._dialogs.acknowledgements.offering(dialog.key)
        crosses = request.method == "INVITE" or (request.method == "UPDATE" and _carries_offer(request))
        return Reply(491) if offering and crosses else None

    def _refresh(self, dialog: Dialog, request: Request, ask: Callable[[Dialog, Request], Reply], now: float) -> Reply:
        """An INVITE or UPDATE: the application's reply, and the session timer that a 2xx agrees to."""
        try:
            timer = agree(request, self._session_expires)
        except TooShort:
            return Reply(422, (("Min-SE", str(MIN_SE)),))
        reply = ask(dialog, request)
        if reply.status >= 300:
            return reply
        self._dialogs.sessions.agree(dialog.key, timer, now)
        return replace(reply, headers=(*reply.headers, *_timer_headers(timer, request)))


def _timer_headers(timer: SessionTimer | None, request: Request) -> tuple[tuple[str, str], ...]:
    return timer.headers(supported=supports(request)) if timer else ()


def _carries_offer(request: Request) -> bool:
    try:
        parts = read_parts(request.get("Content-Type", "application/sdp"), request.body)
    except ValueError:
        return False
    return any(part.media_type == "application/sdp" for part in parts)


def _reply_flow(request: Request, flow: Flow) -> Flow:
    """Where a response goes: back on the connection; over UDP to the source address, at the port that the sender
    named unless it asked for ``rport`` (§18.2.2, RFC 3581).  ``maddr`` is not followed: it lets strangers aim us."""
    if flow.reliable:
        return replace(flow, listens=flow.listens or request.via.port or 5060)
    if request.via.parameter("rport") is not None:
        return flow
    return replace(flow, port=request.via.port or 5060)
