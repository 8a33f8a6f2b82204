"""Every table that holds something of a recording, and what a disposal does to its rows.

Whoever adds a kind of copy, anything derived from sound, text or the people in it, names its table here: a test finds
each table that points at a recording and is not named.  What lies in the object store goes by version (``versions``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ColumnElement, delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Call, Recording, StoredObject, TurnRow
from archive.comments import Comment
from archive.drafts import Draft, ListeningPlace
from archive.live_calls import LiveCall
from archive.pausing import PauseRequest
from archive.peaks import Waveform
from archive.redaction_copies import Redaction
from archive.search_index import remove_turns
from archive.shares import Share
from core.database import Base
from retention.disposal import Disposal
from retention.handover.tables import ExportItem
from retention.holds import HoldMember
from workorders.orders import Finding, Link, LinkQuestion


@dataclass(frozen=True)
class Stays:
    """Rows that are part of the tombstone, and ``why``; columns in ``blank`` lose what was said, or who it was."""

    why: str
    blank: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


# Gone with the sound.  Turns go together with what the search has of them.
REMOVED: tuple[type[Base], ...] = (
    TurnRow,
    Waveform,
    Link,
    LinkQuestion,
    Comment,
    Draft,
    ListeningPlace,
    LiveCall,
    # A link may lead to a redacted copy: it goes first.
    Share,
    Redaction,
)
STAYING: Mapping[type[Base], Stays] = {
    Recording: Stays(
        "the tombstone itself: when it was, and when and on whose decision it went",
        {
            "citizen_number": "",
            "citizen_person": "",
            "citizen_name": "",
            "agent_number": "",
            "agent_person": "",
            "agent_name": "",
            "facts": {},
            "text_error": "",
        },
    ),
    Call: Stays("that there was a call, and how it ended"),
    StoredObject: Stays("the certificate; every other row goes with its object"),
    Finding: Stays("the answer, for the figures", {"sentence": ""}),
    PauseRequest: Stays("who paused the recording, and when", {"reason": ""}),
    Disposal: Stays("who decided, and what was deleted"),
    HoldMember: Stays("which cases held it, and until when"),
    ExportItem: Stays("to whom it was handed over"),
}


async def remove_copies(session: AsyncSession, recordings: Sequence[UUID], certificates: Sequence[UUID]) -> None:
    """In the caller's transaction: nothing of these recordings stays but tombstones and their ``certificates``."""
    quiet = {"synchronize_session": False}
    await remove_turns(session, *recordings)
    for table in REMOVED:
        await session.execute(delete(table).where(of_recording(table).in_(recordings)), execution_options=quiet)
    objects = delete(StoredObject).where(
        StoredObject.recording_id.in_(recordings), StoredObject.id.not_in(certificates)
    )
    await session.execute(objects, execution_options=quiet)
    for table, stays in STAYING.items():
        if stays.blank:
            blanked = update(table).where(of_recording(table).in_(recordings)).values(**stays.blank)
            await session.execute(blanked, execution_options=quiet)


def of_recording(table: type[Base]) -> ColumnElement[UUID]:
    """The column that says of which recording a row is."""
    columns = table.__table__.c
    return columns.id if table in (Call, Recording) else columns.recording_id
