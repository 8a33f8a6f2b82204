"""Transactions against the timers and diagrams of RFC 3261 §17 and RFC 6026."""

import pytest

from telephony.sip.message import Request, Response, parse
from telephony.sip.transaction import GIVE_UP, T4, Event, State, Transaction, key_of


def response(status: int) -> Response:
    return Response(status, "x", (("Via", "SIP/2.0/UDP a"),))


def drive(transaction: Transaction, until: float) -> list[float]:
    """Let time pass; the moments at which something was sent."""
    moments = []
    while (deadline := transaction.deadline()) is not None and deadline <= until:
        moments += [deadline] * len(transaction.fire(deadline))
    return moments


def test_a_failure_is_repeated_ever_slower_until_it_is_given_up() -> None:
    transaction = Transaction.server("INVITE", reliable=False)
    assert transaction.respond(response(488), 0.0) == (bytes(response(488)),)
    assert drive(transaction, 100) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert transaction.state is State.TERMINATED


def test_an_ack_ends_the_repetition_of_a_failure() -> None:
    transaction = Transaction.server("INVITE", reliable=False)
    transaction.respond(response(488), 0.0)
    assert transaction.on(Event.ACK, 0.6) == ()
    assert (transaction.state, transaction.deadline()) == (State.CONFIRMED, 0.6 + T4)
    assert transaction.on(Event.REPEATED, 1.0) == ()
    assert drive(transaction, 100) == []
    assert transaction.state is State.TERMINATED


def test_a_reliable_transport_repeats_nothing() -> None:
    transaction = Transaction.server("INVITE", reliable=True)
    transaction.respond(response(488), 0.0)
    assert transaction.deadline() == GIVE_UP
    transaction.on(Event.ACK, 1.0)
    assert drive(transaction, 1.0) == []
    assert transaction.state is State.TERMINATED


def test_an_accepted_invite_absorbs_repetitions() -> None:
    transaction = Transaction.server("INVITE", reliable=False)
    assert len(transaction.respond(response(100), 0.0)) == 1
    assert len(transaction.on(Event.REPEATED, 0.1)) == 1
    assert len(transaction.respond(response(200), 0.2)) == 1
    assert transaction.on(Event.REPEATED, 0.3) == ()
    assert drive(transaction, 0.2 + GIVE_UP) == []
    assert transaction.state is State.TERMINATED


@pytest.mark.parametrize("status", [200, 481])
def test_other_requests_get_the_same_answer_again(status: int) -> None:
    transaction = Transaction.server("BYE", reliable=False)
    first = transaction.respond(response(status), 0.0)
    assert transaction.on(Event.REPEATED, 1.0) == transaction.on(Event.REPEATED, 2.0) == first
    drive(transaction, GIVE_UP)
    assert transaction.state is State.TERMINATED


def test_a_client_request_is_repeated_until_answered() -> None:
    transaction = Transaction.client(request("BYE", "z9hG4bKa"), 0.0, reliable=False)
    assert drive(transaction, 4.0) == [0.5, 1.5, 3.5]
    transaction.on(Event.SUCCESS, 4.0)
    assert drive(transaction, 100) == []
    assert transaction.state is State.TERMINATED
    unanswered = Transaction.client(request("BYE", "z9hG4bKa"), 0.0, reliable=True)
    assert drive(unanswered, GIVE_UP) == []
    assert unanswered.state is State.TERMINATED


def test_an_invite_of_ours_is_repeated_ever_slower_until_somebody_hears_it() -> None:
    unheard = Transaction.client(request("INVITE", "z9hG4bKa"), 0.0, reliable=False)
    assert drive(unheard, 100) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert unheard.state is State.TERMINATED
    heard = Transaction.client(request("INVITE", "z9hG4bKa"), 0.0, reliable=False)
    assert drive(heard, 2.0) == [0.5, 1.5]
    heard.on(Event.PROVISIONAL, 2.0)
    assert (drive(heard, GIVE_UP - 1), heard.state) == ([], State.PROCEEDING)


def test_a_refused_invite_of_ours_is_acknowledged_each_time() -> None:
    transaction = Transaction.client(request("INVITE", "z9hG4bKa"), 0.0, reliable=False)
    transaction.last = b"ACK"
    assert [transaction.on(Event.FAILURE, now) for now in (1.0, 2.0)] == [(b"ACK",), (b"ACK",)]
    assert (drive(transaction, 100), transaction.state) == ([], State.TERMINATED)


def test_a_pair_outside_the_table_raises() -> None:
    with pytest.raises(KeyError):
        Transaction.server("BYE", reliable=False).on(Event.ACK, 0.0)


def request(method: str, branch: str, via: str = "gw:5060", to: str = "<sip:r@s>") -> Request:
    message = parse(
        f"{method} sip:r@s SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch={branch}\r\nFrom: <sip:g@w>;tag=1\r\n"
        f"To: {to}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    return message


def test_keys_follow_branch_sender_and_method() -> None:
    key = key_of(request("INVITE", "z9hG4bKa"))
    assert key == key_of(request("ACK", "z9hG4bKa")) == key_of(request("INVITE", "Z9HG4BKA"))
    assert key != key_of(request("CANCEL", "z9hG4bKa"))
    assert key != key_of(request("INVITE", "z9hG4bKb"))
    assert key != key_of(request("INVITE", "z9hG4bKa", via="other:5060"))


def test_peers_of_the_old_rfc_are_matched_by_the_whole_request() -> None:
    key = key_of(request("INVITE", "1"))
    assert key == key_of(request("ACK", "1", to="<sip:r@s>;tag=2"))
    assert key != key_of(request("INVITE", "2"))
