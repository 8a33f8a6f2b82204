"""A new export, from what a person asked for."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.house import Archive
from core.errors import Conflict, NotFound
from core.settings import Settings
from retention.handover.begin import list_export
from retention.handover.copies import kept_until
from retention.handover.scope import CASE, Scope
from retention.handover.tables import Export
from retention.holds import RELEASED, TOO_LATE, HoldCase, HoldMember


async def ask(
    session: AsyncSession,
    archive: Archive,
    settings: Settings,
    scope: Scope,
    *,
    purpose: str,
    by: str,
    here: bool = False,
) -> Export:
    """List an export inside the caller's transaction; with ``here`` its bag is kept by us until it expires.
    ``NotFound`` for an empty scope or an unknown case."""
    held = await members(session, scope.name) if scope.kind == CASE else ()
    now = archive.clock()
    until = kept_until(settings, now) if here else None
    return await list_export(
        session, scope, purpose=purpose, by=by, now=now, zone=settings.timezone, held=held, expires_at=until
    )


async def find(session: AsyncSession, export_id: UUID, *, lock: bool = False) -> Export:
    """The export; ``NotFound`` otherwise."""
    export = await session.get(Export, export_id, with_for_update=lock)
    if export is None:
        raise NotFound("没有这次移交 / no such export", export=export_id)
    return export


async def members(session: AsyncSession, name: str) -> list[UUID]:
    """The recordings of a case, whether it still holds them or was released."""
    try:
        wanted = HoldCase.id == UUID(name)
    except ValueError:
        wanted = HoldCase.name == name
    cases = list(await session.scalars(select(HoldCase).where(wanted)))
    if not cases:
        raise NotFound("没有这个保全案件 / no such case", remedy="`huiyin hold list` shows their names and identifiers")
    if len(cases) > 1:
        identifiers = [case.id for case in cases]
        raise Conflict("several cases have this name", cases=identifiers, remedy="give the identifier")
    [case] = cases
    if case.applied_at is None and case.state != RELEASED:
        raise Conflict(
            "案件仍在列入录音，请稍后再制作移交包 / recordings are still joining this case: ask again in a while",
            case=case.id,
        )
    members = select(HoldMember.recording_id).where(HoldMember.case_id == case.id, HoldMember.state != TOO_LATE)
    return list(await session.scalars(members))
