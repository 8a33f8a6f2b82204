"""The recorder: a SIPREC session recording server (RFC 7866) from INVITE to BYE.

It answers calls, keeps one ``Recording`` for each, and hands a finished one to its observer.  The capture belongs to
the caller, who starts it before and stops it after the recorder.
"""

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from core.clock import Clock, utc_now
from core.settings import Address, Settings
from telephony.call import CallFacts
from telephony.calls import CallObserver as CallObserver
from telephony.calls import Calls
from telephony.durability import Durability
from telephony.entrance import Entrance, tell_refused
from telephony.recording import Ports
from telephony.sip.dialog import DialogKey, Flow
from telephony.sip.server import Server
from telephony.sip.transport import Listeners, address_towards

log = logging.getLogger(__name__)

_WILDCARDS = ("0.0.0.0", "::", "")


class Recorder:
    """Takes calls on one address, UDP and TCP, and on another with TLS."""

    def __init__(
        self,
        *,
        bind: Address,
        media_host: str,
        spool_dir: Path,
        capture: Ports,
        observer: CallObserver,
        agent_numbers: Sequence[re.Pattern[str]] = (),
        work_order_header: str = "X-Work-Order",
        media_timeout: timedelta = timedelta(seconds=300),
        session_expires: timedelta = timedelta(0),
        room: Callable[[], str] = lambda: "",
        written: Callable[[Path], bool] = lambda _: True,
        entrance: Entrance | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """``media_host`` is told to gateways; a wildcard address is replaced by the one that faces the gateway.

        ``room`` says why no further call can be kept now; empty: it can.  It is asked often and must answer at once.
        ``written`` says whether all that was received into an ended call's directory is there; a call waits for it.
        ``session_expires`` is asked for as the session interval (RFC 4028) where a gateway names none; 0: none is.
        ``entrance`` says who may call, and opens TLS; without one everybody may.
        """
        self.address = bind
        self._spool_dir, self._media_timeout = spool_dir, media_timeout.total_seconds()
        self._tick = min(1.0, self._media_timeout / 4)
        self._durability = Durability(spool_dir, observer.finished, written=written)
        self._calls = Calls(
            spool_dir=spool_dir,
            ports=capture,
            media_host=lambda flow: self._advertised(media_host, flow),
            started=observer.started,
            closed=self._close,
            agent_numbers=agent_numbers,
            work_order_header=work_order_header,
            room=room,
            clock=clock,
        )
        self._idle = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._entrance = entrance or Entrance()
        self._server = Server(
            self._calls,
            contact=self._contact,
            new_tag=lambda: secrets.token_hex(12),
            admission=self._entrance.access,
            session_expires=int(session_expires.total_seconds()),
            refused=tell_refused,
        )
        self._listeners = Listeners(self._server, certificate=self._entrance.certificate, admits=self._entrance.admits)

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        capture: Ports,
        observer: CallObserver,
        clock: Clock = utc_now,
        room: Callable[[], str] = lambda: "",
        written: Callable[[Path], bool] = lambda _: True,
    ) -> "Recorder":
        """The recorder that the settings describe; ``SettingsError`` names a file of theirs that cannot be used."""
        return cls(
            bind=settings.sip_bind,
            media_host=settings.media_host,
            spool_dir=settings.spool_dir,
            capture=capture,
            observer=observer,
            agent_numbers=settings.agent_numbers,
            work_order_header=settings.work_order_header,
            media_timeout=settings.media_timeout,
            session_expires=settings.session_expires,
            room=room,
            written=written,
            entrance=Entrance.from_settings(settings),
            clock=clock,
        )

    @property
    def calls(self) -> tuple[CallFacts, ...]:
        """The facts of the calls in progress."""
        return tuple(recording.facts for recording in self._calls.recordings)

    def pause(self, recording_id: UUID, *, by: str, reason: str) -> bool:
        """Keep nothing of a call until ``resume``; False when it is not in progress or already pauses."""
        return self._calls.pause(recording_id, by, reason)

    def resume(self, recording_id: UUID, *, by: str) -> bool:
        """Keep a call again; False when it is not in progress or nobody paused it."""
        return self._calls.resume(recording_id, by)

    def available(self) -> bool:
        """Whether a new call would be taken."""
        return self._calls.available()

    @property
    def tls_address(self) -> Address | None:
        """Where TLS listens, once it does."""
        return self._listeners.tls_address

    @property
    def connections(self) -> int:
        """How many TCP and TLS connections stand."""
        return self._listeners.open_connections

    def reload(self) -> None:
        """Read certificate and accounts again where their files have changed; calls and connections stay."""
        self._entrance.reload()

    @property
    def dropped_messages(self) -> int:
        """Datagrams and connections that carried no SIP."""
        return self._listeners.dropped

    async def start(self) -> None:
        """Listen; afterwards ``address`` holds the port in force.  ``Unavailable`` when it is taken."""
        self._spool_dir.mkdir(parents=True, exist_ok=True)
        self.address = await self._listeners.start(self.address)
        self._durability.start()
        self._watch = asyncio.get_running_loop().create_task(self._watch_for_silence(), name="media-timeout")

    @property
    def draining(self) -> bool:
        """Whether new calls are refused for good."""
        return self._calls.refusing

    async def drain(self) -> None:
        """Take no more calls (503, to OPTIONS as well); returns when the last one in progress has ended by itself."""
        self._calls.refusing = True
        running = len(self._calls.recordings)
        if running:
            log.info("draining", extra={"facts": {"calls": running}})
            self._idle.clear()
            await self._idle.wait()

    async def stop(self, *, farewell: float = 2.0) -> None:
        """Take no more calls, end those in progress with a BYE, keep what was recorded, close the sockets.

        ``farewell`` is how many seconds ACKs that are awaited, and then answers to the BYEs, are waited for.
        """
        self._calls.refusing = True
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        until = time.monotonic() + farewell
        # A BYE must not overtake the ACK (RFC 3261 §15).
        while self._server.unconfirmed and time.monotonic() < until:  # noqa: ASYNC110 - protocol code has no events
            await asyncio.sleep(0.02)
        for key in self._calls.dialogs:
            self._hang_up(key, "shutdown")
        until = time.monotonic() + farewell
        while self._server.hanging_up and time.monotonic() < until:  # noqa: ASYNC110 - protocol code has no events
            await asyncio.sleep(0.02)
        await self._listeners.stop()
        await self._durability.stop()

    def _close(self, facts: CallFacts, directory: Path) -> None:
        self._durability.close(facts, directory)
        if not self._calls.dialogs:
            self._idle.set()

    def _hang_up(self, key: DialogKey, reason: str) -> None:
        self._listeners.send(self._server.hang_up(key, time.monotonic()))
        self._calls.finish(key, reason)

    async def _watch_for_silence(self) -> None:
        while True:
            await asyncio.sleep(self._tick)
            for key in self._calls.dialogs:
                if not self._server.session_lives(key):
                    self._look_after(key)

    def _look_after(self, key: DialogKey) -> None:
        """No sound is no reason to end a call whose signalling lives.  Without a session timer the gateway is asked
        from half the time on, four times; who neither answers nor sends for the whole time is gone."""
        silent = min(self._calls.silent_seconds(key), self._calls.quiet_seconds(key))
        if silent >= self._media_timeout:
            self._hang_up(key, "media timeout")
        elif silent >= self._media_timeout / 2 and silent % (self._media_timeout / 8) < 2 * self._tick:
            self._listeners.send(self._server.probe(key, time.monotonic()))

    def _contact(self, flow: Flow) -> str:
        local = self.tls_address if flow.transport == "TLS" and self.tls_address is not None else self.address
        return str(Address(self._advertised(local.host, flow), local.port))

    def _advertised(self, host: str, flow: Flow) -> str:
        if host not in _WILDCARDS:
            return host
        try:
            return address_towards(flow.host)
        except OSError:
            return host
