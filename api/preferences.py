"""How each person likes the review page: whether single keys are shortcuts (WCAG 2.1.4), the speed, silence."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base

SLOWEST, FASTEST = 0.5, 3.0


class ReviewPreferences(Base):
    """One person's; whoever has none has the defaults."""

    __tablename__ = "review_preferences"

    user: Mapped[str] = mapped_column(String(60), ForeignKey("users.name"), primary_key=True)
    single_keys: Mapped[bool] = mapped_column(default=True)
    skip_silence: Mapped[bool] = mapped_column(default=False)
    speed: Mapped[float] = mapped_column(default=1.0)
    follow: Mapped[bool] = mapped_column(default=True)


async def preferences_of(session: AsyncSession, user: str) -> ReviewPreferences:
    """What the person chose, or the defaults (not yet kept)."""
    row = await session.get(ReviewPreferences, user)
    return row or ReviewPreferences(user=user, single_keys=True, skip_silence=False, speed=1.0, follow=True)


async def keep_preferences(session: AsyncSession, user: str, **chosen: bool | float) -> ReviewPreferences:
    """Change what is named in ``chosen``, in the caller's transaction."""
    row = await session.get(ReviewPreferences, user, with_for_update=True)
    if row is None:
        row = await preferences_of(session, user)
        session.add(row)
    for name, value in chosen.items():
        setattr(row, name, value)
    return row
