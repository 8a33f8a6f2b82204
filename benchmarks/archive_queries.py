"""What the archive's benchmark asks of a full catalogue, through the same functions as API and nightly job."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from api.access.user import User
from api.permissions import AGENT, AUDITOR
from api.reading import RecordingFilter, list_recordings, orders_of
from benchmarks.archive_rows import AGENTS, Catalogue
from core.clock import utc_now
from core.database import Database
from core.ids import new_id
from core.settings import Settings
from retention.batches import list_eligible
from retention.holds import STANDING, HoldCase
from retention.membership import in_scope
from retention.scope import Scope

WARM_UP = 20
Question = tuple[User, RecordingFilter]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    return sorted(values)[max(0, round(share * len(values) + 0.5) - 1)]


async def lookups(database: Database, catalogue: Catalogue, settings: Settings, times: int) -> dict[str, float]:
    """p95 in milliseconds of the first page of each kind, with its orders."""
    return {
        kind: round(await _lookup(database, settings, question, times), 2)
        for kind, question in _questions(catalogue, settings).items()
    }


def _questions(catalogue: Catalogue, settings: Settings) -> dict[str, Callable[[], Question]]:
    """An auditor sees everything, an agent what belongs to the team."""
    chosen, auditor = random.Random(2), User("benchmark", AUDITOR)

    def day() -> RecordingFilter:
        moment = catalogue.began(chosen.randrange(catalogue.size))
        found = moment.astimezone(settings.timezone).date()
        return RecordingFilter(since=found, until=found)

    def own_team() -> Question:
        return User("benchmark", AGENT, team=catalogue.team(chosen.randrange(AGENTS))), day()

    return {
        "order": lambda: (auditor, RecordingFilter(order=catalogue.order(chosen.randrange(catalogue.orders)))),
        "citizen": lambda: (auditor, RecordingFilter(person=catalogue.person(chosen.randrange(catalogue.persons)))),
        "agent": lambda: (auditor, RecordingFilter(person=catalogue.agent(chosen.randrange(AGENTS)))),
        "day": lambda: (auditor, day()),
        "day of a team": own_team,
    }


async def _lookup(database: Database, settings: Settings, question: Callable[[], Question], times: int) -> float:
    took: list[float] = []
    for _ in range(WARM_UP + times):
        user, wanted = question()
        began = time.perf_counter()
        async with database.read() as session:
            rows, _ = await list_recordings(session, user, wanted, settings.timezone)
            await orders_of(session, rows)
        took.append(1000 * (time.perf_counter() - began))
    return percentile(took[WARM_UP:], 0.95)


async def scan(database: Database, settings: Settings, now: datetime) -> tuple[float, int]:
    """Seconds that the nightly list of what has reached its date takes, and how many it finds."""
    began = time.perf_counter()
    async with database.read() as session:
        found = await list_eligible(session, settings, now)
    return time.perf_counter() - began, len(found)


async def holds(database: Database, catalogue: Catalogue, settings: Settings) -> dict[str, tuple[float, int]]:
    """For each kind of case: milliseconds of the nightly look for what joined it, and how many recordings it holds."""
    scopes = {
        "citizen": Scope(persons=(catalogue.person(7),)),
        "agent": Scope(persons=(catalogue.agent(7),)),
        "order": Scope(orders=(catalogue.order(7),)),
    }
    found = {}
    for kind, scope in scopes.items():
        case = HoldCase(
            id=new_id(), name=kind, reason=kind, scope=scope.to_json(), state=STANDING, placed_by="benchmark",
            placed_at=utc_now(),
        )  # fmt: skip
        began = time.perf_counter()
        async with database.read() as session:
            joining = await in_scope(session, settings, case, ())
        found[kind] = 1000 * (time.perf_counter() - began), len(joining)
    return found
