"""三率: counted by hand, rounded half up, and nothing where there was nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import new_id
from reporting.figures import Answer, Rate, Reading, Tally, change, grouped, newest_of_each_order, three_rates
from reporting.formulas import Formulas
from reporting.masking import mask
from reporting.wording import second

START = datetime(2026, 11, 22, 1, tzinfo=UTC)


def reading(
    contacted: str = "yes",
    solved: str = "yes",
    satisfied: str = "satisfied",
    *,
    order: str = "G-1",
    minutes: int = 0,
    unit: str = "甲街道",
    recording: UUID | None = None,
    confirmed: bool = False,
) -> Reading:
    answers = {"contacted": contacted, "solved": solved, "satisfied": satisfied}
    return Reading(
        work_order=order,
        recording_id=recording or new_id(),
        started_at=START + timedelta(minutes=minutes),
        unit=unit,
        category="供热",
        answers={name: Answer(answer, 0, 1000, "", confirmed) for name, answer in answers.items()},
    )


def test_the_rates_of_ten_callbacks_counted_by_hand() -> None:
    day = (
        [reading() for _ in range(5)]
        + [reading(satisfied="fairly") for _ in range(2)]
        + [reading(solved="no", satisfied="dissatisfied"), reading("no", "no", "dissatisfied")]
        + [reading("no", "partly", "unclear")]
    )
    tally = Tally.of(day)
    counts = (tally.valid, tally.contacted, tally.solved, tally.satisfied, tally.fairly, tally.dissatisfied)
    assert [len(count) for count in counts] == [10, 8, 7, 5, 2, 2]
    rates = three_rates(tally, Formulas())
    assert rates.response.percent() == "80.00%"
    assert rates.solution.percent() == "70.00%"
    assert rates.satisfaction.percent() == "68.00%"  # (5 + 0.9 × 2) / 10
    assert rates.overall.score() == "70.20"  # 0.1 × 80 + 0.5 × 70 + 0.4 × 68


def test_no_valid_callback_is_no_rate_at_all() -> None:
    rates = three_rates(Tally.of([]), Formulas())
    assert [rate.percent() for rate in (rates.response, rates.solution, rates.satisfaction)] == ["—"] * 3
    assert rates.overall.score() == "—"
    assert change(rates.overall, Rate(Fraction(1))) == "—"


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [
        (Fraction(2, 3), "66.67%"),
        (Fraction(1, 8), "12.50%"),
        (Fraction(10005, 100000), "10.01%"),  # 10.005: half goes up, also where binary floats would fall
        (Fraction(100049, 1000000), "10.00%"),
        (Fraction(1), "100.00%"),
        (Fraction(0), "0.00%"),
    ],
)
def test_rates_are_rounded_half_up(fraction: Fraction, shown: str) -> None:
    assert Rate(fraction).percent() == shown


def test_changes_are_percentage_points_between_the_rates_as_shown() -> None:
    assert change(Rate(Fraction(2, 3)), Rate(Fraction(1, 2))) == "上升16.67个百分点"
    assert change(Rate(Fraction(1, 2)), Rate(Fraction(2, 3))) == "下降16.67个百分点"
    assert change(Rate(Fraction(1, 2)), Rate(Fraction(1, 2))) == "持平"
    assert change(Rate(Fraction(9, 10)), Rate(Fraction(8, 10)), of="分") == "上升10.00分"


def test_other_formulas_give_other_rates() -> None:
    formulas = Formulas.parse(0.8, {"response": "0.2", "solution": "0.5", "satisfaction": "0.3"})
    rates = three_rates(Tally.of([reading(satisfied="fairly")]), formulas)
    assert rates.satisfaction.percent() == "80.00%"
    assert rates.overall.points == Decimal("94.00")


@pytest.mark.parametrize(
    ("fairly", "weights"),
    [
        ("1.1", {"response": "0.1", "solution": "0.5", "satisfaction": "0.4"}),
        ("0.9", {"response": "0.1", "solution": "0.5", "satisfaction": "0.5"}),
        ("0.9", {"response": "0.5", "solution": "0.5"}),
        ("much", {"response": "0.1", "solution": "0.5", "satisfaction": "0.4"}),
        ("NaN", {"response": "0.1", "solution": "0.5", "satisfaction": "0.4"}),
    ],
)
def test_unusable_formulas_are_refused(fairly: str, weights: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Formulas.parse(fairly, weights)


def test_of_several_calls_on_an_order_the_last_counts() -> None:
    first, last = reading(solved="no", minutes=0), reading(minutes=30)
    other = reading(order="G-2", minutes=10)
    assert newest_of_each_order([last, other, first]) == (last, other)


def test_groups_come_with_the_most_callbacks_first() -> None:
    day = [reading(unit="乙"), reading(unit="甲"), reading(unit="丙"), reading(unit="丙")]
    assert [(name, len(tally.valid)) for name, tally in grouped(day, lambda each: each.unit)] == [
        ("丙", 2),
        ("乙", 1),
        ("甲", 1),
    ]


def test_a_reading_is_confirmed_when_every_answer_is() -> None:
    assert reading(confirmed=True).confirmed
    assert not reading().confirmed
    assert not Reading("G-1", new_id(), START, "", "", {}).confirmed


ANSWERS = st.tuples(
    st.sampled_from(["yes", "no", "unclear"]),
    st.sampled_from(["yes", "partly", "no", "unclear"]),
    st.sampled_from(["satisfied", "fairly", "dissatisfied", "unclear"]),
)


@given(st.lists(ANSWERS, min_size=1, max_size=40))
def test_rates_stay_between_nothing_and_everything(answers: list[tuple[str, str, str]]) -> None:
    rates = three_rates(Tally.of([reading(*each) for each in answers]), Formulas())
    for rate in (rates.response, rates.solution, rates.satisfaction, rates.overall):
        assert rate.points is not None
        assert 0 <= rate.points <= 100


@given(st.lists(ANSWERS, min_size=1, max_size=40))
def test_groups_add_up_to_the_whole(answers: list[tuple[str, str, str]]) -> None:
    day = [reading(*each, unit="甲乙丙"[place % 3]) for place, each in enumerate(answers)]
    groups = grouped(day, lambda each: each.unit)
    assert sum(len(tally.solved) for _, tally in groups) == len(Tally.of(day).solved)
    assert sum(len(tally.valid) for _, tally in groups) == len(day)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("我的电话是13800000000。", "我的电话是（号码略）。"),
        ("幺三八零零零零零零零零打不通", "（号码略）打不通"),
        ("我姓甄，建议多装两个路灯。", "我姓甄，建议多装两个路灯。"),
        ("请转告李先生，先生这个词不动。", "请转告某先生，先生这个词不动。"),
        ("甄回访说建议加一班车", "某某说建议加一班车"),
        ("十二号楼三单元一直没有暖气", "十二号楼三单元一直没有暖气"),
    ],
)
def test_quoted_sentences_name_nobody(said: str, shown: str) -> None:
    assert mask(said, ("甄回访", "")) == shown


def test_places_are_minutes_and_seconds() -> None:
    assert [second(value) for value in (0, 59_999, 60_000, 3_725_000)] == ["00:00", "00:59", "01:00", "62:05"]
