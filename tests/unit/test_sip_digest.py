"""Digest authentication: the values that the RFCs print, what is refused, and nonces that serve once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from telephony.sip.digest import Account, Challenge, Credentials, first_known, hashed, read_accounts
from telephony.sip.nonces import NONCE_SECONDS, Nonces

# RFC 7616 §3.9.1, as the client sends it.
MUFASA = """Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm},
 nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
 cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}",
 opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""""
MD5 = "8ca523f5e9506fed4657c9700eebdbec"
SHA256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def mufasa() -> Account:
    secrets = {name: hashed(name, "Mufasa", "http-auth@example.org", "Circle of Life") for name in ("SHA-256", "MD5")}
    return Account("Mufasa", "http-auth@example.org", secrets)


@pytest.mark.parametrize(("algorithm", "response"), [("MD5", MD5), ("SHA-256", SHA256)])
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    found = Credentials.parse(MUFASA.format(algorithm=algorithm, response=response))
    assert found.prove(mufasa(), "GET")
    assert Credentials.parse(str(found)) == found
    challenge = Challenge(found.realm, found.nonce, algorithm, opaque=found.opaque)
    assert Challenge.parse(str(challenge)) == challenge
    answer = challenge.answer("Mufasa", "Circle of Life", "GET", "/dir/index.html", found.client_nonce)
    assert answer == found


def test_the_example_of_rfc_2617() -> None:
    text = """Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
     uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1",
     opaque="5ccc069c403ebaf9f0171e9517f40e41\""""
    account = Account("Mufasa", "testrealm@host.com", {"MD5": hashed("MD5", "Mufasa", "testrealm@host.com",
                                                                     "Circle Of Life")})  # fmt: skip
    assert Credentials.parse(text).prove(account, "GET")


def test_a_client_of_the_time_before_qop() -> None:
    found = Challenge("r", "n", "MD5", qop=False).answer("u", "p", "INVITE", "sip:x", "")
    assert (found.qop, found.count) == ("", "")
    assert found.response == hashed("MD5", hashed("MD5", "u", "r", "p"), "n", hashed("MD5", "INVITE", "sip:x"))
    assert found.prove(Account("u", "r", {"MD5": hashed("MD5", "u", "r", "p")}), "INVITE")


@pytest.mark.parametrize(
    "change",
    [
        {"response": "0" * 64},
        {"response": ""},
        {"response": "ü" * 64},
        {"nonce": "another"},
        {"uri": "/other"},
        {"count": "00000002"},
        {"client_nonce": "x"},
        {"realm": "other"},
    ],
)
def test_one_changed_value_is_a_wrong_response(change: dict[str, str]) -> None:
    right = Credentials.parse(MUFASA.format(algorithm="SHA-256", response=SHA256))
    assert not replace(right, **change).prove(mufasa(), "GET")
    assert not right.prove(mufasa(), "INVITE")
    assert not right.prove(None, "GET")
    assert not replace(right, algorithm="MD5").prove(replace(mufasa(), secrets={"SHA-256": "0" * 64}), "GET")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic dTpw",
        "Digest",
        'Digest username="u"',
        'Digest username="u", realm="r", nonce="n", uri="x", response="r", username="v"',
        'Digest username="u, realm="r", nonce="n", uri="x", response="r"',
        'Digest username="u", realm="r", nonce="n", uri="x", response="r", algorithm=MD5-sess',
        'Digest username="u", realm="r", nonce="n", uri="x", response="r", qop=auth-int, nc=00000001, cnonce="c"',
        'Digest username="u", realm="r", nonce="n", uri="x", response="r", qop=auth, nc=1, cnonce="c"',
        'Digest username="u", realm="r", nonce="n", uri="x", response="r", userhash=true',
    ],
)
def test_credentials_that_were_not_asked_for(text: str) -> None:
    with pytest.raises(ValueError):
        Credentials.parse(text)


