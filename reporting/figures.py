"""三率 as pure arithmetic: readings of callbacks in, counts and rates out, each count with the readings behind it.

Rates are exact fractions until they are shown; they are rounded once, half up, to two decimals of a percent.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from uuid import UUID

from reporting.formulas import Formulas
from workorders.orders import CONTACTED, SATISFIED, SOLVED

NONE = "—"


@dataclass(frozen=True)
class Answer:
    """One answer of a callback and the turn that says it; ``confirmed`` once a person accepted or changed it."""

    answer: str
    ordinal: int
    start_ms: int
    sentence: str
    confirmed: bool


@dataclass(frozen=True)
class Reading:
    """One callback as it counts: its order, its recording and its answers by question."""

    work_order: str
    recording_id: UUID
    started_at: datetime
    unit: str
    category: str
    answers: Mapping[str, Answer]

    def says(self, question: str) -> str:
        """The answer, or nothing where the question was not asked."""
        found = self.answers.get(question)
        return found.answer if found else ""

    @property
    def confirmed(self) -> bool:
        """A person stands behind every answer that the rates count."""
        counted = [self.answers[name] for name in (CONTACTED, SOLVED, SATISFIED) if name in self.answers]
        return bool(counted) and all(answer.confirmed for answer in counted)


@dataclass(frozen=True)
class Tally:
    """Readings sorted into the counts of the formulas: every count *is* the readings behind it."""

    valid: tuple[Reading, ...]
    contacted: tuple[Reading, ...]
    solved: tuple[Reading, ...]
    satisfied: tuple[Reading, ...]
    fairly: tuple[Reading, ...]
    dissatisfied: tuple[Reading, ...]

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> "Tally":
        """Readings must be valid already: connected, one for each order."""
        valid = tuple(readings)

        def those(question: str, answer: str) -> tuple[Reading, ...]:
            return tuple(reading for reading in valid if reading.says(question) == answer)

        return cls(
            valid=valid,
            contacted=those(CONTACTED, "yes"),
            solved=those(SOLVED, "yes"),
            satisfied=those(SATISFIED, "satisfied"),
            fairly=those(SATISFIED, "fairly"),
            dissatisfied=those(SATISFIED, "dissatisfied"),
        )


@dataclass(frozen=True)
class Rate:
    """A fraction of the valid callbacks, or nothing where there were none."""

    fraction: Fraction | None

    @property
    def points(self) -> Decimal | None:
        """Hundredths, rounded half up to two decimals: 2/3 is 66.67."""
        if self.fraction is None:
            return None
        return Decimal(floor(self.fraction * 10_000 + Fraction(1, 2))).scaleb(-2)

    def percent(self) -> str:
        """``66.67%``, or ``—``: no valid callback is not 0 %."""
        return NONE if self.points is None else f"{self.points}%"

    def score(self) -> str:
        """``66.67``, or ``—``."""
        return NONE if self.points is None else str(self.points)


@dataclass(frozen=True)
class ThreeRates:
    """响应率, 解决率, 满意率 and 综合得分."""

    response: Rate
    solution: Rate
    satisfaction: Rate
    overall: Rate


def three_rates(tally: Tally, formulas: Formulas) -> ThreeRates:
    """The rates of a tally under the formulas in force."""
    valid = len(tally.valid)
    if valid == 0:
        nothing = Rate(None)
        return ThreeRates(nothing, nothing, nothing, nothing)
    response = Fraction(len(tally.contacted), valid)
    solution = Fraction(len(tally.solved), valid)
    satisfaction = (len(tally.satisfied) + Fraction(formulas.fairly) * len(tally.fairly)) / valid
    overall = (
        Fraction(formulas.response) * response
        + Fraction(formulas.solution) * solution
        + Fraction(formulas.satisfaction) * satisfaction
    )
    return ThreeRates(Rate(response), Rate(solution), Rate(satisfaction), Rate(overall))


def change(now: Rate, before: Rate, *, of: str = "个百分点") -> str:
    """The change between two rates as shown, in 百分点, so that a reader can subtract it again."""
    if now.points is None or before.points is None:
        return NONE
    difference = now.points - before.points
    if difference == 0:
        return "持平"
    return f"{'上升' if difference > 0 else '下降'}{abs(difference)}{of}"


def newest_of_each_order(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    """One reading for each order, the day's last (among equal moments the later identifier), by order number."""
    newest: dict[str, Reading] = {}
    for reading in readings:
        there = newest.get(reading.work_order)
        if there is None or (reading.started_at, reading.recording_id) > (there.started_at, there.recording_id):
            newest[reading.work_order] = reading
    return tuple(newest[number] for number in sorted(newest))


def grouped(readings: Sequence[Reading], name: Callable[[Reading], str]) -> tuple[tuple[str, Tally], ...]:
    """A tally for each name, most callbacks first, then by name."""
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        groups.setdefault(name(reading), []).append(reading)
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return tuple((label, Tally.of(members)) for label, members in ranked)
