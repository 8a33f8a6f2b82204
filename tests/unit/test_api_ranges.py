import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ranges import Span, Unsatisfiable, parse_range, range_applies, still_matches


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-", Span(0, 100)),
        ("bytes=99-", Span(99, 100)),
        ("bytes=10-19", Span(10, 20)),
        ("bytes=10-5000", Span(10, 100)),
        ("bytes=-10", Span(90, 100)),
        ("bytes=-5000", Span(0, 100)),
        (" BYTES=3-7\t", Span(3, 8)),
        ("bytes=5-" + "9" * 400, Span(5, 100)),
        ("bytes=-" + "9" * 400, Span(0, 100)),
        # Several ranges, other units and nonsense are answered with the whole file.
        ("bytes=0-1,5-6", None),
        ("seconds=0-1", None),
        ("bytes=-", None),
        ("bytes=9-3", None),
        ("bytes = 3 - 7", None),
        ("bytes=0-1, bytes=0-1", None),
        ("bytes=١-٣", None),
        ("bytes=--5", None),
        ("bytes=1-2-3", None),
        ("bytes=0x0-0x5", None),
        ("bytes=a-b", None),
        ("", None),
        (None, None),
    ],
)
def test_ranges(header: str | None, span: Span | None) -> None:
    assert parse_range(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=999999999999999999-"])
def test_ranges_outside_the_file(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


def test_nothing_of_an_empty_file_can_be_ranged() -> None:
    with pytest.raises(Unsatisfiable):
        parse_range("bytes=0-", 0)


@given(st.text(max_size=40), st.integers(min_value=0, max_value=10_000))
def test_any_header_gives_bytes_of_the_file_or_none(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.start < span.stop <= size


def test_content_range_counts_the_last_byte() -> None:
    assert Span(10, 20).content_range(100) == "bytes 10-19/100"


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [(None, True), ('"abc"', True), ('"abd"', False), ('W/"abc"', False), ("Sat, 21 Nov 2026 00:00:00 GMT", False)],
)
def test_if_range_needs_the_very_same_sound(if_range: str | None, applies: bool) -> None:
    assert range_applies(if_range, '"abc"') is applies


@pytest.mark.parametrize(
    ("if_match", "still"),
    [(None, True), ("*", True), ('"abc"', True), ('"x", "abc"', True), ('W/"abc"', False), ('"x"', False), ("", False)],
)
def test_if_match_is_compared_strongly(if_match: str | None, still: bool) -> None:
    assert still_matches(if_match, '"abc"') is still
