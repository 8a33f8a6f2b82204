"""Pieces of the verifier that lies in a bag."""

import base64

import pytest

from retention.handover import verify_handover


@pytest.mark.parametrize("alteration", ["stray bits", "line end", "no padding", "another alphabet"])
def test_base64_has_one_encoding(alteration: str) -> None:
    digest = bytes(range(224, 256))
    text = base64.b64encode(digest).decode()
    assert verify_handover.decode(text) == digest
    other = {
        "stray bits": text[:-2] + chr(ord(text[-2]) + 1) + "=",
        "line end": text + "\n",
        "no padding": text.rstrip("="),
        "another alphabet": base64.urlsafe_b64encode(digest).decode(),
    }[alteration]
    assert other != text
    assert verify_handover.decode(other) == b""
