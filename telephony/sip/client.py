"""One call's signalling from the calling side, as the gateway simulator needs it (RFC 3261 §8.1, §12.2.1, §22)."""

import asyncio
import secrets
from dataclasses import dataclass, field

from core.errors import Refused, Unavailable
from core.settings import Address
from telephony.sip.digest import first_known
from telephony.sip.message import Headers, Request, Response
from telephony.sip.transaction import GIVE_UP, T1, T2
from telephony.sip.transport import Link


@dataclass(frozen=True)
class Login:
    """What a challenge of the server is answered with."""

    user: str
    password: str = field(repr=False)


class Client:
    """One dialog.  Over UDP requests are repeated until answered (§17.1); a challenge is answered once."""

    def __init__(
        self,
        link: Link,
        target: Address,
        *,
        call_id: str = "",
        login: Login | None = None,
        patience: float = GIVE_UP,
    ) -> None:
        """``patience`` is how many seconds an answer to each request is waited for."""
        self._link, self._target, self._login, self._patience = link, target, login, patience
        self.call_id = call_id or f"{secrets.token_hex(12)}@{link.local.host}"
        self._tag, self._remote_tag, self._number = secrets.token_hex(8), "", 0
        self._uri = self._first_uri = f"sip:recorder@{target}"

    async def invite(self, headers: Headers, body: bytes) -> Response:
        """INVITE and ACK; the 2xx comes back, ``Refused`` names any other status."""
        response, branch = await self._ask("INVITE", headers, body)
        self._acknowledge(response, branch)
        if self._login is not None and response.status == 401:
            response, branch = await self._ask("INVITE", (*headers, self._credentials(response, self._login)), body)
            self._acknowledge(response, branch)
        if response.status >= 300:
            raise Refused(
                "the server refused the call",
                server=self._target,
                expected="200 OK",
                found=f"{response.status} {response.reason}",
                remedy=_remedy(response.status),
            )
        return response

    async def request(self, method: str, headers: Headers = (), body: bytes = b"") -> Response:
        """A request within the dialog and its final response, whatever its status."""
        response, _ = await self._ask(method, headers, body)
        return response

    async def bye(self) -> None:
        """Hang up; that the server has ended the call itself is no error."""
        await self.request("BYE")

    def _acknowledge(self, response: Response, branch: str) -> None:
        if response.status >= 300:
            self._link.send(bytes(self._request("ACK", branch, recipient=response.get("To"))))
            return
        self._remote_tag = response.recipient.tag
        contacts = response.values("Contact")
        self._uri = contacts[0].partition("<")[2].partition(">")[0] if contacts else self._uri
        self._link.send(bytes(self._request("ACK", secrets.token_hex(8))))

    def _credentials(self, response: Response, login: Login) -> tuple[str, str]:
        challenge = first_known(response.all("WWW-Authenticate"))
        if challenge is None:
            raise Refused("the server asks for an authentication that is not known here", server=self._target)
        uri, client_nonce = self._uri, secrets.token_hex(8)
        return "Authorization", str(challenge.answer(login.user, login.password, "INVITE", uri, client_nonce))

    async def _ask(self, method: str, headers: Headers, body: bytes) -> tuple[Response, str]:
        self._number += 1
        branch = secrets.token_hex(8)
        request = bytes(self._request(method, branch, headers, body))
        loop = asyncio.get_running_loop()
        until, interval = loop.time() + self._patience, min(T1, self._patience)
        while loop.time() < until:
            self._link.send(request)
            response = await self._final(method, interval if self._link.transport == "UDP" else self._patience)
            if response is not None:
                return response, branch
            interval = min(2 * interval, T2)
        raise Unavailable("the SIP server does not answer", server=self._target, request=method)

    async def _final(self, method: str, seconds: float) -> Response | None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self._link.messages.get()
                    if message is None:
                        raise Unavailable("the SIP server closed the connection", server=self._target, request=method)
                    if isinstance(message, Request):
                        self._answer(message)
                    elif message.status >= 200 and (message.cseq.number, message.cseq.method) == (self._number, method):
                        return message
        except TimeoutError:
            return None

    def _answer(self, request: Request) -> None:
        """The server hangs up: agree."""
        names = ("Via", "From", "To", "Call-ID", "CSeq")
        copied = tuple((name, value) for name in names for value in request.all(name))
        self._link.send(bytes(Response(200, "OK", copied)))

    def _request(
        self, method: str, branch: str, headers: Headers = (), body: bytes = b"", recipient: str = ""
    ) -> Request:
        tag = f";tag={self._remote_tag}" if self._remote_tag else ""
        transport = self._link.transport
        contact = f"<sip:gateway@{self._link.local};transport={transport.lower()}>;+sip.src"
        common: Headers = (
            ("Via", f"SIP/2.0/{transport} {self._link.local};branch=z9hG4bK{branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:gateway@{self._link.local.host}>;tag={self._tag}"),
            ("To", recipient or f"<{self._first_uri}>{tag}"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self._number} {method}"),
            ("Contact", contact),
        )
        return Request(method, self._uri, (*common, *headers), body)


def _remedy(status: int) -> str:
    known = {
        401: "the recorder asks for a user and password that it knows (huiyin sip-user)",
        403: "this machine's address is not in the recorder's HUIYIN_SIP_ALLOW",
        503: "the recorder is stopping, out of RTP ports or cannot write its spool; see its log",
        488: "the recorder can record none of the codecs offered",
        420: "the server knows no SIPREC; is it a recorder?",
    }
    return known.get(status, "see the server's log")
