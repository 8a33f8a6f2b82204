"""Server and client transactions as state tables (RFC 3261 §17; RFC 6026 for the 2xx of an INVITE).

An INVITE whose final response is 2xx goes to *accepted*: the transaction absorbs repeated INVITEs while the core
repeats the 2xx until its ACK (§13.3.1.4).  Any other final response is repeated by the transaction itself (timer G)
until the ACK (*confirmed*) or timer H.  Other requests repeat their final response whenever the request comes again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from telephony.sip.message import Request, Response

# Seconds (RFC 3261, table 4).
T1, T2, T4 = 0.5, 4.0, 5.0
GIVE_UP = 64 * T1


class State(StrEnum):
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Event(StrEnum):
    REPEATED = auto()  # the same request again
    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    ACK = auto()
    REPEAT_DUE = auto()  # timer G, E or A
    OVER = auto()  # timers H, I, J, K, L, F, B, D, M


class Act(StrEnum):
    SEND = auto()  # the last message again, or for the first time
    REPEAT = auto()  # start repeating on an unreliable transport
    SLOWER = auto()  # the next repetition after twice the time, at most T2
    DOUBLE = auto()  # the next repetition after twice the time
    QUIET = auto()  # stop repeating
    EXPIRE = auto()  # 64 × T1 from now
    LINGER = auto()  # T4 from now on an unreliable transport, at once on a reliable one


S, E, A = State, Event, Act
Table = Mapping[tuple[State, Event], tuple[State, tuple[Act, ...]]]

INVITE_TABLE: Table = {
    (S.PROCEEDING, E.REPEATED): (S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, E.SUCCESS): (S.ACCEPTED, (A.SEND, A.EXPIRE)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (A.SEND, A.REPEAT, A.EXPIRE)),
    (S.COMPLETED, E.REPEATED): (S.COMPLETED, (A.SEND,)),
    (S.COMPLETED, E.REPEAT_DUE): (S.COMPLETED, (A.SEND, A.SLOWER)),
    (S.COMPLETED, E.ACK): (S.CONFIRMED, (A.QUIET, A.LINGER)),
    (S.COMPLETED, E.OVER): (S.TERMINATED, ()),
    (S.CONFIRMED, E.REPEATED): (S.CONFIRMED, ()),
    (S.CONFIRMED, E.ACK): (S.CONFIRMED, ()),
    (S.CONFIRMED, E.OVER): (S.TERMINATED, ()),
    (S.ACCEPTED, E.REPEATED): (S.ACCEPTED, ()),
    (S.ACCEPTED, E.ACK): (S.ACCEPTED, ()),
    (S.ACCEPTED, E.OVER): (S.TERMINATED, ()),
}

OTHER_TABLE: Table = {
    (S.PROCEEDING, E.REPEATED): (S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, E.SUCCESS): (S.COMPLETED, (A.SEND, A.EXPIRE)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (A.SEND, A.EXPIRE)),
    (S.COMPLETED, E.REPEATED): (S.COMPLETED, (A.SEND,)),
    (S.COMPLETED, E.OVER): (S.TERMINATED, ()),
}

# A client's request other than INVITE (§17.1.2): here the last message is the request.
CLIENT_TABLE: Table = {
    (S.PROCEEDING, E.REPEAT_DUE): (S.PROCEEDING, (A.SEND, A.SLOWER)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, ()),
    (S.PROCEEDING, E.SUCCESS): (S.COMPLETED, (A.QUIET, A.LINGER)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (A.QUIET, A.LINGER)),
    (S.PROCEEDING, E.OVER): (S.TERMINATED, ()),
    (S.COMPLETED, E.PROVISIONAL): (S.COMPLETED, ()),
    (S.COMPLETED, E.SUCCESS): (S.COMPLETED, ()),
    (S.COMPLETED, E.FAILURE): (S.COMPLETED, ()),
    (S.COMPLETED, E.OVER): (S.TERMINATED, ()),
}

# An INVITE of ours within a dialog (§17.1.1, RFC 6026 §7.2).  A provisional answer does not lengthen timer B: a
# re-INVITE that only refreshes needs nobody's decision.  After a failure the last message is the ACK; that of a 2xx is
# the core's, which hears of every repeated 2xx.
CLIENT_INVITE_TABLE: Table = {
    (S.PROCEEDING, E.REPEAT_DUE): (S.PROCEEDING, (A.SEND, A.DOUBLE)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, (A.QUIET,)),
    (S.PROCEEDING, E.SUCCESS): (S.ACCEPTED, (A.QUIET, A.EXPIRE)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (A.SEND, A.QUIET, A.EXPIRE)),
    (S.PROCEEDING, E.OVER): (S.TERMINATED, ()),
    (S.COMPLETED, E.PROVISIONAL): (S.COMPLETED, ()),
    (S.COMPLETED, E.SUCCESS): (S.COMPLETED, ()),
    (S.COMPLETED, E.FAILURE): (S.COMPLETED, (A.SEND,)),
    (S.COMPLETED, E.OVER): (S.TERMINATED, ()),
    (S.ACCEPTED, E.PROVISIONAL): (S.ACCEPTED, ()),
    (S.ACCEPTED, E.SUCCESS): (S.ACCEPTED, ()),
    (S.ACCEPTED, E.FAILURE): (S.ACCEPTED, ()),
    (S.ACCEPTED, E.OVER): (S.TERMINATED, ()),
}


@dataclass
class Transaction:
    """One transaction; every method returns the bytes to send (perhaps none).  Times are monotonic seconds."""

    table: Table
    reliable: bool
    state: State = State.PROCEEDING
    last: bytes = b""
    repeat_at: float | None = None
    over_at: float | None = None
    _interval: float = T1

    @classmethod
    def server(cls, method: str, *, reliable: bool) -> "Transaction":
        return cls(INVITE_TABLE if method == "INVITE" else OTHER_TABLE, reliable)

    @classmethod
    def client(cls, request: Request, now: float, *, reliable: bool) -> "Transaction":
        """A client transaction; the caller sends ``request`` now."""
        table = CLIENT_INVITE_TABLE if request.method == "INVITE" else CLIENT_TABLE
        transaction = cls(table, reliable, last=bytes(request))
        transaction._do(Act.REPEAT, now)
        transaction._do(Act.EXPIRE, now)
        return transaction

    def on(self, event: Event, now: float) -> tuple[bytes, ...]:
        """Move by the table; a pair that it does not have is a programming error and raises ``KeyError``."""
        self.state, acts = self.table[self.state, event]
        return tuple(data for act in acts if (data := self._do(act, now)))

    def respond(self, response: Response, now: float) -> tuple[bytes, ...]:
        """Send a response of ours."""
        self.last = bytes(response)
        return self.on(event_of(response.status), now)

    def deadline(self) -> float | None:
        """When ``fire`` has something to do."""
        return min((at for at in (self.repeat_at, self.over_at) if at is not None), default=None)

    def fire(self, now: float) -> tuple[bytes, ...]:
        """Do what is due."""
        if self.over_at is not None and now >= self.over_at:
            self.repeat_at = self.over_at = None
            return self.on(Event.OVER, now)
        if self.repeat_at is not None and now >= self.repeat_at:
            return self.on(Event.REPEAT_DUE, now)
        return ()

    def _do(self, act: Act, now: float) -> bytes:
        match act:
            case Act.SEND:
                return self.last
            case Act.REPEAT:
                self.repeat_at = None if self.reliable else now + self._interval
            case Act.SLOWER | Act.DOUBLE:
                self._interval = min(2 * self._interval, T2 if act is Act.SLOWER else GIVE_UP)
                self.repeat_at = now + self._interval
            case Act.QUIET:
                self.repeat_at = None
            case Act.EXPIRE:
                self.over_at = now + GIVE_UP
            case Act.LINGER:
                self.over_at = now + (0 if self.reliable else T4)
        return b""


def event_of(status: int) -> Event:
    """The event that a status code means to a transaction."""
    if status < 200:
        return Event.PROVISIONAL
    return Event.SUCCESS if status < 300 else Event.FAILURE


def key_of(request: Request) -> tuple[str, ...]:
    """What tells server transactions apart (§17.2.3); an ACK has the key of its INVITE."""
    method = "INVITE" if request.method == "ACK" else request.method
    via = request.via
    branch = via.parameter("branch") or ""
    # The cookie alone is no branch: nothing would tell one request from the next (RFC 4475 §3.2.1).
    if branch.lower().startswith("z9hg4bk") and len(branch) > len("z9hg4bk"):
        return branch.lower(), via.host.lower(), str(via.port or ""), method
    # RFC 2543 peers: no unique branch, so the whole request tells.  The ACK of a 2xx carries our tag in To, the INVITE
    # does not; leaving To out lets the ACK of a failure find its INVITE, and the core ignores it in *accepted*.
    return request.uri, request.sender.tag, request.call_id, str(request.cseq.number), str(via), method
