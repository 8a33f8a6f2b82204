"""Saved searches: filters under a name, each person's own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, String, UniqueConstraint, Uuid, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api.persons import AskedPerson
from api.problems import Problem
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound
from core.ids import new_id

MOST = 50


class SavedSearch(Base):
    """``filters`` are those of `models_search.SearchFilters`, as an address holds them."""

    __tablename__ = "saved_searches"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    owner: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(60))
    filters: Mapped[dict[str, str]] = mapped_column(JSON)
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)


async def saved_of(session: AsyncSession, owner: str) -> Sequence[SavedSearch]:
    """Somebody's saved searches, by name."""
    return (
        await session.scalars(select(SavedSearch).where(SavedSearch.owner == owner).order_by(SavedSearch.name))
    ).all()


async def save_search(
    session: AsyncSession, owner: str, name: str, filters: Mapping[str, str], now: datetime
) -> SavedSearch:
    """Save under a name; one of the same name is replaced.  A ``Problem`` without name or
    filters, ``Conflict`` with too many."""
    plain = name.strip()
    if not plain or not filters:
        raise Problem(422, "保存检索须有名称和至少一个条件 / a saved search needs a name and something to search for")
    found = await session.scalar(select(SavedSearch).where(SavedSearch.owner == owner, SavedSearch.name == plain))
    if found is None:
        count = await session.scalar(select(func.count()).where(SavedSearch.owner == owner)) or 0
        if count >= MOST:
            raise Conflict("保存的检索太多，请先删除不用的 / too many saved searches: delete some first", most=MOST)
        found = SavedSearch(id=new_id(now), owner=owner, name=plain)
        session.add(found)
    found.filters, found.saved_at = dict(filters), now
    if person := await session.get(AskedPerson, filters.get("who", "")):
        person.saved = True
    await session.flush()
    return found


async def delete_search(session: AsyncSession, owner: str, identifier: UUID) -> None:
    """Forget a saved search; ``NotFound`` where it is somebody else's."""
    found = await session.get(SavedSearch, identifier)
    if found is None or found.owner != owner:
        raise NotFound("no such saved search", search=identifier)
    await session.delete(found)
    await session.flush()
    await _release(session, found.filters.get("who", ""))


async def _release(session: AsyncSession, who: str) -> None:
    """A number that no saved search holds any more is forgotten with time."""
    person = await session.get(AskedPerson, who)
    if person:
        rows = await session.scalars(select(SavedSearch))
        person.saved = any(row.filters.get("who") == who for row in rows)
