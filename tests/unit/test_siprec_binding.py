"""Which m-line is whose."""

import re

import pytest

from telephony.siprec.binding import ROLES_ASSUMED, bind
from telephony.siprec.snapshot import Metadata, Participant

AGENTS = (re.compile(r"^\d{3,6}$"), re.compile(r"^(010)?12345\d*$"))


def person(number: str, *sends: str) -> Participant:
    return Participant(number or "nobody", f"sip:{number}@x", number, "", sends)


def metadata(*people: Participant) -> Metadata:
    return Metadata(people, {"a": "1", "b": "2", "m": "3"})


def test_the_number_tells_the_agent_whatever_the_order() -> None:
    binding = bind({0: "1", 1: "2"}, metadata(person("13900000001", "a"), person("8001", "b")), AGENTS)
    assert dict(binding.roles) == {0: "citizen", 1: "agent"}
    assert [(party.role, party.number) for party in binding.parties] == [("citizen", "13900000001"), ("agent", "8001")]
    assert binding.flags == ("label 3 not in SDP",)


@pytest.mark.parametrize("numbers", [("13900000001", "13900000002"), ("8001", "8002"), ("", "")])
def test_when_numbers_do_not_tell_the_first_participant_is_the_agent(numbers: tuple[str, str]) -> None:
    people = (Participant("p", "", numbers[0], "", ("b",)), Participant("q", "", numbers[1], "", ("a",)))
    binding = bind({0: "1", 1: "2"}, metadata(*people), AGENTS)
    assert dict(binding.roles) == {0: "citizen", 1: "agent"}


def test_two_agents_and_a_citizen() -> None:
    people = (person("13900000001", "a"), person("8001", "b"), person("8002", "m"))
    binding = bind({0: "1", 1: "2", 2: "3"}, metadata(*people), AGENTS)
    assert dict(binding.roles) == {0: "citizen", 1: "agent", 2: "agent"}
    assert binding.flags == ()


def test_a_mixed_stream_is_both_parties() -> None:
    binding = bind({0: "3"}, metadata(person("8001", "m"), person("13900000001", "m")), AGENTS)
    assert dict(binding.roles) == {0: "mixed"}


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        ({0: "", 1: ""}, {0: "agent", 1: "citizen"}),
        ({0: "2", 1: "1"}, {0: "citizen", 1: "agent"}),
        ({0: "10", 2: "9"}, {0: "citizen", 2: "agent"}),
        ({0: "caller", 1: "callee"}, {0: "agent", 1: "citizen"}),
    ],
)
def test_without_metadata_two_streams_are_assumed(labels: dict[int, str], roles: dict[int, str]) -> None:
    binding = bind(labels, None, AGENTS)
    assert dict(binding.roles) == roles
    assert (binding.parties, binding.flags) == ((), (ROLES_ASSUMED,))


@pytest.mark.parametrize("labels", [{0: "1"}, {0: "1", 1: "2", 2: "3"}])
def test_without_metadata_one_or_three_streams_are_unknown(labels: dict[int, str]) -> None:
    assert set(bind(labels, None, AGENTS).roles.values()) == {"unknown"}


def test_unbound_streams_follow_the_order_of_the_participants() -> None:
    binding = bind({0: "1", 1: "2"}, Metadata((person("13900000001"), person("8001"))), AGENTS)
    assert dict(binding.roles) == {0: "citizen", 1: "agent"}
    assert binding.flags == (ROLES_ASSUMED,)


def test_labels_of_refused_lines_are_known() -> None:
    people = metadata(person("8001", "a"), person("13900000001", "b"))
    assert bind({0: "1", 1: "2"}, people, AGENTS, offered=("1", "2", "3")).flags == ()


def test_roles_stay_when_others_come_and_go() -> None:
    """No number tells: the first was taken for the agent, and the order of later documents changes nothing."""
    first = Metadata((person("13900000001", "a"), person("13900000002", "b")), {"a": "1", "b": "2"})
    before = bind({0: "1", 1: "2"}, first, AGENTS)
    assert dict(before.roles) == {0: "agent", 1: "citizen"}
    second = first.updated(Metadata((person("13900000002", "b"), person("13900000003", "a")), {"a": "1", "b": "2"}))
    after = bind({0: "1", 1: "2"}, second, AGENTS, before=before)
    assert (dict(after.roles), after.changed) == ({0: "agent", 1: "citizen"}, False)
    assert [(party.role, party.number) for party in after.parties] == [
        ("citizen", "13900000002"),
        ("agent", "13900000003"),
        ("agent", "13900000001"),
    ]


def test_one_person_alone_is_a_citizen_unless_a_pattern_says_otherwise() -> None:
    for number, agents, role in (("13900000001", AGENTS, "citizen"), ("8001", AGENTS, "agent"), ("139", (), "agent")):
        binding = bind({0: "1"}, Metadata((person(number, "a"),), {"a": "1"}), agents)
        assert dict(binding.roles) == {0: role}


def test_what_was_assumed_is_corrected_without_a_flag() -> None:
    before = bind({0: "1", 1: "2"}, None, AGENTS)
    after = bind({0: "1", 1: "2"}, metadata(person("13900000001", "a"), person("8001", "b")), AGENTS, before=before)
    assert (dict(after.roles), after.changed) == ({0: "citizen", 1: "agent"}, False)


def test_the_other_of_two_streams_is_the_other_partys() -> None:
    binding = bind({0: "1", 1: "2"}, Metadata((person("8001", "a"),), {"a": "1"}), AGENTS)
    assert dict(binding.roles) == {0: "agent", 1: "citizen"}
    assert binding.flags == ("label 2 not in metadata", ROLES_ASSUMED)
    both = Metadata((person("8001", "a"), person("13900000001", "a")), {"a": "1"})
    mixed = bind({0: "1", 1: "2"}, both, AGENTS)
    assert dict(mixed.roles) == {0: "mixed", 1: "unknown"}


def test_a_number_from_elsewhere_is_nobody_elses() -> None:
    people = (Participant("p", "sip:trunk@x", "trunk", "", ("a",)), person("8001", "b"))
    told = metadata(*people)
    for callers, number in (
        (Metadata((Participant("h", "", "13900000001"),)), "13900000001"),
        (Metadata((Participant("h", "", "8001"),)), "trunk"),
    ):
        binding = bind({0: "1", 1: "2"}, told, AGENTS, callers=callers)
        assert [party.number for party in binding.parties] == [number, "8001"]
