"""Proofs in a bag against somebody who can sign: each recording's rows, their paths, and the head that they lead to."""

import base64
import json
import shutil
from pathlib import Path

import pytest

from core.ids import new_id
from retention.handover import verify_handover
from tests.bags import Made, make_bag, seal_again


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bag(tmp_path_factory.mktemp("handover"))


@pytest.fixture
def bag(made: Made, tmp_path: Path) -> Path:
    """A copy to be altered."""
    return made.copy(tmp_path / "bag")


def recordings(bag: Path) -> list[Path]:
    return sorted(path.parent for path in bag.rglob("audio.flac"))


def faults(bag: Path, made: Made) -> str:
    return "\n".join(verify_handover.check_bag(bag, str(made.key.verifier)).faults)


@pytest.mark.parametrize("name", ["data/ledger/consistency.json", "proof.json", "data/ledger/papers.jsonl"])
def test_a_proof_in_another_encoding_by_somebody_who_can_sign(made: Made, bag: Path, name: str) -> None:
    """The same hashes, written with stray bits at the end of their base64: not the bytes that were proved."""
    path = bag / name if name.startswith("data/") else recordings(bag)[0] / name
    lines = path.read_text().splitlines()
    proof = json.loads(lines[0] if name.endswith("l") else path.read_text())
    steps = proof.get("steps") or proof.get("entries") or [proof]
    first = steps[0]["path"][0]
    steps[0]["path"][0] = first[:-2] + chr(ord(first[-2]) + 1) + "="
    assert base64.b64decode(first) == base64.b64decode(steps[0]["path"][0])
    path.write_text("\n".join([json.dumps(proof), *lines[1:]]) if name.endswith("l") else json.dumps(proof))
    seal_again(bag, made.key)
    assert path.relative_to(bag).as_posix() in faults(bag, made)


@pytest.mark.parametrize("whose", ["another recording's", "nobody's"])
def test_a_row_that_proves_nothing_of_this_recording_by_somebody_who_can_sign(
    made: Made, bag: Path, whose: str
) -> None:
    """A genuine row whose path leads to the signed head tells of another call; one that was changed has no path."""
    one, other = (folder / "proof.json" for folder in recordings(bag)[:2])
    proof = json.loads(one.read_text())
    entry = json.loads(other.read_text())["entries"][0] if whose.startswith("another") else dict(proof["entries"][-1])
    if whose == "nobody's":
        leaf = json.loads(entry["leaf"]) | {"actor": "somebody else"}
        entry["leaf"] = json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    proof["entries"].append(entry)
    one.write_text(json.dumps(proof))
    seal_again(bag, made.key)
    assert f"{one.relative_to(bag)}: {entry['index']}" in faults(bag, made)


def test_a_proof_under_another_signed_head(made: Made, bag: Path) -> None:
    """A head that was signed earlier is genuine; the bag's is the one that all paths must lead to."""
    proof_file = recordings(bag)[0] / "proof.json"
    proof = json.loads(proof_file.read_text())
    heads = [path.read_text() for path in sorted((bag / "data/ledger/heads").iterdir())]
    assert proof["head"] in heads
    proof["head"] = next(head for head in heads if head != proof["head"])
    proof_file.write_text(json.dumps(proof))
    seal_again(bag, made.key)
    assert f"ledger proof does not hold: {proof_file.relative_to(bag)}" in faults(bag, made)


def test_a_recording_slipped_in_without_a_proof(made: Made, bag: Path) -> None:
    genuine = recordings(bag)[0]
    added = genuine.with_name(str(new_id()))
    shutil.copytree(genuine, added)
    (added / "proof.json").unlink()
    seal_again(bag, made.key)
    found = faults(bag, made)
    assert f"{added.relative_to(bag)}/audio.flac" in found
    assert genuine.name not in found


def test_totals_that_differ(made: Made, bag: Path) -> None:
    """``seal_again`` makes hashes and signatures fit what stands there, so that only the totals are wrong."""
    first = recordings(bag)[0] / "audio.flac"
    content = first.read_bytes()
    first.write_bytes(content + b"?")
    seal_again(bag, made.key)
    told = (bag / "bag-info.txt").read_text()
    first.write_bytes(content)
    assert "totals differ: bag-info.txt" in faults(bag, made)
    seal_again(bag, made.key)
    assert (bag / "bag-info.txt").read_text() != told
    assert faults(bag, made) == ""
