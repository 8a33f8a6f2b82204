"""Persons in addresses: a random word stands for a telephone number, which is never part of an address.

Addresses end up in histories, in logs of proxies and in what people send each other.  The number lies sealed in the
database, beside a mark of it that only the key can make, by which the same number finds its word again.  A word that
nobody used for thirty days is forgotten, unless a saved search holds it.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api.typed import number_typed
from archive.catalogue import Recording
from core.database import Base, UtcDateTime
from core.errors import NotFound
from core.sealed_secrets import SecretBox
from core.telephone import person_of

KEPT = timedelta(days=30)
_MARKED = "asked person"


class AskedPerson(Base):
    """A number that somebody searched for; ``mark`` is the same for the same number."""

    __tablename__ = "asked_persons"

    who: Mapped[str] = mapped_column(String(40), primary_key=True)
    mark: Mapped[str] = mapped_column(String(64), unique=True)
    sealed: Mapped[str] = mapped_column(String(400))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    saved: Mapped[bool] = mapped_column(default=False)


async def name_person(session: AsyncSession, box: SecretBox, number: str, now: datetime) -> AskedPerson:
    """The word for a number, the same one while it is remembered."""
    outdated = delete(AskedPerson).where(AskedPerson.saved.is_(False), AskedPerson.asked_at < now - KEPT)
    await session.execute(outdated)
    plain = number_typed(number).encode()
    mark = box.mark(plain, _MARKED)
    found = await session.scalar(select(AskedPerson).where(AskedPerson.mark == mark))
    if found is None:
        who = secrets.token_urlsafe(12)
        found = AskedPerson(who=who, mark=mark, sealed=box.seal(plain, _purpose(who)), saved=False)
        session.add(found)
    found.asked_at = now
    await session.flush()
    return found


async def number_of(session: AsyncSession, box: SecretBox, who: str) -> str:
    """The number that a word stands for; ``NotFound`` when it was forgotten."""
    found = await session.get(AskedPerson, who)
    if found is None:
        raise NotFound("这个号码的检索链接已过期，请重新输入号码 / this number was forgotten: enter it again")
    return box.unseal(found.sealed, _purpose(who)).decode()


def parties(number: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Whose number it is: the citizen's, in whichever form it was signalled, or an agent's as it stands."""
    return Recording.citizen_person == person_of(number), Recording.agent_number == number


def of_person(number: str) -> ColumnElement[bool]:
    """Either of them."""
    return or_(*parties(number))


def _purpose(who: str) -> str:
    return f"{_MARKED} {who}"
