"""The agenda against a plain dictionary, and what one change among many costs."""

from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.agenda import Agenda

_moments = st.one_of(st.none(), st.integers(0, 50).map(float))
_steps = st.lists(st.tuples(st.integers(0, 9), _moments, st.booleans()), max_size=200)


@given(_steps)
def test_an_agenda_is_a_dictionary_that_knows_its_least(steps: list[tuple[int, float | None, bool]]) -> None:
    agenda, model = Agenda[int](), dict[int, float]()
    for key, moment, pass_time in steps:
        agenda.set(key, moment)
        if moment is None:
            model.pop(key, None)
        else:
            model[key] = moment
        assert (agenda.next(), len(agenda)) == (min(model.values(), default=None), len(model))
        if pass_time and model:
            now = sorted(model.values())[len(model) // 2]
            due = list(agenda.due(now))
            assert [model[key] for key in due] == sorted(at for at in model.values() if at <= now)
            model = {key: at for key, at in model.items() if at > now}


def test_what_is_set_to_the_past_while_time_passes_comes_in_the_same_pass() -> None:
    agenda = Agenda[str]()
    agenda.set("a", 1.0)
    seen = []
    for key in agenda.due(5.0):
        seen.append(key)
        agenda.set("b", 2.0 if len(seen) < 3 else None)
    assert seen == ["a", "b", "b"]


def test_moved_moments_leave_no_trail() -> None:
    agenda = Agenda[int]()
    for number in range(10_000):
        agenda.set(number % 10, float(number))
    assert len(agenda._heap) < 200
