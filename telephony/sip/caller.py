"""What a recorder asks of a gateway within a dialog: BYE, session refreshes (RFC 4028 §7 and §10), signs of life."""

from collections.abc import Callable
from dataclasses import replace

from telephony.sip.application import Application, Send
from telephony.sip.dialog import Dialog, DialogKey, Flow
from telephony.sip.dialogs import Dialogs
from telephony.sip.message import Headers, Response
from telephony.sip.outgoing import Outcome, Outgoing
from telephony.sip.responses import ALLOW, SUPPORTED, contact_header
from telephony.sip.session_timer import least_allowed, refreshed, request_headers

# Seconds until a refresh that crossed one of the peer's is tried again: 0 to 2 where the peer owns the Call-ID (§14.1).
_CROSSED = 1.0
# … and until one is tried again that the peer could not answer just now.
_AGAIN = 10.0
# No answer, or none that knows the dialog (§12.2.1.2).
_NOBODY = (408, 481)


class Caller:
    """The client side of every dialog."""

    def __init__(
        self,
        application: Application,
        dialogs: Dialogs,
        *,
        contact: Callable[[Flow], str],
        new_tag: Callable[[], str],
    ) -> None:
        self._application, self._dialogs = application, dialogs
        self._contact, self._new_tag = contact, new_tag
        self._outgoing = Outgoing()

    def __len__(self) -> int:
        return len(self._outgoing)

    @property
    def hanging_up(self) -> int:
        """How many BYEs wait for an answer."""
        return self._outgoing.waiting("BYE")

    def offers(self, key: DialogKey) -> bool:
        """Whether a re-INVITE of ours waits for its answer."""
        return self._outgoing.is_waiting(key, "INVITE")

    def hang_up(self, key: DialogKey, now: float) -> list[Send]:
        """End a dialog with a BYE; an unknown dialog is nothing to do."""
        dialog = self._dialogs.forget(key)
        return [self._ask(dialog, "BYE", now)] if dialog else []

    def probe(self, key: DialogKey, now: float) -> list[Send]:
        """Ask whether the peer still knows the dialog; any answer but 408 and 481 is heard by the application.

        UPDATE where the peer takes it, else OPTIONS, which some gateways answer without looking for the dialog.
        """
        dialog = self._dialogs.get(key)
        if dialog is None or any(self._outgoing.is_waiting(key, method) for method in ("UPDATE", "INVITE", "OPTIONS")):
            return []
        if dialog.updates:
            return [self._ask(dialog, "UPDATE", now, self._refresh_headers(dialog))]
        return [self._ask(dialog, "OPTIONS", now)]

    def receive(self, response: Response, now: float) -> list[Send]:
        """A response to something that we asked."""
        sends, outcome = self._outgoing.receive(response, now)
        return [*sends, *self._conclude(outcome, now)] if outcome else sends

    def deadline(self) -> float | None:
        """The next moment at which ``fire`` has something to do."""
        moments = self._outgoing.deadline(), self._dialogs.sessions.deadline()
        return min((moment for moment in moments if moment is not None), default=None)

    def fire(self, now: float) -> list[Send]:
        """Repetitions, refreshes and sessions that ran out."""
        sends, outcomes = self._outgoing.fire(now)
        for outcome in outcomes:
            sends += self._conclude(outcome, now)
        for key, over in self._dialogs.sessions.due(now):
            sends += self._expire(key, now) if over else self._refresh(key, now)
        return sends

    def _conclude(self, outcome: Outcome, now: float) -> list[Send]:
        dialog = self._dialogs.get(outcome.dialog)
        if dialog is None:
            return []
        if outcome.status not in _NOBODY:
            self._application.heard(dialog)
        request, response = outcome.request, outcome.response
        sends = []
        if response is not None and response.status < 300 and request.method in ("INVITE", "UPDATE"):
            dialog = _moved(dialog, response)
        if request.method == "UPDATE" and outcome.status in (405, 501):
            dialog = replace(dialog, updates=False)
        self._dialogs.keep(dialog)
        if request.method == "INVITE" and outcome.status < 300:
            sends.append(self._acknowledge(dialog, outcome))
        if request.all("Session-Expires"):
            sends += self._conclude_refresh(dialog, outcome, now)
        return sends

    def _conclude_refresh(self, dialog: Dialog, outcome: Outcome, now: float) -> list[Send]:
        sessions, response, key = self._dialogs.sessions, outcome.response, dialog.key
        before = sessions.timer(key)
        if before is None:
            return []
        if response is None or response.status in _NOBODY:
            return self._expire(key, now)
        if response.status < 300:
            sessions.agree(key, refreshed(response, before), now)
        elif response.status == 422 and (longer := least_allowed(response, before)) != before:
            sessions.raise_to(key, longer)
            return self._refresh(key, now)
        elif outcome.request.method == "UPDATE" and not dialog.updates:
            return self._refresh(key, now)
        else:
            sessions.retry(key, now + (_CROSSED if response.status == 491 else _AGAIN))
        return []

    def _refresh(self, key: DialogKey, now: float) -> list[Send]:
        dialog, timer = self._dialogs.get(key), self._dialogs.sessions.timer(key)
        if dialog is None or timer is None:
            return []
        headers = (*self._refresh_headers(dialog), *request_headers(timer))
        if dialog.updates:
            return [self._ask(dialog, "UPDATE", now, headers)]
        described = (*headers, ("Content-Type", "application/sdp"))
        return [self._ask(dialog, "INVITE", now, described, self._application.description(dialog))]

    def _expire(self, key: DialogKey, now: float) -> list[Send]:
        dialog = self._dialogs.get(key)
        if dialog is not None and self._application.expired(dialog):
            return self.hang_up(key, now)
        self._dialogs.sessions.forget(key)
        return []

    def _refresh_headers(self, dialog: Dialog) -> Headers:
        return (
            contact_header(self._contact(dialog.flow), dialog.flow),
            ("Allow", ", ".join(ALLOW)),
            ("Supported", ", ".join(SUPPORTED)),
        )

    def _ask(self, dialog: Dialog, method: str, now: float, headers: Headers = (), body: bytes = b"") -> Send:
        sent_by = self._contact(dialog.flow)
        after, request = dialog.request(method, branch=self._new_tag(), sent_by=sent_by, headers=headers, body=body)
        if dialog.key in self._dialogs:
            self._dialogs.keep(after)
        return self._outgoing.start(dialog.key, request, dialog.flow, now)

    def _acknowledge(self, dialog: Dialog, outcome: Outcome) -> Send:
        number = outcome.request.cseq.number
        ack = dialog.acknowledgement(number, branch=self._new_tag(), sent_by=self._contact(dialog.flow))
        return Send(dialog.flow, bytes(ack))


def _moved(dialog: Dialog, response: Response) -> Dialog:
    """A 2xx may bring a new Contact; one that cannot be read moves nothing."""
    try:
        return dialog.refreshed(response)
    except ValueError:
        return dialog
