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
from typing import Protocol

from core.clock import Clock, utc_now
from core.errors import Unavailable
from core.ids import new_id
from core.settings import Address, Settings
from telephony.call import CallFacts
from telephony.durability import FACTS_NOT_SAVED, Durability
from telephony.entrance import Entrance
from telephony.recording import NOT_ACKNOWLEDGED, Ports, Recording
from telephony.sip.dialog import Dialog, DialogKey, Flow
from telephony.sip.message import Request, readable
from telephony.sip.server import RETRY, Reply, Server
from telephony.sip.transaction import GIVE_UP
from telephony.sip.transport import Listeners, address_towards
from telephony.siprec.session import SessionRequest, UnknownEncoding, read_request

log = logging.getLogger(__name__)

_WILDCARDS = ("0.0.0.0", "::", "")


class CallObserver(Protocol):
    """Learns of calls; ``finished`` when a call is on the disk.  Both methods return at once and raise nothing."""

    def started(self, facts: CallFacts) -> None: ...

    def finished(self, facts: CallFacts, directory: Path) -> None: ...


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
        room: Callable[[], str] = lambda: "",
        entrance: Entrance | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """``media_host`` is told to gateways; a wildcard address is replaced by the one that faces the gateway.

        ``room`` says why no further call can be kept now; empty: it can.  It is asked often and must answer at once.
        ``entrance`` says who may call, and opens TLS; without one everybody may.
        """
        self.address = bind
        self._media_host, self._spool_dir, self._capture, self._observer = media_host, spool_dir, capture, observer
        self._agents, self._header, self._clock = agent_numbers, work_order_header, clock
        self._media_timeout = media_timeout.total_seconds()
        self._room = room
        self._calls: dict[DialogKey, Recording] = {}
        self._heard: dict[DialogKey, float] = {}
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._watch: asyncio.Task[None] | None = None
        self._durability = Durability(spool_dir, observer.finished)
        self._entrance = entrance or Entrance()
        self._server = Server(
            self, contact=self._contact, new_tag=lambda: secrets.token_hex(12), admission=self._entrance.access
        )
        self._listeners = Listeners(
            self._server, certificate=self._entrance.certificate, admits=self._entrance.admits
        )

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        capture: Ports,
        observer: CallObserver,
        clock: Clock = utc_now,
        room: Callable[[], str] = lambda: "",
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
            room=room,
            entrance=Entrance.from_settings(settings),
            clock=clock,
        )

    @property
    def calls(self) -> tuple[CallFacts, ...]:
        """The facts of the calls in progress."""
        return tuple(recording.facts for recording in dict.fromkeys(self._calls.values()))

    @property
    def tls_address(self) -> Address | None:
        """Where TLS listens, once it does."""
        return self._listeners.tls_address

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
        return self._draining

    async def drain(self) -> None:
        """Take no more calls (503, to OPTIONS as well); returns when the last one in progress has ended by itself."""
        self._draining = True
        if self._calls:
            log.info("draining", extra={"facts": {"calls": len(self._calls)}})
        await self._idle.wait()

    async def stop(self, *, farewell: float = 2.0) -> None:
        """Take no more calls, end those in progress with a BYE, keep what was recorded, close the sockets.

        ``farewell`` is how many seconds answers to the BYEs are waited for.
        """
        self._draining = True
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        for key in list(self._calls):
            self._hang_up(key, "shutdown")
        until = time.monotonic() + farewell
        while self._server.hanging_up and time.monotonic() < until:  # noqa: ASYNC110 - protocol code has no events
            await asyncio.sleep(0.02)
        await self._listeners.stop()
        await self._durability.stop()

    # What the server asks (sip.server.Application).

    def available(self) -> bool:
        return not self._draining and not self._room()

    def invited(self, dialog: Dialog, request: Request) -> Reply:
        if self._draining:
            return Reply(503, RETRY)
        if why := self._room():
            log.info("call refused", extra={"facts": {"why": why}})
            return Reply(503, RETRY)
        told = self._read(request)
        if isinstance(told, Reply):
            return told
        if told.offer is None or not any(media.recordable() for media in told.offer.media):
            return Reply(488)
        running = next((one for one in self._calls.values() if told.callers.tie and one.tie == told.callers.tie), None)
        try:
            recording = self._join(running, dialog, told) if running else self._begin(dialog, told)
        except (Unavailable, OSError) as error:
            log.error("call refused", extra={"facts": {"why": _why(error)}})
            return Reply(503, RETRY)
        self._calls[dialog.key] = recording
        self._idle.clear()
        self._heard[dialog.key] = time.monotonic()
        if not running:
            log.info("call started", extra={"facts": _log_facts(recording.facts)})
            self._observer.started(recording.facts)
        return _session_reply(recording, dialog)

    def changed(self, dialog: Dialog, request: Request) -> Reply:
        recording = self._calls.get(dialog.key)
        if recording is None:
            return Reply(481)
        told = self._read(request)
        if isinstance(told, Reply):
            return told
        try:
            recording.apply(dialog.key, told, self._clock())
        except Unavailable as error:
            log.error("change of a call refused", extra={"facts": {**_log_facts(recording.facts), "why": _why(error)}})
            return Reply(503, RETRY)
        self._store(recording, dialog.key, told)
        # Without an offer a re-INVITE asks for ours, an UPDATE for nothing (RFC 3261 §14.2, RFC 3311 §5.2).
        asked = told.offer is not None or request.method == "INVITE"
        return _session_reply(recording, dialog) if asked else Reply(200)

    def acknowledged(self, dialog: Dialog, request: Request) -> None:
        """The media may come before and without the ACK: nothing to do."""

    def heard(self, dialog: Dialog) -> None:
        self._heard[dialog.key] = time.monotonic()

    def ended(self, dialog: Dialog) -> None:
        self._finish(dialog.key, "bye")

    def unacknowledged(self, dialog: Dialog) -> bool:
        recording = self._calls.get(dialog.key)
        if recording is None:
            return True
        recording.flag(NOT_ACKNOWLEDGED)
        if recording.quiet_seconds() < GIVE_UP / 2:
            # Sound that arrives is evidence, whatever the gateway owes the protocol.
            return False
        self._finish(dialog.key, "not acknowledged")
        return True

    # Beginning and end of a recording.

    def _read(self, request: Request) -> SessionRequest | Reply:
        try:
            return read_request(request, self._header)
        except UnknownEncoding:
            return Reply(415, (("Accept-Encoding", "gzip, deflate, identity"),))
        except ValueError as error:
            log.info("request refused", extra={"facts": {"why": str(error)}})
            return Reply(400)

    def _begin(self, dialog: Dialog, told: SessionRequest) -> Recording:
        facts = CallFacts(
            recording_id=new_id(),
            sip_call_id=readable(dialog.call_id),
            started_at=self._clock(),
            peer=f"{dialog.flow.transport} {Address(dialog.flow.host, dialog.flow.port)}",
        )
        recording = Recording(facts, self._spool_dir, self._capture, self._agents)
        try:
            recording.join(dialog.key, self._advertised(self._media_host, dialog.flow))
            recording.apply(dialog.key, told, facts.started_at)
            recording.store(dialog.key, told)
        except (Unavailable, OSError):
            recording.discard()
            raise
        return recording

    def _join(self, recording: Recording, dialog: Dialog, told: SessionRequest) -> Recording:
        """A further dialog of a call that is already recorded."""
        recording.join(dialog.key, self._advertised(self._media_host, dialog.flow))
        try:
            recording.apply(dialog.key, told, self._clock())
        except (Unavailable, OSError):
            recording.leave(dialog.key, self._clock())
            raise
        self._store(recording, dialog.key, told)
        return recording

    def _store(self, recording: Recording, key: DialogKey, told: SessionRequest | None = None) -> None:
        try:
            recording.store(key, told) if told else recording.save()
        except OSError as error:
            # The call goes on: its sound may still find room, and its end writes the facts again.
            recording.flag(FACTS_NOT_SAVED)
            log.error("facts not saved", extra={"facts": {**_log_facts(recording.facts), "why": _why(error)}})

    def _finish(self, key: DialogKey, reason: str) -> None:
        self._heard.pop(key, None)
        recording = self._calls.pop(key, None)
        if recording is None:
            return
        if recording.leave(key, self._clock()):
            # The other dialogs of the call go on.
            self._store(recording, key)
            return
        facts = recording.close(reason, self._clock())
        log.info("call ended", extra={"facts": _log_facts(facts)})
        self._durability.close(facts, recording.directory)
        if not self._calls:
            self._idle.set()

    def _hang_up(self, key: DialogKey, reason: str) -> None:
        self._listeners.send(self._server.hang_up(key, time.monotonic()))
        self._finish(key, reason)

    async def _watch_for_silence(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._media_timeout / 4))
            now = time.monotonic()
            for key, recording in list(self._calls.items()):
                if min(now - self._heard[key], recording.quiet_seconds()) >= self._media_timeout:
                    self._hang_up(key, "media timeout")

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


def _session_reply(recording: Recording, dialog: Dialog) -> Reply:
    return Reply(200, content_type="application/sdp", body=recording.sdp(dialog.key))


def _why(error: Unavailable | OSError) -> str:
    return str(error) if isinstance(error, Unavailable) else error.strerror or type(error).__name__


def _log_facts(facts: CallFacts) -> dict[str, object]:
    """What may be logged of a call: no number, no name, no Call-ID (gateways put numbers into it)."""
    return {
        "recording": facts.recording_id,
        "streams": len(facts.streams),
        "reason": facts.end_reason or "-",
        "flags": "; ".join(facts.flags) or "-",
    }
