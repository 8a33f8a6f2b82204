"""Which team an agent's number belonged to, and when: recordings belong to the team of their agent's number then.

A number's rows follow each other: each holds from its ``since`` until the next one's.  Before the first, and for
numbers that have none, the team is the one without a name.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ScalarSelect, String, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive.catalogue import Recording
from core import ledger
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound

NO_TEAM = ""


class Team(Base):
    """A team that numbers and people may belong to."""

    __tablename__ = "teams"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AgentNumber(Base):
    """From ``since`` on the number belongs to ``team`` and is used by ``holder`` (an account's name, or nobody)."""

    __tablename__ = "agent_numbers"

    number: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    team: Mapped[str] = mapped_column(String(60), default=NO_TEAM)
    holder: Mapped[str] = mapped_column(String(60), default="", index=True)


async def add_team(session: AsyncSession, name: str, *, by: str, now: datetime) -> None:
    """Found a team; ``Conflict`` when there is one of this name."""
    if await session.get(Team, name) is not None:
        raise Conflict("已有同名班组 / there is a team of this name already", team=name)
    session.add(Team(name=name, created_at=now))
    await ledger.append(session, ledger.Entry("team added", by, name, {}), now)


async def teams(session: AsyncSession) -> Sequence[str]:
    """The names of all teams, sorted."""
    return list(await session.scalars(select(Team.name).order_by(Team.name)))


async def require_team(session: AsyncSession, name: str) -> None:
    """``NotFound`` unless there is this team; the team without a name is always there."""
    if name != NO_TEAM and await session.get(Team, name) is None:
        raise NotFound("没有这个班组 / no such team", team=name, remedy="add the team first")


async def assign(
    session: AsyncSession, number: str, *, team: str, holder: str, since: datetime, by: str, now: datetime
) -> int:
    """Give a number to a team and a holder from ``since`` on; returns how many recordings changed their team.

    The ledger's row comes first: its lock puts sealing and assigning in a line, so that no recording is sealed with a
    team that has just ended."""
    await require_team(session, team)
    # The ledger names no numbers of people; an extension is one, so its holder and team have to do.
    facts = {"team": team, "holder": holder, "since": since.isoformat()}
    await ledger.append(session, ledger.Entry("number assigned", by, holder or team, facts), now)
    await session.merge(AgentNumber(number=number, since=since, team=team, holder=holder))
    await session.flush()
    return await settle(session, number)


async def settle(session: AsyncSession, number: str | None = None) -> int:
    """Set the team of recordings (of one number, or of all) to what the assignments say; returns how many changed."""
    expected = _team_then()
    changed = update(Recording).where(Recording.team != expected).values(team=expected)
    if number is not None:
        changed = changed.where(Recording.agent_number == number)
    done = await session.execute(changed.execution_options(synchronize_session=False))
    return int(done.rowcount)  # type: ignore[attr-defined]


async def team_at(session: AsyncSession, number: str, at: datetime) -> str:
    """The team of a number at a time."""
    found = await session.scalar(
        select(AgentNumber.team)
        .where(AgentNumber.number == number, AgentNumber.since <= at)
        .order_by(AgentNumber.since.desc())
        .limit(1)
    )
    return found or NO_TEAM


async def numbers_held(session: AsyncSession, now: datetime) -> list[AgentNumber]:
    """Each number's row that is in force now, sorted by number."""
    newest = (
        select(AgentNumber.number, func.max(AgentNumber.since).label("since"))
        .where(AgentNumber.since <= now)
        .group_by(AgentNumber.number)
        .subquery()
    )
    joined = (AgentNumber.number == newest.c.number) & (AgentNumber.since == newest.c.since)
    return list(await session.scalars(select(AgentNumber).join(newest, joined).order_by(AgentNumber.number)))


def _team_then() -> ScalarSelect[str]:
    newest = (
        select(AgentNumber.team)
        .where(AgentNumber.number == Recording.agent_number, AgentNumber.since <= Recording.started_at)
        .order_by(AgentNumber.since.desc())
        .limit(1)
        .correlate(Recording)
        .scalar_subquery()
    )
    return select(func.coalesce(newest, NO_TEAM)).correlate(Recording).scalar_subquery()
