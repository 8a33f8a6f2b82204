"""Dialogs as the called side keeps them (RFC 3261, section 12)."""

from dataclasses import dataclass, field, replace

from core.settings import Address as Endpoint
from telephony.sip.header import Address
from telephony.sip.message import Headers, Request, Response

DialogKey = tuple[str, str, str]


@dataclass(frozen=True)
class Flow:
    """Where a message came from, so that answers go back the same way: ``connection`` numbers a TCP connection, and
    ``listens`` is the port at which its peer says that it can be called back."""

    transport: str
    host: str
    port: int
    connection: int = 0
    listens: int = field(default=0, compare=False)

    @property
    def reliable(self) -> bool:
        return self.transport != "UDP"


@dataclass(frozen=True)
class Dialog:
    """A dialog: who talks with whom, the highest CSeq of each side, and how to reach the peer."""

    call_id: str
    local_tag: str
    remote_tag: str
    local: Address
    remote: Address
    target: str
    routes: tuple[str, ...]
    remote_seq: int
    flow: Flow
    local_seq: int = 0
    # Whether the peer takes an UPDATE.
    updates: bool = False

    @property
    def key(self) -> DialogKey:
        return self.call_id, self.local_tag, self.remote_tag

    @classmethod
    def accept(cls, request: Request, tag: str, flow: Flow) -> "Dialog":
        """The dialog that our 2xx to an INVITE makes (§12.1.1).

        Without a Contact, as RFC 2543 allowed, the peer is found where it came from; ``ValueError`` for a broken one.
        """
        recipient = request.recipient
        local = replace(recipient, parameters=(*recipient.parameters, ("tag", tag)))
        return cls(
            call_id=request.call_id,
            local_tag=tag,
            remote_tag=request.sender.tag,
            local=local,
            remote=request.sender,
            target=contact_of(request) or f"sip:{Endpoint(flow.host, flow.port)}",
            routes=tuple(request.values("Record-Route")),
            remote_seq=request.cseq.number,
            flow=flow,
            updates="UPDATE" in {method.upper() for method in request.values("Allow")},
        )

    def follow(self, request: Request, flow: Flow) -> "Dialog":
        """After a request of the peer (§12.2.2).  ``ValueError`` when it is older than one already seen."""
        number = request.cseq.number
        if request.method != "ACK" and number <= self.remote_seq:
            raise ValueError("the CSeq number is not above the last one")
        return replace(self, remote_seq=max(number, self.remote_seq), flow=flow)

    def refreshed(self, message: Request | Response) -> "Dialog":
        """After a target refresh that succeeded (INVITE, UPDATE): the Contact may have moved."""
        return replace(self, target=contact_of(message) or self.target)

    def request(
        self, method: str, *, branch: str, sent_by: str, headers: Headers = (), body: bytes = b""
    ) -> tuple["Dialog", Request]:
        """A request of ours within the dialog (§12.2.1.1, loose routing), and the dialog after it."""
        number = self.local_seq + 1
        return replace(self, local_seq=number), self._print(method, number, branch, sent_by, headers, body)

    def acknowledgement(self, number: int, *, branch: str, sent_by: str) -> Request:
        """The ACK of a 2xx to an INVITE of ours (§13.2.2.4): a request of its own with the INVITE's number."""
        return self._print("ACK", number, branch, sent_by, (), b"")

    def _print(self, method: str, number: int, branch: str, sent_by: str, headers: Headers, body: bytes) -> Request:
        common: Headers = (
            ("Via", f"SIP/2.0/{self.flow.transport} {sent_by};branch=z9hG4bK{branch};rport"),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in self.routes),
            ("From", str(self.local)),
            ("To", str(self.remote)),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
        )
        return Request(method, self.target, (*common, *headers), body)


def contact_of(message: Request | Response) -> str:
    """The URI of the first Contact, empty where there is none."""
    contacts = message.values("Contact")
    return Address.parse(contacts[0]).uri if contacts else ""


def key_for(request: Request) -> DialogKey:
    """The dialog that a request of the peer belongs to."""
    return request.call_id, request.recipient.tag, request.sender.tag
