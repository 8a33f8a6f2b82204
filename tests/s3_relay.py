"""An HTTP relay before a real S3 server that changes requests' fates: answers lost, forged or rewritten.

Signatures stay valid, because requests reach the server as they were sent, ``Host`` included.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.ports import LOOPBACK


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """Names without a value (``?retention``) are there with an empty one."""
        found = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Cut(Exception):
    """Raised by a fate: the connection ends without an answer."""


Forward = Callable[[Request], Answer]
Fate = Callable[[Request, Forward], Answer]


def honest(request: Request, forward: Forward) -> Answer:
    """Change nothing."""
    return forward(request)


class Relay:
    """Listens on ``port``; each request goes through ``fate``.  ``seen`` are the methods and paths that came."""

    def __init__(self, target: int) -> None:
        self.fate: Fate = honest
        self.seen: list[tuple[str, str]] = []
        self._target = target
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One packet for each answer: a second one would wait 40 ms for the acknowledgement of the first.
            disable_nagle_algorithm = True
            wbufsize = -1

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                request = Request(self.command, self.path, list(self.headers.items()), self.rfile.read(length))
                relay.seen.append((request.method, request.path))
                try:
                    answer = relay.fate(request, relay._forward)
                except Cut:
                    self.close_connection = True
                    return
                self._give(answer)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

            def _give(self, answer: Answer) -> None:
                self.send_response_only(answer.status)
                headers = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN}
                if self.command != "HEAD":
                    headers["Content-Length"] = str(len(answer.body))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self._target, timeout=240)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                connection.putheader(name, value)
            connection.endheaders(request.body)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


_OWN = {"connection", "transfer-encoding"}
