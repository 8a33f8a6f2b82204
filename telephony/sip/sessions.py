"""The session timers in force, and when each wants a refresh or has run out (RFC 4028 §10)."""

from collections.abc import Iterator
from dataclasses import dataclass

from telephony.sip.agenda import Agenda
from telephony.sip.dialog import DialogKey
from telephony.sip.session_timer import SessionTimer


@dataclass
class _Session:
    timer: SessionTimer
    over_at: float


class Sessions:
    """The dialogs that have a timer; the others are not in here."""

    def __init__(self) -> None:
        self._sessions: dict[DialogKey, _Session] = {}
        self._agenda: Agenda[DialogKey] = Agenda()

    def __len__(self) -> int:
        return len(self._sessions)

    def timer(self, dialog: DialogKey) -> SessionTimer | None:
        """The timer in force."""
        found = self._sessions.get(dialog)
        return found.timer if found else None

    def agree(self, dialog: DialogKey, timer: SessionTimer | None, now: float) -> None:
        """A refresh succeeded: the interval begins anew, or there is no timer any more."""
        if timer is None:
            self.forget(dialog)
            return
        over_at = now + timer.interval
        self._sessions[dialog] = _Session(timer, over_at)
        self._agenda.set(dialog, now + timer.refresh_after if timer.ours else over_at)

    def raise_to(self, dialog: DialogKey, timer: SessionTimer) -> None:
        """The peer wants a longer interval than it had agreed to."""
        if found := self._sessions.get(dialog):
            found.timer = timer

    def retry(self, dialog: DialogKey, at: float) -> None:
        """A refresh of ours did not succeed; the session lasts as long as it had."""
        if found := self._sessions.get(dialog):
            self._agenda.set(dialog, min(at, found.over_at))

    def forget(self, dialog: DialogKey) -> None:
        """The dialog is over, or has no timer."""
        self._sessions.pop(dialog, None)
        self._agenda.set(dialog, None)

    def deadline(self) -> float | None:
        """The next moment at which something is due."""
        return self._agenda.next()

    def due(self, now: float) -> Iterator[tuple[DialogKey, bool]]:
        """The dialogs that want something: whether their time is over (else a refresh of ours is due)."""
        for dialog in self._agenda.due(now):
            found = self._sessions[dialog]
            over = now >= found.over_at
            if not over:
                # Whatever comes of the refresh, the end stays on the agenda.
                self._agenda.set(dialog, found.over_at)
            yield dialog, over
