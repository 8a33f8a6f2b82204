"""The calls in progress: what the SIP server asks of the recorder, and how each recording begins and ends."""

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import UUID

from core.clock import Clock
from core.errors import Unavailable
from core.ids import new_id
from core.settings import Address
from telephony.call import CallFacts
from telephony.durability import FACTS_NOT_SAVED
from telephony.recording import NOT_ACKNOWLEDGED, Ports, Recording
from telephony.sip.dialog import Dialog, DialogKey, Flow
from telephony.sip.keypad import pressed
from telephony.sip.message import Request, readable
from telephony.sip.sdp import Description
from telephony.sip.server import RETRY, RETRY_SECONDS, Reply
from telephony.sip.transaction import GIVE_UP
from telephony.siprec.session import SessionRequest, UnknownEncoding, read_request

log = logging.getLogger(__name__)

NOT_ANSWERED, SESSION_EXPIRED = "our offer was not answered", "session timer expired"


class CallObserver(Protocol):
    """Learns of calls; ``finished`` when a call is on the disk.  Both methods return at once and raise nothing."""

    def started(self, facts: CallFacts) -> None: ...

    def finished(self, facts: CallFacts, directory: Path) -> None: ...


class Calls:
    """``sip.server.Application``: one ``Recording`` for each call, found by each of its dialogs."""

    def __init__(
        self,
        *,
        spool_dir: Path,
        ports: Ports,
        media_host: Callable[[Flow], str],
        started: Callable[[CallFacts], None],
        closed: Callable[[CallFacts, Path], None],
        agent_numbers: Sequence[re.Pattern[str]],
        work_order_header: str,
        room: Callable[[], str],
        clock: Clock,
    ) -> None:
        """``media_host`` is the address that our SDP names to a peer, ``room`` says why no further call can be kept."""
        self._spool_dir, self._ports, self._media_host = spool_dir, ports, media_host
        self._started, self._closed = started, closed
        self._agents, self._header, self._room, self._clock = agent_numbers, work_order_header, room, clock
        self._recordings: dict[DialogKey, Recording] = {}
        # Recordings that take further dialogs, by what ties those together.
        self._tied: dict[str, Recording] = {}
        self._heard: dict[DialogKey, float] = {}
        # Dialogs in which an offer of ours waits for the ACK that answers it.
        self._offering: set[DialogKey] = set()
        self.refusing = False
        # Until when probes are told that the last call found no place; the end of any call frees one.
        self._full_until = float("-inf")

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """Each once, however many dialogs it has."""
        return tuple(dict.fromkeys(self._recordings.values()))

    @property
    def dialogs(self) -> tuple[DialogKey, ...]:
        return tuple(self._recordings)

    def quiet_seconds(self, key: DialogKey) -> float:
        """Seconds since the last RTP of a dialog's call."""
        return self._recordings[key].quiet_seconds()

    def silent_seconds(self, key: DialogKey) -> float:
        """Seconds since the peer last said anything within a dialog."""
        return time.monotonic() - self._heard[key]

    def available(self) -> bool:
        return not self.refusing and not self._room() and time.monotonic() >= self._full_until

    def invited(self, dialog: Dialog, request: Request) -> Reply:
        if self.refusing:
            return Reply(503, RETRY)
        if why := self._room():
            log.info("call refused", extra={"facts": {"why": why}})
            return Reply(503, RETRY)
        told = self._read(request)
        if isinstance(told, Reply):
            return told
        if refusal := _refuse_body(told, request):
            return refusal
        running = self._tied.get(told.callers.tie) if told.callers.tie else None
        try:
            recording = self._join(running, dialog, told) if running else self._begin(dialog, told)
        except (Unavailable, OSError) as error:
            log.error("call refused", extra={"facts": {"why": _why(error)}})
            self._full_until = time.monotonic() + RETRY_SECONDS
            return Reply(503, RETRY)
        self._recordings[dialog.key] = recording
        self._tie(recording)
        self._heard[dialog.key] = time.monotonic()
        if not running:
            log.info("call started", extra={"facts": log_facts(recording.facts)})
            self._started(recording.facts)
        return self._description(recording, dialog, told)

    def changed(self, dialog: Dialog, request: Request) -> Reply:
        recording = self._recordings.get(dialog.key)
        if recording is None:
            return Reply(481)
        told = self._read(request)
        if isinstance(told, Reply):
            return told
        # Without an offer a re-INVITE asks for ours, an UPDATE for nothing (RFC 3261 §14.2, RFC 3311 §5.2).
        asked = told.offer is None and request.method == "INVITE"
        if told.offer is not None and (refusal := _refuse_change(told.offer)):
            return self._unchanged(recording, dialog.key, told, refusal)
        try:
            recording.apply(dialog.key, told, self._clock())
            if asked:
                recording.offer(dialog.key)
        except Unavailable as error:
            log.error("change of a call refused", extra={"facts": {**log_facts(recording.facts), "why": _why(error)}})
            return Reply(503, RETRY)
        self._tie(recording)
        self._store(recording, dialog.key, told)
        return self._description(recording, dialog, told) if asked or told.offer is not None else Reply(200)

    def _unchanged(self, recording: Recording, key: DialogKey, told: SessionRequest, refusal: Reply) -> Reply:
        """What was agreed stays in force (RFC 3261 §14.2): the streams that there are go on; the rest is kept."""
        for flag in told.offer.refusals() if told.offer else ():
            recording.flag(flag)
        recording.apply(key, replace(told, offer=None), self._clock())
        self._store(recording, key, told)
        return refusal

    def acknowledged(self, dialog: Dialog, request: Request) -> None:
        recording = self._recordings.get(dialog.key)
        if dialog.key not in self._offering or recording is None:
            return
        self._offering.discard(dialog.key)
        told = self._read(request)
        if isinstance(told, Reply) or told.offer is None:
            # Whatever comes at the ports that we offered is recorded all the same.
            recording.flag(NOT_ANSWERED)
            self._store(recording, dialog.key)
        else:
            recording.answered(dialog.key, told.offer, self._clock())
            self._store(recording, dialog.key, told)

    def informed(self, dialog: Dialog, request: Request) -> None:
        recording = self._recordings.get(dialog.key)
        if recording is not None and (digit := pressed(request)):
            recording.press(digit, self._clock())
            self._store(recording, dialog.key)

    def description(self, dialog: Dialog) -> bytes:
        return self._recordings[dialog.key].sdp(dialog.key)

    def heard(self, dialog: Dialog) -> None:
        self._heard[dialog.key] = time.monotonic()

    def ended(self, dialog: Dialog, request: Request) -> None:
        recording = self._recordings.get(dialog.key)
        told = self._read(request) if request.body else None
        if recording is not None and isinstance(told, SessionRequest):
            # Some gateways tell only now who left when.
            recording.apply(dialog.key, replace(told, offer=None), self._clock())
            self._store(recording, dialog.key, told)
        self.finish(dialog.key, "bye")

    def expired(self, dialog: Dialog) -> bool:
        return self._finish_unless_heard(dialog.key, SESSION_EXPIRED, "session timer")

    def unacknowledged(self, dialog: Dialog) -> bool:
        self._offering.discard(dialog.key)
        return self._finish_unless_heard(dialog.key, NOT_ACKNOWLEDGED, "not acknowledged")

    def _finish_unless_heard(self, key: DialogKey, flag: str, reason: str) -> bool:
        """Sound that arrives is evidence, whatever the gateway owes the protocol; without it the call is over."""
        recording = self._recordings.get(key)
        if recording is not None:
            recording.flag(flag)
            if recording.quiet_seconds() < GIVE_UP / 2:
                return False
            self.finish(key, reason)
        return True

    def pause(self, recording_id: UUID, by: str, reason: str) -> bool:
        """Keep nothing of a call until it resumes; False when it is not in progress or already pauses."""
        recording = self._of(recording_id)
        return recording is not None and self._paused(recording, recording.pause(self._clock(), by, reason))

    def resume(self, recording_id: UUID, by: str) -> bool:
        """Keep a call again; False when it is not in progress or does not pause for a person."""
        recording = self._of(recording_id)
        return recording is not None and self._paused(recording, recording.resume(self._clock(), by))

    def _of(self, recording_id: UUID) -> Recording | None:
        return next((one for one in self._recordings.values() if one.facts.recording_id == recording_id), None)

    def _paused(self, recording: Recording, changed: bool) -> bool:
        if changed:
            log.info("call paused or resumed", extra={"facts": log_facts(recording.facts)})
            self._store(recording, recording.dialogs[0])
        return changed

    def finish(self, key: DialogKey, reason: str) -> None:
        """A dialog is over, and with its last dialog the call; an unknown one is nothing to do."""
        self._heard.pop(key, None)
        self._offering.discard(key)
        recording = self._recordings.pop(key, None)
        if recording is None:
            return
        if recording.leave(key, self._clock()):
            # The other dialogs of the call go on.
            self._store(recording, key)
            return
        self._full_until = float("-inf")
        if self._tied.get(recording.tie) is recording:
            del self._tied[recording.tie]
        facts = recording.close(reason, self._clock())
        log.info("call ended", extra={"facts": log_facts(facts)})
        self._closed(facts, recording.directory)

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
        recording = Recording(facts, self._spool_dir, self._ports, self._agents)
        try:
            self._follow(recording, dialog, told)
            recording.store(dialog.key, told)
        except (Unavailable, OSError):
            recording.discard()
            raise
        return recording

    def _join(self, recording: Recording, dialog: Dialog, told: SessionRequest) -> Recording:
        """A further dialog of a call that is already recorded."""
        try:
            self._follow(recording, dialog, told)
        except (Unavailable, OSError):
            recording.leave(dialog.key, self._clock())
            raise
        self._store(recording, dialog.key, told)
        return recording

    def _follow(self, recording: Recording, dialog: Dialog, told: SessionRequest) -> None:
        recording.join(dialog.key, self._media_host(dialog.flow))
        recording.apply(dialog.key, told, self._clock())
        if told.offer is None:
            recording.offer(dialog.key)

    def _tie(self, recording: Recording) -> None:
        if recording.tie:
            self._tied.setdefault(recording.tie, recording)

    def _description(self, recording: Recording, dialog: Dialog, told: SessionRequest) -> Reply:
        """Our answer, or where nothing was offered our offer."""
        if told.offer is None:
            self._offering.add(dialog.key)
        sdp = recording.sdp(dialog.key)
        return Reply(200, content_type="application/sdp", body=sdp, offers=told.offer is None)

    def _store(self, recording: Recording, key: DialogKey, told: SessionRequest | None = None) -> None:
        try:
            recording.store(key, told) if told else recording.save()
        except OSError as error:
            # The call goes on: its sound may still find room, and its end writes the facts again.
            recording.flag(FACTS_NOT_SAVED)
            log.error("facts not saved", extra={"facts": {**log_facts(recording.facts), "why": _why(error)}})


