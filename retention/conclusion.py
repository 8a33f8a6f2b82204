"""The catalogue's side of a disposal: text and personal data go, one row stays that says when and on whose decision."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, Recording, StoredObject
from archive.comments import Comment
from archive.drafts import Draft, ListeningPlace
from archive.pausing import PauseRequest
from archive.peaks import Waveform
from archive.seal import object_facts
from archive.search_index import remove_turns
from archive.shares import Share
from core.ledger import Entry, append
from retention.certificates import decided
from retention.disposal import FINISH, SYSTEM, Disposal, move
from workorders.orders import Finding, Link, LinkQuestion

Concluded = tuple[Disposal, Recording, StoredObject]


async def conclude(session: AsyncSession, rows: Sequence[Concluded], now: datetime) -> None:
    """In the caller's transaction, with every row locked: objects, turns, search rows and links leave the catalogue."""
    if not rows:
        return
    session.add_all([stored for _, _, stored in rows])
    await session.flush()
    await _remove(session, rows)
    for disposal, recording, stored in rows:
        _leave_tombstone(recording, now)
        move(disposal, FINISH)
        disposal.done_at, disposal.certificate = now, stored.id
        facts = {**decided(disposal), "objects": [object_facts(stored)]}
        await append(session, Entry("disposed", SYSTEM, str(recording.id), facts), now)


async def _remove(session: AsyncSession, rows: Sequence[Concluded]) -> None:
    gone = [recording.id for _, recording, _ in rows]
    certificates = [stored.id for _, _, stored in rows]
    for identifier in gone:
        await remove_turns(session, identifier)
    quiet = {"synchronize_session": False}
    objects = delete(StoredObject).where(StoredObject.recording_id.in_(gone), StoredObject.id.not_in(certificates))
    await session.execute(objects, execution_options=quiet)
    for table in (Link, LinkQuestion, Waveform, Comment, Draft, ListeningPlace, Share):
        await session.execute(delete(table).where(table.recording_id.in_(gone)), execution_options=quiet)
    # A finding's answer stays for the figures; the sentence that it was read from was speech.
    silent = update(Finding).where(Finding.recording_id.in_(gone)).values(sentence="")
    await session.execute(silent, execution_options=quiet)
    unexplained = update(PauseRequest).where(PauseRequest.recording_id.in_(gone)).values(reason="")
    await session.execute(unexplained, execution_options=quiet)


def _leave_tombstone(recording: Recording, now: datetime) -> None:
    recording.life, recording.disposed_at = DISPOSED, now
    recording.citizen_number = recording.citizen_name = recording.agent_number = recording.agent_name = ""
    recording.facts, recording.text_error = {}, ""
