"""Listening to one recording: a player asks for many ranges, the ledger gets one row, written before the first byte."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from api.access.user import User
from api.permissions import AUDITOR
from archive.catalogue import StoredObject
from archive.house import Archive
from archive.retrieve import SealedFile, open_audio, open_sealed

# A player that seeks an hour later is someone listening again: that is another row in the ledger.
LASTS = timedelta(minutes=10)
MOST = 200
SHORTEST_PURPOSE, LONGEST_PURPOSE = 2, 200


def purpose_needed(user: User, purpose: str) -> bool:
    """Whether somebody must still say why: an auditor does before the first byte, who works on the call need not."""
    return user.role == AUDITOR and len(purpose) < SHORTEST_PURPOSE


@dataclass(frozen=True)
class _Opened:
    file: SealedFile
    until: datetime


class Listenings:
    """Verified files that someone has been listening to within the last minutes."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, UUID, str], _Opened] = {}

    async def open(
        self, archive: Archive, recording_id: UUID, *, actor: str, purpose: str, copy: StoredObject | None = None
    ) -> SealedFile:
        """The verified audio, or that of a redacted ``copy``; the ledger row exists when this returns.  Errors are
        those of ``open_audio``."""
        now = archive.clock()
        self._opened = {key: opened for key, opened in self._opened.items() if opened.until > now}
        key = (actor, copy.id if copy else recording_id, purpose)
        known = self._opened.get(key)
        if known and known.file.path.exists():
            return known.file
        if copy is not None:
            file = await open_sealed(archive, copy, actor=actor, purpose=purpose)
        else:
            file = await open_audio(archive, recording_id, actor=actor, purpose=purpose)
        if len(self._opened) >= MOST:
            del self._opened[next(iter(self._opened))]
        self._opened[key] = _Opened(file, now + LASTS)
        return file