def _refuse_body(told: SessionRequest, request: Request) -> Reply | None:
    """488 for an offer without a line that we can take, 415 for a body that says nothing to us and must be understood
    (RFC 3261 §8.2.3); without any, or with metadata alone, the gateway wants our offer."""
    if told.offer is not None:
        return None if any(media.recordable() for media in told.offer.media) else _refuse_offer(told.offer)
    optional = "handling=optional" in request.get("Content-Disposition").replace(" ", "").lower()
    told_us = optional or not request.body or any(suffix == "xml" for suffix, _ in told.raw)
    why = "its body is neither SDP nor recording metadata; let it send application/sdp, or no body for our offer"
    return None if told_us else Reply(415, why=why)


def _refuse_offer(offer: Description) -> Reply:
    why = "; ".join(offer.refusals()[:4]) or "no audio line that is open"
    return Reply(488, why=f"{why}; let it offer G.711 as RTP/AVP, or as RTP/SAVP with a=crypto")


def _refuse_change(offer: Description) -> Reply | None:
    """488 for an offer of which nothing can be taken, unless it closes the lines itself."""
    taken = any(media.recordable() for media in offer.media)
    return _refuse_offer(offer) if offer.refusals() and not taken else None


def _why(error: Unavailable | OSError) -> str:
    return str(error) if isinstance(error, Unavailable) else error.strerror or type(error).__name__


def log_facts(facts: CallFacts) -> dict[str, object]:
    """What may be logged of a call: no number, no name, no Call-ID (gateways put numbers into it)."""
    return {
        "recording": facts.recording_id,
        "streams": len(facts.streams),
        "reason": facts.end_reason or "-",
        "flags": "; ".join(facts.flags) or "-",
    }
