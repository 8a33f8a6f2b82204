"""Dialogs as the called side keeps them (RFC 3261, section 12)."""

from dataclasses import dataclass, replace

from telephony.sip.header import Address
from telephony.sip.message import Headers, Request

DialogKey = tuple[str, str, str]


@dataclass(frozen=True)
class Flow:
    """Where a message came from, so that answers go back the same way: ``connection`` numbers a TCP connection."""

    transport: str
    host: str
    port: int
    connection: int = 0

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

    @property
    def key(self) -> DialogKey:
        return self.call_id, self.local_tag, self.remote_tag

    @classmethod
    def accept(cls, request: Request, tag: str, flow: Flow) -> "Dialog":
        """The dialog that our 2xx to an INVITE makes (§12.1.1).  ``ValueError`` without a usable Contact."""
        recipient = request.recipient
        local = replace(recipient, parameters=(*recipient.parameters, ("tag", tag)))
        return cls(
            call_id=request.call_id,
            local_tag=tag,
            remote_tag=request.sender.tag,
            local=local,
            remote=request.sender,
            target=contact_of(request),
            routes=tuple(request.values("Record-Route")),
            remote_seq=request.cseq.number,
            flow=flow,
        )

    def follow(self, request: Request, flow: Flow) -> "Dialog":
        """After a request of the peer; a target refresh (INVITE, UPDATE) may move its Contact (§12.2.2).

        ``ValueError`` when the request is older than one already seen.
        """
        number = request.cseq.number
        if request.method != "ACK" and number <= self.remote_seq:
            raise ValueError("the CSeq number is not above the last one")
        refreshes = request.method in ("INVITE", "UPDATE") and request.values("Contact")
        target = contact_of(request) if refreshes else self.target
        return replace(self, remote_seq=max(number, self.remote_seq), target=target, flow=flow)

    def request(self, method: str, *, branch: str, sent_by: str) -> tuple["Dialog", Request]:
        """A request of ours within the dialog (§12.2.1.1, loose routing), and the dialog after it."""
        number = self.local_seq + 1
        headers: Headers = (
            ("Via", f"SIP/2.0/{self.flow.transport} {sent_by};branch=z9hG4bK{branch};rport"),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in self.routes),
            ("From", str(self.local)),
            ("To", str(self.remote)),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
        )
        return replace(self, local_seq=number), Request(method, self.target, headers)


def contact_of(request: Request) -> str:
    """The URI of the first Contact; ``ValueError`` when there is none."""
    contacts = request.values("Contact")
    if not contacts:
        raise ValueError("no Contact header")
    return Address.parse(contacts[0]).uri


def key_for(request: Request) -> DialogKey:
    """The dialog that a request of the peer belongs to."""
    return request.call_id, request.recipient.tag, request.sender.tag
