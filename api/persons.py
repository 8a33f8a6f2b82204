"""Persons in addresses: a random word stands for a telephone number, which is never part of an address.

Addresses end up in histories, in logs of proxies and in what people send each other.  A word that nobody used for
thirty days is forgotten, unless a saved search holds it.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime
from core.errors import NotFound

KEPT = timedelta(days=30)


class AskedPerson(Base):
    """A number that somebody searched for."""

    __tablename__ = "asked_persons"

    who: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[str] = mapped_column(String(64), unique=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    saved: Mapped[bool] = mapped_column(default=False)


async def name_person(session: AsyncSession, number: str, now: datetime) -> AskedPerson:
    """The word for a number, the same one while it is remembered."""
    outdated = delete(AskedPerson).where(AskedPerson.saved.is_(False), AskedPerson.asked_at < now - KEPT)
    await session.execute(outdated)
    plain = number.strip()
    found = await session.scalar(select(AskedPerson).where(AskedPerson.number == plain))
    if found is None:
        found = AskedPerson(who=secrets.token_urlsafe(12), number=plain, saved=False)
        session.add(found)
    found.asked_at = now
    await session.flush()
    return found


async def number_of(session: AsyncSession, who: str) -> str:
    """The number that a word stands for; ``NotFound`` when it was forgotten."""
    found = await session.get(AskedPerson, who)
    if found is None:
        raise NotFound("这个号码的检索链接已过期，请重新输入号码 / this number was forgotten: enter it again")
    return found.number
