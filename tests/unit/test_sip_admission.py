"""Who may call: addresses, accounts, both, and what is told of those who may not."""

from ipaddress import ip_network

from telephony.sip.admission import NOT_ALLOWED, WRONG_CREDENTIALS, AccessControl
from telephony.sip.dialog import Flow
from telephony.sip.digest import Account, Challenge
from telephony.sip.message import Request
from telephony.sip.nonces import NONCE_SECONDS
from telephony.sip.notes import NOTE_SECONDS, Notes
from telephony.sip.server import Reply

INSIDE, OUTSIDE = Flow("UDP", "10.20.1.1", 5060), Flow("UDP", "192.0.2.1", 5060)
NETWORKS = (ip_network("10.20.0.0/16"), ip_network("2001:db8::/32"))
ACCOUNTS = {"gateway": Account.of("gateway", "huiyin", "secret")}


def request(method: str = "INVITE", *authorizations: str) -> Request:
    return Request(method, "sip:rec@host", tuple(("Authorization", text) for text in authorizations))


def challenges(reply: Reply | None) -> list[Challenge]:
    assert reply is not None
    assert reply.status == 401
    return [Challenge.parse(value) for name, value in reply.headers if name == "WWW-Authenticate"]


def answered(challenge: Challenge, word: str = "secret", count: int = 1) -> Request:
    return request("INVITE", str(challenge.answer("gateway", word, "INVITE", "sip:rec@host", "c", count)))


def test_off_lets_everybody_in() -> None:
    access = AccessControl()
    assert access.check(request(), OUTSIDE, 0) is None
    assert access.admits_address("192.0.2.1")


def test_an_address_outside_is_refused() -> None:
    access = AccessControl(networks=NETWORKS, own=("127.0.0.1",))
    assert access.check(request(), INSIDE, 0) is None
    assert access.check(request(), Flow("UDP", "::ffff:10.20.1.1", 1), 0) is None
    assert access.check(request(), Flow("TLS", "2001:db8::7", 1), 0) is None
    for method in ("INVITE", "OPTIONS", "BYE", "REGISTER"):
        assert access.check(request(method), OUTSIDE, 0) == Reply(403)
    # A health check from the machine itself, and nothing more than that.
    assert access.check(request("OPTIONS"), Flow("UDP", "127.0.0.1", 9), 0) is None
    assert access.check(request(), Flow("UDP", "127.0.0.1", 9), 0) == Reply(403)


def test_an_account_is_asked_for_strongest_first() -> None:
    access = AccessControl(accounts=ACCOUNTS)
    offered = challenges(access.check(request(), OUTSIDE, 0))
    assert [(one.algorithm, one.realm, one.qop, one.stale) for one in offered] == [
        ("SHA-256", "huiyin", True, False),
        ("MD5", "huiyin", True, False),
    ]
    for place in range(2):
        challenge = challenges(access.check(request(), OUTSIDE, 0))[place]
        assert access.check(answered(challenge), OUTSIDE, 1) is None
    for method in ("OPTIONS", "BYE"):
        assert access.check(request(method), OUTSIDE, 0) is None


def test_an_algorithm_is_offered_only_where_somebody_has_it() -> None:
    for algorithm in ("SHA-256", "MD5"):
        alone = Account.of("gateway", "huiyin", "secret", [algorithm])
        access = AccessControl(accounts={"gateway": alone})
        [challenge] = challenges(access.check(request(), OUTSIDE, 0))
        assert challenge.algorithm == algorithm
        assert access.check(answered(challenge), OUTSIDE, 0) is None


def test_wrong_passwords_and_users_are_challenged_anew() -> None:
    told: list[tuple[str, str, int]] = []
    access = AccessControl(accounts=ACCOUNTS, refused=lambda *one: told.append(one))
    [challenge, _] = challenges(access.check(request(), OUTSIDE, 0))
    assert told == []
    [again, _] = challenges(access.check(answered(challenge, "wrong"), OUTSIDE, 1))
    assert not again.stale
    stranger = request("INVITE", str(challenge.answer("nobody", "secret", "INVITE", "sip:rec@host", "c")))
    assert not challenges(access.check(stranger, OUTSIDE, 1))[0].stale
    assert not challenges(access.check(request("INVITE", "Basic x"), INSIDE, 1))[0].stale
    assert [one[:2] for one in told[:1]] == [("192.0.2.1", WRONG_CREDENTIALS)]
    assert len(told) == 2


def test_replayed_and_old_nonces_are_stale() -> None:
    access = AccessControl(accounts=ACCOUNTS)
    [challenge, _] = challenges(access.check(request(), OUTSIDE, 0))
    assert access.check(answered(challenge), OUTSIDE, 1) is None
    [again, _] = challenges(access.check(answered(challenge), OUTSIDE, 2))
    assert again.stale
    assert access.check(answered(again), OUTSIDE, 3) is None
    assert access.check(answered(again, count=2), OUTSIDE, 3) is None
    assert challenges(access.check(answered(again, count=3), OUTSIDE, 4 + NONCE_SECONDS))[0].stale
    # What another process has issued, before a restart for example.
    [foreign, _] = challenges(AccessControl(accounts=ACCOUNTS).check(request(), OUTSIDE, 0))
    assert challenges(access.check(answered(foreign), OUTSIDE, 1))[0].stale


def test_both_rules_hold_together_and_accounts_may_change() -> None:
    access = AccessControl(networks=NETWORKS, accounts=ACCOUNTS)
    [challenge, _] = challenges(access.check(request(), INSIDE, 0))
    assert access.check(answered(challenge), OUTSIDE, 1) == Reply(403)
    assert access.check(answered(challenge), INSIDE, 1) is None
    access.accounts = {"gateway": Account.of("gateway", "huiyin", "new")}
    [challenge, _] = challenges(access.check(request(), INSIDE, 2))
    assert access.check(answered(challenge), INSIDE, 3) is not None
    assert access.check(answered(challenge, "new"), INSIDE, 3) is None


def test_a_refused_address_is_told_once_a_minute() -> None:
    told: list[tuple[str, str, int]] = []
    access = AccessControl(networks=NETWORKS, refused=lambda *one: told.append(one))
    for now in range(200):
        access.check(request("OPTIONS"), OUTSIDE, float(now))
    assert told == [("192.0.2.1", NOT_ALLOWED, times) for times in (1, 60, 60, 60)]


def test_a_flood_of_addresses_fills_neither_log_nor_memory() -> None:
    told: list[str] = []
    notes = Notes(lambda host, why, times: told.append(host))
    for number in range(5000):
        notes.add(f"2001:db8::{number:x}", "x", 0.0)
    assert len(told) == len(notes._told) == 1000
    notes.add("192.0.2.1", "x", NOTE_SECONDS)
    assert told[-1] == "192.0.2.1"
    assert len(notes._told) == 1
