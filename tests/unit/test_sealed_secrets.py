"""Sealed secrets: read again only with the same key, for the same purpose, and unchanged."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Damaged, SettingsError
from core.sealed_secrets import SecretBox

BOX = SecretBox(bytes(range(32)), "00000000")


@given(plain=st.binary(max_size=200), purpose=st.text(max_size=40))
def test_what_was_sealed_is_read_again_and_is_never_the_same_twice(plain: bytes, purpose: str) -> None:
    sealed = BOX.seal(plain, purpose)
    assert BOX.unseal(sealed, purpose) == plain
    assert sealed != BOX.seal(plain, purpose)
    assert sealed.isascii()


@given(st.data())
def test_one_changed_letter_or_another_purpose_is_refused(data: st.DataObject) -> None:
    sealed = BOX.seal(b"JBSWY3DPEHPK3PXP", "totp agent")
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:place] + chr((ord(sealed[place]) - 31) % 95 + 32) + sealed[place + 1 :]
    with pytest.raises((Damaged, SettingsError)):
        BOX.unseal(changed, "totp agent")
    with pytest.raises(Damaged):
        BOX.unseal(sealed, "totp auditor")


@pytest.mark.parametrize(
    "text", ["", "sealed1", "sealed1.00000000.", "sealed1.00000000.AAAA", "汉字.", "JBSWY3DPEHPK3PXP"]
)
def test_what_is_no_sealed_value_is_refused(text: str) -> None:
    with pytest.raises((Damaged, SettingsError)):
        BOX.unseal(text, "totp agent")


def test_a_mark_is_the_same_for_the_same_value_only_and_needs_the_key() -> None:
    mark = BOX.mark(b"13800001234", "asked")
    assert mark == BOX.mark(b"13800001234", "asked")
    others = {BOX.mark(b"13800001235", "asked"), BOX.mark(b"13800001234", "askec"), BOX.mark(b"d13800001234", "aske")}
    assert mark not in others
    assert mark != SecretBox(bytes(32), "00000001").mark(b"13800001234", "asked")


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secrets.key"
    boxes: list[SecretBox] = []
    starting = [threading.Thread(target=lambda: boxes.append(SecretBox.ensure(path))) for _ in range(8)]
    for each in starting:
        each.start()
    for each in starting:
        each.join()
    assert boxes == [SecretBox.open(path)] * 8
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path], "nothing is left lying about"
    assert boxes[0].key.hex() not in repr(boxes[0])
    assert repr(boxes[0].key) not in repr(boxes[0])


def test_a_key_that_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    with pytest.raises(SettingsError, match=r"HUIYIN_SECRET_KEY_FILE: there is no .*secrets\.key; copy it"):
        SecretBox.open(path)
    path.write_text("huiyin-secret-key+AAAA")
    with pytest.raises(SettingsError, match="holds no key"):
        SecretBox.open(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot read"):
        SecretBox.open(path)
    one, other = SecretBox.ensure(tmp_path / "one"), SecretBox.ensure(tmp_path / "other")
    with pytest.raises(SettingsError, match="not the one that sealed") as refused:
        other.unseal(one.seal(b"x", "y"), "y")
    assert refused.value.facts == {"expected": other.number, "found": one.number}
