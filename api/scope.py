"""Whose recordings somebody sees: the one condition that every query for a recording carries.

A recording belongs to the team that the agent's number had at the time of the call (`archive.teams`).  Agents, and
supervisors who have a team, see recordings of their team; to them another team's identifier does not exist (404).
Numbers and agents without a team form the team without a name, so that a house without teams needs no set-up.
"""

from uuid import UUID

from aiohttp import web
from sqlalchemy import ColumnElement, Select, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from api.access.user import User
from api.context import context, signed_in
from api.permissions import SUPERVISOR, TEAM_BOUND
from archive.catalogue import Call, Recording
from core.errors import NotFound, Refused
from workorders.orders import Link


def visible(user: User) -> ColumnElement[bool]:
    """The condition on ``Recording`` under which ``user`` may know of it.

    In a query that has ``Recording``: ``select(…).join(Recording, …).where(visible(user))``.  In one that has only
    identifiers: ``TurnRow.recording_id.in_(visible_ids(user))``.  `ix_recordings_team` (team, started_at) serves lists
    that are in the order of time.  Leave it out nowhere; for whoever sees everything it is ``true``.
    """
    return true() if sees_everything(user) else Recording.team == user.team


def visible_ids(user: User) -> Select[UUID]:
    """The identifiers of what ``visible`` lets through, as a subquery."""
    return select(Recording.id).where(visible(user))


def visible_calls(user: User) -> ColumnElement[bool]:
    """The same for signalled ``Call`` rows, which have a team as far as signalling named the agent."""
    return true() if sees_everything(user) else Call.team == user.team


def sees_everything(user: User) -> bool:
    """Whether no team narrows what ``user`` sees, so that a query needs no join.  What he may see of it is the
    permission's matter."""
    return user.role not in TEAM_BOUND or (user.role == SUPERVISOR and user.team == "")


async def require_visible(request: web.Request, identifier: UUID) -> None:
    """``NotFound`` unless the recording exists for whoever asks; for handlers that hand an identifier further down."""
    async with context(request).database.read() as session:
        found = await session.scalar(
            select(Recording.id).where(Recording.id == identifier, visible(signed_in(request)))
        )
    if found is None:
        raise NotFound("no such recording", recording=identifier)


async def require_visible_call(request: web.Request, identifier: UUID) -> None:
    """``NotFound`` unless the signalled call exists for whoever asks."""
    async with context(request).database.read() as session:
        found = await session.scalar(select(Call.id).where(Call.id == identifier, visible_calls(signed_in(request))))
    if found is None:
        raise NotFound("no such call", call=identifier)


async def require_callers_team(session: AsyncSession, user: User, number: str) -> None:
    """``Refused`` where the order was called by other teams only.  Orders have no team of their own: one that nobody
    has called yet is everybody's to call, and so is its caller's number."""
    if sees_everything(user):
        return
    linked = select(Link.recording_id).where(Link.work_order == number)
    of_order = or_(Recording.id.in_(linked), Recording.work_order == number)
    teams = set(await session.scalars(select(Recording.team).where(of_order).distinct()))
    if teams and user.team not in teams:
        raise Refused(
            "这个工单由其他班组回访，来电人的信息请向该班组或项目负责人了解 / another team calls this order back",
            order=number,
        )
