"""Snapshots of metadata, one after another: who is there, who left, who never was."""

import contextlib
from datetime import UTC, datetime

import pytest

from telephony.siprec.metadata import CLOCK_NOT_SET, DAMAGED, NO_ZONE, TOO_MANY, parse_metadata
from telephony.siprec.snapshot import Metadata, Participant, without_dummies

NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def person(identity: str, number: str = "", *sends: str) -> Participant:
    return Participant(identity, f"sip:{number}@x", number, "", sends)


def times(content: str) -> tuple[Participant, tuple[str, ...]]:
    body = (
        "<recording><participant participant_id='a'/>"
        f"<participantsessionassoc participant_id='a'>{content}</participantsessionassoc></recording>"
    )
    metadata = parse_metadata(body.encode())
    return metadata.participants[0], metadata.flags


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("2026-03-01T09:00:00Z", ()),
        ("2026-03-01T09:00:00+0000", ()),
        ("2026-03-01T17:00:00+08:00", ()),
        ("2026-03-01T09:00:00.000Z", ()),
        (" 2026-03-01 09:00:00Z ", ()),
        ("2026-03-01T09:00:00", (NO_ZONE,)),
    ],
)
def test_times_are_read_in_every_form(text: str, flags: tuple[str, ...]) -> None:
    one, flagged = times(f"<associate-time>{text}</associate-time>")
    assert (one.joined_at, flagged) == (NINE, flags)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("1970-01-01T00:00:12Z", (CLOCK_NOT_SET,)),
        ("0001-01-01T00:00:00+14:00", (CLOCK_NOT_SET,)),
        ("9999-12-31T23:59:59-14:00", (CLOCK_NOT_SET,)),
        ("noon", ()),
        ("", ()),
    ],
)
def test_times_that_cannot_be_are_not_believed(text: str, flags: tuple[str, ...]) -> None:
    one, flagged = times(f"<associate-time>{text}</associate-time>")
    assert (one.joined_at, flagged) == (None, flags)


def test_who_comes_back_is_there() -> None:
    out, back = "<disassociate-time>2026-03-01T09:10:00Z</disassociate-time>", "2026-03-01T09:20:00Z"
    left, _ = times(f"<associate-time>2026-03-01T09:00:00Z</associate-time>{out}")
    assert (left.joined_at, left.left_at) == (NINE, NINE.replace(minute=10))
    again, _ = times(f"<associate-time>{back}</associate-time>")
    assert (again.after(left).joined_at, again.after(left).left_at) == (NINE, None)
    within, _ = times(
        f"<associate-time>2026-03-01T09:00:00Z</associate-time>{out}<associate-time>{back}</associate-time>"
    )
    assert within.left_at is None


def test_dummies_leave_when_somebody_speaks() -> None:
    dummy, silent, agent = Participant("d", "sip:dummy@x", "dummy"), person("s", "8003"), person("a", "8001", "s")
    assert without_dummies((dummy,)) == (dummy,)
    assert without_dummies((dummy, silent)) == (dummy, silent)
    assert without_dummies((dummy, silent, agent)) == (silent, agent)
    after = Metadata((dummy,)).updated(Metadata((agent,)))
    assert (after.participants, after.former) == ((agent,), ())


def test_who_is_left_out_is_remembered() -> None:
    agent, citizen, other = person("a", "8001", "s"), person("b", "13800000001", "t"), person("c", "8002", "s")
    first = Metadata((agent, citizen), {"s": "1", "t": "2"})
    second = first.updated(Metadata((citizen, other), {"s": "1", "t": "2"}))
    assert (second.participants, second.former) == ((citizen, other), (agent,))
    # Under another id he is the same person still, and back.
    third = second.updated(Metadata((person("z", "8001", "s"), citizen), {"s": "1", "t": "2"}))
    assert [one.number for one in third.participants] == ["8001", "13800000001"]
    assert [one.number for one in third.former] == ["8002"]


def test_a_released_stream_is_sent_no_more() -> None:
    before = Metadata((person("a", "8001", "s", "t"),), {"s": "1", "t": "2"})
    after = before.updated(Metadata(partial=True, released=frozenset((("a", "s"),))))
    assert after.participants[0].sends == ("t",)


def test_group_and_session_are_found_wherever_they_stand() -> None:
    people = "<participant id='1'/>"
    for inside, group in (
        ("<group group_id='g'/>", "g"),
        ("<group id='g'><associate-time>x</associate-time></group>", "g"),
        ("<session session_id='s'><group-ref>g</group-ref></session>", "g"),
        ("<extensiondata><group_id>g</group_id></extensiondata>", "g"),
        ("<session id='s'/>", ""),
    ):
        found = parse_metadata(f"<recording>{inside}{people}</recording>".encode())
        assert (found.group, found.session) == (group, "s" if "session" in inside else "")


def test_what_breaks_off_is_read_so_far() -> None:
    body = b"<x:recording><x:participant x:id=1><nameID aor='sip:8001@x&y'/></x:participant><x:stream"
    found = parse_metadata(body)
    assert [(one.id, one.number) for one in found.participants] == [("1", "8001")]
    assert found.flags == (DAMAGED,)


def test_a_flood_is_cut() -> None:
    found = parse_metadata(
        b"<recording>" + b"".join(b"<participant id='%d'/>" % n for n in range(500)) + b"</recording>"
    )
    assert (len(found.participants), found.flags) == (100, (TOO_MANY,))
    streams = b"".join(b"<stream id='%d'><label>%d</label></stream>" % (n, n) for n in range(500))
    found = parse_metadata(b"<recording>" + streams + b"</recording>")
    assert (len(found.labels), found.flags) == (100, (TOO_MANY,))


def test_undeclared_prefixes_are_declared_in_a_time_that_fits() -> None:
    """Each of a hundred thousand different: as many as any document has are believed."""
    body = b"<recording><participant id='1'/>" + b"".join(b"<p%d:a>" % n for n in range(100_000))
    with contextlib.suppress(ValueError):
        parse_metadata(body)
    assert parse_metadata(b"<a:recording><b:participant id='1'/></a:recording>").flags == (DAMAGED,)


@pytest.mark.parametrize("name", [b"participant", b"a", b"send", b"group"])
def test_the_deepest_document_takes_no_longer_than_its_length(name: bytes) -> None:
    """Half a megabyte of nothing but opening tags, and the same well-formed."""
    depth = 500_000 // (len(name) + 2)
    opened = b"<recording><participant id='1'/>" + (b"<%s>" % name) * depth
    for body in (opened, opened + b"x" + (b"</%s>" % name) * depth + b"</recording>"):
        assert parse_metadata(body).participants
