"""Pauses of a call as values."""

from datetime import UTC, datetime, timedelta

from telephony.pauses import GATEWAY, begun, ended, lasting

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_each_side_ends_its_own() -> None:
    both = begun(begun((), AT, GATEWAY, "a=inactive"), AT, "u-1", "卡号")
    assert begun(both, AT, "u-2", "again") == begun(both, AT, GATEWAY, "again") == both
    gone = ended(both, AT + timedelta(seconds=1), GATEWAY)
    assert (lasting(gone, by_gateway=True), lasting(gone, by_gateway=False)) == (False, True)
    done = ended(gone, AT + timedelta(seconds=2), "u-2")
    assert [(one.by, one.ended_by) for one in done] == [(GATEWAY, GATEWAY), ("u-1", "u-2")]
    assert ended(done, AT + timedelta(seconds=9), "") == done


def test_the_end_of_the_call_ends_all() -> None:
    both = begun(begun((), AT, GATEWAY, ""), AT, "u-1", "")
    assert {one.ended_at for one in ended(both, AT + timedelta(seconds=3), "")} == {AT + timedelta(seconds=3)}


def test_a_clock_that_steps_back_makes_no_negative_pause() -> None:
    (one,) = ended(begun((), AT, "u-1", ""), AT - timedelta(seconds=5), "u-1")
    assert one.ended_at == AT
