"""The formulas in force: weights and factors as effective-dated values, with what holds where none was set."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from core.effective import value_on
from core.errors import Conflict

FAIRLY_FACTOR = "rates.fairly_factor"
WEIGHTS = "rates.weights"
DEFAULTS: Mapping[str, Any] = {
    FAIRLY_FACTOR: "0.9",
    WEIGHTS: {"response": "0.1", "solution": "0.5", "satisfaction": "0.4"},
}


@dataclass(frozen=True)
class Formulas:
    """What 基本满意 counts for, and the weights of 响应率, 解决率 and 满意率 in 综合得分; exact decimals."""

    fairly: Decimal = Decimal("0.9")
    response: Decimal = Decimal("0.1")
    solution: Decimal = Decimal("0.5")
    satisfaction: Decimal = Decimal("0.4")

    @classmethod
    def parse(cls, fairly: object, weights: Mapping[str, object]) -> "Formulas":
        """``ValueError`` unless the factor is 0 to 1 and the three weights add up to 1."""
        try:
            values = [Decimal(str(value)) for value in (fairly, *(weights[name] for name in DEFAULTS[WEIGHTS]))]
        except (InvalidOperation, KeyError) as error:
            raise ValueError("expected a factor and three weights, as decimal numbers") from error
        if not all(value.is_finite() and 0 <= value <= 1 for value in values) or sum(values[1:]) != 1:
            raise ValueError("expected a factor from 0 to 1 and weights that add up to 1")
        return cls(*values)

    def lines(self) -> tuple[str, ...]:
        """The formulas in the words of the report."""
        return (
            "有效回访：当日接通且有读数的回访，同一工单当日多次接通的，以最后一次为准。",
            "响应率＝联系数÷有效回访；解决率＝解决数÷有效回访（部分解决、无法判断的不计入解决数）。",
            f"满意率＝（满意数＋{self.fairly}×基本满意数）÷有效回访。",
            f"综合得分＝（{self.response}×响应率＋{self.solution}×解决率＋{self.satisfaction}×满意率）×100。",
            "各率按四舍五入保留两位小数；有效回访为零的，以“—”表示；率的升降以百分点表示。",
        )


async def formulas_on(session: AsyncSession, day: date) -> Formulas:
    """The formulas in force on ``day``; ``Conflict`` names a stored value that is no formula."""
    fairly = await value_on(session, FAIRLY_FACTOR, day, DEFAULTS)
    weights = await value_on(session, WEIGHTS, day, DEFAULTS)
    try:
        return Formulas.parse(fairly, weights)
    except (ValueError, TypeError) as error:
        raise Conflict("the formulas in force are unusable", day=day, reason=str(error)) from error
