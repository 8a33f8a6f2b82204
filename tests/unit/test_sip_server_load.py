"""What thousands of transactions and a flood of requests cost the server."""

import sys
from collections.abc import Callable

from telephony.sip.message import Message, parse
from tests.unit.test_sip_server import FLOW, Peer


def calls_made(work: Callable[[], object]) -> int:
    """How many functions of Python a piece of work calls: a cost that no other load changes."""
    made = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


def test_a_message_among_thousands_costs_what_it_costs_among_few() -> None:
    costs = []
    for transactions in (10, 5000):
        peer = Peer(most_transactions=10_000)
        for number in range(transactions):
            peer.send(peer.text("INVITE", branch=f"i{number}", call_id=f"c{number}"), number / 1000)
        message = parse(peer.text("OPTIONS", branch="last"))

        def answer_and_look(peer: Peer = peer, message: Message = message) -> None:
            peer.server.receive(message, FLOW, 6.0)
            peer.server.deadline()

        costs.append(calls_made(answer_and_look))
    assert costs[1] < 1.5 * costs[0]


def test_a_flood_fills_no_memory_and_keeps_no_call_out() -> None:
    peer = Peer(most_transactions=100)
    for number in range(300):
        assert [one.status for one in peer.send(peer.text("OPTIONS", branch=f"o{number}"))] == [200]
        refused = peer.text("INVITE", "Require: gruu", branch=f"i{number}", call_id=f"c{number}")
        assert [one.status for one in peer.send(refused)] == [420]
    assert peer.server.remembered == 100
    peer.call()
    assert peer.send(peer.text("UPDATE")) == peer.send(peer.text("UPDATE"))
    assert peer.calls.log.count("changed UPDATE") == 1
    while (deadline := peer.server.deadline()) is not None:
        peer.server.fire(deadline)
    assert peer.server.remembered == 1
