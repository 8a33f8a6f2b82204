"""Which closed orders are to be called back, why, and until when: the rule behind 我的工作.

Only calls since the order was closed count: an order that is closed again is called back again.  A day is a local day.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from workorders.orders import CONNECTED, SOLVED

# Days to act in, by the local day on which they begin: a term does not change once it has begun.
Days = Callable[[date], int]

# Where a closed order stands: to be called; to be called again, for it is not solved; solved in the citizen's words.
DUE, RETURNED, DONE = "due", "returned", "done"
# Why.
NEVER_CALLED, SENT_BACK, NOT_READ = "never called", "sent back", "not read"
NOT_REACHED, NOT_ANSWERED, UNSOLVED, SOLVED_NOW = "not reached", "not answered", "unsolved", "solved"
# What the hotline's export writes into 工单状态 when the order went back to the unit.
_BACK = "退回"


@dataclass(frozen=True)
class CallMade:
    """A call about an order: when it began, the team that made it, and the answers read from it, by question."""

    recording_id: UUID
    started_at: datetime
    team: str
    answers: Mapping[str, str]


@dataclass(frozen=True)
class Standing:
    """Where an order stands, why, and the last local day on which to act (for ``done``: that of the call)."""

    stage: str
    reason: str
    until: date

    def late(self, today: date) -> bool:
        """Whether the day to act has passed."""
        return self.stage != DONE and today > self.until


def standing(closed_at: datetime, status: str, calls: Sequence[CallMade], *, days: Days, zone: ZoneInfo) -> Standing:
    """Judge a closed order by its calls, in any order; those from before ``closed_at`` do not count."""
    made = sorted((call for call in calls if call.started_at >= closed_at), key=lambda call: call.started_at)
    until = last_day(closed_at, days, zone)
    for call in reversed(made):
        solved = call.answers.get(SOLVED, "")
        if solved == "yes":
            return Standing(DONE, SOLVED_NOW, call.started_at.astimezone(zone).date())
        if solved in ("partly", "no"):
            return Standing(RETURNED, UNSOLVED, last_day(call.started_at, days, zone))
    if _BACK in status:
        return Standing(RETURNED, SENT_BACK, until)
    return Standing(DUE, _why(made[-1]) if made else NEVER_CALLED, until)


def last_day(moment: datetime, days: Days, zone: ZoneInfo) -> date:
    """The last local day to act in, when the term begins at ``moment``."""
    begins = moment.astimezone(zone).date()
    return begins + timedelta(days=days(begins))


def _why(last: CallMade) -> str:
    if not last.answers:
        return NOT_READ
    return NOT_REACHED if last.answers.get(CONNECTED) == "no" else NOT_ANSWERED
