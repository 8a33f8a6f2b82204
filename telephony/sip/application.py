"""What the user agent server is to others: whom it asks (``Admission``, ``Application``) and what goes in and out."""

from dataclasses import dataclass
from typing import Protocol

from telephony.sip.dialog import Dialog, Flow
from telephony.sip.message import Headers, Request

# Also within what RFC 3261 §14.2 allows for a request that came too early: 0 to 10 seconds.
RETRY_SECONDS = 10
RETRY: Headers = (("Retry-After", str(RETRY_SECONDS)),)


@dataclass(frozen=True)
class Send:
    """Bytes to send on a flow."""

    flow: Flow
    data: bytes


@dataclass(frozen=True)
class Reply:
    """What is answered; ``offers`` where the body is an offer of ours, which the ACK will answer.

    ``why`` is for whoever runs the recorder: why a call is refused, and the remedy; no numbers or names.
    """

    status: int
    headers: Headers = ()
    content_type: str = ""
    body: bytes = b""
    offers: bool = False
    why: str = ""


class Admission(Protocol):
    """Who may call at all: digest authentication, an address allow-list …"""

    def check(self, request: Request, flow: Flow, now: float) -> Reply | None:
        """None lets the request in.  Asked for all but ACK, CANCEL and what belongs to a dialog already admitted."""


class Application(Protocol):
    """What the server asks of whoever records.  Nothing may raise for what a peer sent."""

    def invited(self, dialog: Dialog, request: Request) -> Reply:
        """A new call; a 2xx makes the dialog.  An INVITE without an offer is answered with an offer of ours (§13.2.1),
        whose answer comes with ``acknowledged``."""

    def changed(self, dialog: Dialog, request: Request) -> Reply:
        """A re-INVITE or an UPDATE; a re-INVITE without an offer is answered with our present description (§14.2)."""

    def acknowledged(self, dialog: Dialog, request: Request) -> None:
        """The ACK of a 2xx, once; its body answers an offer of ours."""

    def informed(self, dialog: Dialog, request: Request) -> None:
        """An INFO that was accepted (RFC 6086)."""

    def heard(self, dialog: Dialog) -> None:
        """Any request within the dialog, or an answer to one of ours: the peer is alive."""

    def description(self, dialog: Dialog) -> bytes:
        """Our present session description, for a refresh of ours by re-INVITE."""

    def ended(self, dialog: Dialog, request: Request) -> None:
        """A BYE, which will be accepted; its body may hold last metadata."""

    def expired(self, dialog: Dialog) -> bool:
        """The session timer ran out or a refresh of ours found nobody; the answer says whether to end the call with a
        BYE, as RFC 4028 §10 has it.  One that goes on has no timer any more."""

    def unacknowledged(self, dialog: Dialog) -> bool:
        """No ACK came for 32 seconds; the answer says whether to end the call with a BYE (§13.3.1.4)."""

    def available(self) -> bool:
        """Whether a new call would be taken (for OPTIONS)."""
