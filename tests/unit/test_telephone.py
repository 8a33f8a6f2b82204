"""Telephone numbers as they are compared."""

import pytest

from core.telephone import normal_telephone, person_of


@pytest.mark.parametrize(
    ("written", "person"),
    [
        ("+86 138-0000-0101", "13800000101"),
        ("013800000101", "13800000101"),
        ("008613800000101", "13800000101"),
        ("+86 (10) 1234-5678", "01012345678"),
        ("010-12345678", "01012345678"),
        (" 8001 ", "8001"),
        ("８００１", "8001"),
        ("＋８６　１３８ ００００ ０１０１", "13800000101"),
        ("", ""),
        ("anonymous", "anonymous"),
    ],
)
def test_a_number_stands_for_one_person_however_it_is_written(written: str, person: str) -> None:
    assert person_of(written) == person
    assert person_of(person) == person


def test_what_is_too_short_is_no_telephone() -> None:
    assert normal_telephone("8001") == ""
    assert normal_telephone("80001") == "80001"
