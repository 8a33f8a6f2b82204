"""Signatures against the example that the makers of the scheme publish, and secrets as they are shown."""

import pytest

from api.webhooks.signing import SECRET_BYTES, headers, new_secret, parse_secret, shown, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    assert sign(parse_secret(SECRET), MESSAGE, TIMESTAMP, BODY) == SIGNATURE


def test_each_secret_in_force_signs() -> None:
    other = new_secret()
    found = headers([parse_secret(SECRET), other], MESSAGE, TIMESTAMP, BODY)
    assert found["webhook-id"] == MESSAGE
    assert found["webhook-timestamp"] == str(TIMESTAMP)
    assert found["webhook-signature"] == f"{SIGNATURE} {sign(other, MESSAGE, TIMESTAMP, BODY)}"


@pytest.mark.parametrize(
    ("message", "timestamp", "body"),
    [("msg_other", TIMESTAMP, BODY), (MESSAGE, TIMESTAMP + 1, BODY), (MESSAGE, TIMESTAMP, BODY + b" ")],
)
def test_whatever_is_changed_changes_the_signature(message: str, timestamp: int, body: bytes) -> None:
    assert sign(parse_secret(SECRET), message, timestamp, body) != SIGNATURE


def test_a_secret_comes_back_from_how_it_is_shown() -> None:
    secret = new_secret()
    assert len(secret) == SECRET_BYTES
    assert parse_secret(shown(secret)) == secret
    for wrong in ("", "whsec_", "whsec_***", SECRET.removeprefix("whsec_")):
        with pytest.raises(ValueError, match="whsec_"):
            parse_secret(wrong)
