"""Every 2xx of an INVITE is sent again until its ACK comes, on whatever transport (RFC 3261 §13.3.1.4)."""

from collections.abc import Iterator
from dataclasses import dataclass

from telephony.sip.agenda import Agenda
from telephony.sip.application import Send
from telephony.sip.dialog import DialogKey
from telephony.sip.transaction import GIVE_UP, T1, T2


@dataclass
class _Awaited:
    send: Send
    offers: bool
    again_at: float
    over_at: float
    interval: float = T1


class Acknowledgements:
    """The ACKs that are awaited, by dialog and sequence number."""

    def __init__(self) -> None:
        self._awaited: dict[DialogKey, dict[int, _Awaited]] = {}
        self._agenda: Agenda[tuple[DialogKey, int]] = Agenda()

    def __len__(self) -> int:
        return sum(map(len, self._awaited.values()))

    def expect(self, dialog: DialogKey, number: int, send: Send, now: float, *, offers: bool) -> None:
        """A 2xx was sent; ``offers``: it carries an offer of ours, so that the ACK answers it."""
        awaited = _Awaited(send, offers, now + T1, now + GIVE_UP)
        self._awaited.setdefault(dialog, {})[number] = awaited
        self._agenda.set((dialog, number), awaited.again_at)

    def offering(self, dialog: DialogKey) -> bool:
        """Whether an offer of ours waits for its answer."""
        return any(one.offers for one in self._awaited.get(dialog, {}).values())

    def take(self, dialog: DialogKey, number: int) -> bool:
        """An ACK came; whether it was awaited."""
        numbers = self._awaited.get(dialog, {})
        if numbers.pop(number, None) is None:
            return False
        self._agenda.set((dialog, number), None)
        if not numbers:
            del self._awaited[dialog]
        return True

    def forget(self, dialog: DialogKey) -> None:
        """The dialog is over."""
        for number in list(self._awaited.get(dialog, ())):
            self.take(dialog, number)

    def deadline(self) -> float | None:
        """The next moment at which something is due."""
        return self._agenda.next()

    def due(self, now: float) -> Iterator[Send | DialogKey]:
        """What to send again, and the dialogs whose ACK is given up."""
        for key in self._agenda.due(now):
            dialog, number = key
            awaited = self._awaited[dialog][number]
            if now >= awaited.over_at:
                self.take(dialog, number)
                yield dialog
                continue
            awaited.interval = min(2 * awaited.interval, T2)
            awaited.again_at = now + awaited.interval
            self._agenda.set(key, min(awaited.again_at, awaited.over_at))
            yield awaited.send