@given(some.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (Credentials.parse, Challenge.parse, Account.parse):
        try:
            parse(f"Digest {text}")
        except ValueError:
            continue


def test_the_topmost_challenge_that_is_known_is_taken() -> None:
    offered = ['Digest realm="r", nonce="n", algorithm=SHA-512-256', "Basic", 'Digest realm="r", nonce="n", '
               'algorithm=SHA-256, qop="auth,auth-int", stale=TRUE', 'Digest realm="r", nonce="n"']  # fmt: skip
    found = first_known(offered)
    assert found is not None
    assert (found.algorithm, found.qop, found.stale) == ("SHA-256", True, True)
    assert first_known(offered[:2]) is None


def test_an_account_survives_its_line_and_hides_its_secrets() -> None:
    account = Account.of("网关一", "huiyin", "geheim:1")
    assert Account.parse(str(account)) == account
    assert not any(secret in repr(account) for secret in account.secrets.values())
    assert "geheim" not in str(account)
    for algorithm in ("SHA-256", "MD5"):
        alone = Account.of("u", "r", "p", [algorithm])
        assert Account.parse(str(alone)) == alone
        assert set(alone.secrets) == {algorithm}
    assert Account.parse(f"u:r:{'0' * 64}").secrets == {"SHA-256": "0" * 64}


@pytest.mark.parametrize(
    "text",
    [
        "u:r",
        "u:r:clear",
        f":r:{'0' * 64}",
        f"u:r:{'0' * 32}",
        "u:r::",
        f"u:r:{'0' * 64}::",
        f"u:r:{'0' * 64}:{'0' * 31}",
    ],
)
def test_a_line_that_is_no_account_is_named_and_not_shown(text: str) -> None:
    good = f"u:r:{'0' * 64}\n"
    with pytest.raises(ValueError, match="line 3") as caught:
        read_accounts(f"# heading\n{good}{text}\n")
    assert "clear" not in str(caught.value)


def test_all_accounts_share_a_realm() -> None:
    lines = [f"{user}:{realm}:{'0' * 64}\n" for user, realm in (("a", "r"), ("b", "r"), ("c", "s"))]
    assert set(read_accounts("".join(lines[:2]))) == {"a", "b"}
    with pytest.raises(ValueError, match="line 3: another realm"):
        read_accounts("".join(lines))


@pytest.mark.parametrize("name", ["", "a:b", 'a"b', "a\nb", "a\\b"])
def test_a_name_that_no_line_can_hold(name: str) -> None:
    with pytest.raises(ValueError):
        Account.of(name, "r", "p")


def test_a_nonce_serves_each_count_once_and_for_its_time() -> None:
    nonces = Nonces(b"key")
    nonce = nonces.issue(1000.0)
    assert [nonces.take(nonce, count, 1001.0) for count in (1, 1, 2, 4, 3, 3, 4)] == [
        True, False, True, True, True, False, False,
    ]  # fmt: skip
    # Far behind the highest, nobody remembers whether a count was used: it was not.
    assert [nonces.take(nonce, count, 1001.0) for count in (100, 5, 37, 36, 36)] == [True, False, True, False, False]
    assert not nonces.take(nonce, 200, 1000.0 + NONCE_SECONDS + 1)
    assert nonces.issue(5.0) != nonces.issue(5.0)


def test_a_nonce_of_another_is_not_taken() -> None:
    nonces = Nonces(b"key")
    for nonce in ("", "x", "AAAA", Nonces(b"other").issue(10.0), nonces.issue(99.0), "ü"):
        assert not nonces.take(nonce, 1, 10.0)


def test_nonces_that_have_run_out_are_forgotten() -> None:
    nonces = Nonces(b"key")
    for now in range(0, 3000, 10):
        assert nonces.take(nonces.issue(now), 1, now)
    assert len(nonces._uses) <= NONCE_SECONDS / 10 + 1
