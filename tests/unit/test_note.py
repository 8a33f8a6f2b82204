"""Signed notes and checkpoints: forms, and everything that must not pass."""

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.note import Checkpoint, SigningKey, VerifierKey, open_note, signers

KEY, OTHER = SigningKey.generate("huiyin.example/ledger"), SigningKey.generate("huiyin.example/ledger")
HEAD = Checkpoint("huiyin.example/ledger", 12345, bytes(range(32)))


def test_a_published_verifier_key_reads() -> None:
    """The example key of Go's note package: its number is computed as everybody computes it."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = VerifierKey.parse(text)
    assert (key.name, key.number.hex(), str(key)) == ("PeterNeumann", "c74f20a3", text)


def test_a_signed_checkpoint_opens() -> None:
    note = KEY.sign(str(HEAD))
    assert note.startswith("huiyin.example/ledger\n12345\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— huiyin")
    assert Checkpoint.parse(open_note(note, [OTHER.verifier, KEY.verifier])) == HEAD
    assert signers(note) == [f"{KEY.name}+{KEY.verifier.number.hex()}"]


def test_another_key_is_named_as_unknown() -> None:
    with pytest.raises(ValueError, match="unknown key"):
        open_note(OTHER.sign(str(HEAD)), [KEY.verifier])


def test_every_changed_octet_of_text_or_signature_is_found() -> None:
    note = KEY.sign(str(HEAD)).encode()
    # All eight bits: the last letter of base64 has bits that mean nothing, and they may not change either.
    for place, bit in itertools.product(range(len(note) - 1), range(8)):
        changed = bytearray(note)
        changed[place] ^= 1 << bit
        with pytest.raises(ValueError):
            open_note(changed.decode("utf-8", "replace"), [KEY.verifier])


def test_a_key_with_the_number_of_another_is_no_key() -> None:
    number, data = str(KEY.verifier).split("+", 2)[1:]
    assert number != OTHER.verifier.number.hex()
    with pytest.raises(ValueError, match="number"):
        VerifierKey.parse(f"{KEY.name}+{OTHER.verifier.number.hex()}+{data}")
    with pytest.raises(ValueError, match="not an Ed25519"):
        VerifierKey.parse(f"{KEY.name}+{number}+{base64.b64encode(b'2' * 33).decode()}")


def test_a_signing_key_survives_its_file_and_hides_itself() -> None:
    assert SigningKey.parse(KEY.secret()) == KEY
    assert base64.b64encode(KEY.private).decode() not in repr(KEY)
    for broken in ("", "name", "name AAAA", f"two words {KEY.secret().split()[1]}"):
        with pytest.raises(ValueError, match="not a signing key"):
            SigningKey.parse(broken)


@pytest.mark.parametrize("text", ["", "o\n1\n", "o\n01\nAA==\n", "o\n-1\n" + "A" * 43 + "=\n", str(HEAD) + "more\n"])
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(ValueError, match="not a checkpoint"):
        Checkpoint.parse(text)


@given(st.text())
def test_any_text_opens_or_says_why_not(text: str) -> None:
    for read in (lambda: open_note(text, [KEY.verifier]), lambda: Checkpoint.parse(text)):
        with pytest.raises(ValueError):
            read()
    signers(text)
