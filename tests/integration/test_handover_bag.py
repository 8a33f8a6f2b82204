"""A bag against somebody who alters it: whatever is done, the verifier says no and names the thing."""

import ast
import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from core.note import SigningKey
from retention.handover import verify_handover
from retention.handover.zipping import zip_bag
from tests.bags import Made, make_bag, seal_again, verify
from tests.vcon_model import IncompleteDialog, VCon
from tests.web import CITIZEN, DIALOGUE, ORDER

VERIFIER = Path(verify_handover.__file__)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bag(tmp_path_factory.mktemp("handover"))


@pytest.fixture
def bag(made: Made, tmp_path: Path) -> Path:
    """A copy to be altered."""
    return made.copy(tmp_path / "bag")


def files(bag: Path) -> list[str]:
    return sorted(path.relative_to(bag).as_posix() for path in bag.rglob("*") if path.is_file())


def recordings(bag: Path) -> list[Path]:
    return sorted(path.parent for path in bag.rglob("audio.flac"))


def faults(bag: Path, made: Made) -> str:
    """The faults of a bag that has some."""
    return "\n".join(verify_handover.check_bag(bag, str(made.key.verifier)).faults)


def test_a_whole_bag_holds(made: Made) -> None:
    status, said = verify(made.bag, made.key.verifier)
    assert status == 0, said
    assert "全部成立" in said
    assert "Everything holds" in said
    assert "recordings: 3" in said


def test_without_a_key_nobody_knows_whose_bag_it_is(made: Made) -> None:
    status, said = verify(made.bag)
    assert status == 3
    assert "未核对公钥" in said
    assert "NOT checked" in said


def test_the_librarys_own_command_validates(made: Made, bag: Path) -> None:
    command = [sys.executable, "-m", "bagit", "--validate", "--quiet"]
    assert subprocess.run([*command, made.bag], timeout=240).returncode == 0
    (recordings(bag)[0] / "audio.flac").write_bytes(b"fLaC")
    assert subprocess.run([*command, bag], timeout=240, capture_output=True).returncode != 0


def changed(content: bytes) -> Iterator[bytes]:
    """Every way in which this test alters a file: one bit of the first, the last and octets between; an octet less,
    an octet more."""
    for place in sorted({0, len(content) // 3, len(content) // 2, len(content) - 2, len(content) - 1}):
        for bit in (1, 0x20):
            if 0 <= place < len(content):
                yield content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
    yield from (content[:-1], content + b"\n", b"")


def test_one_byte_of_any_file(made: Made, bag: Path) -> None:
    names = files(bag)
    for kind in (
        "imports/",
        "reports/",
        "certificates/",
        "recordings/",
        "work-orders",
        "ledger/heads",
        "ledger/leaves",
    ):
        assert any(name.startswith(f"data/{kind}") for name in names), kind
    for name in names:
        path = bag / name
        content = path.read_bytes()
        assert content, name
        for altered in changed(content):
            path.write_bytes(altered)
            assert name in faults(bag, made), (name, len(altered))
        path.write_bytes(content)
    assert not faults(bag, made)


def test_any_two_files_swapped(made: Made, bag: Path) -> None:
    """Each with its neighbour in the order of names, and files of one kind with each other."""
    names = files(bag)
    pairs = list(pairwise(names))
    pairs += [pair for pair in combinations(names, 2) if pair[0].rpartition("/")[2] == pair[1].rpartition("/")[2]]
    for one, other in pairs:
        first, second = (bag / one).read_bytes(), (bag / other).read_bytes()
        if first == second:
            continue
        (bag / one).write_bytes(second)
        (bag / other).write_bytes(first)
        found = faults(bag, made)
        assert "handover bag" in found or (one in found and other in found), (one, other)
        (bag / one).write_bytes(first)
        (bag / other).write_bytes(second)
    assert not faults(bag, made)


def test_any_file_removed_or_renamed(made: Made, bag: Path) -> None:
    for name in files(bag):
        path, other = bag / name, bag / (name + "x")
        path.rename(other)
        found = faults(bag, made)
        assert name in found or "handover bag" in found
        other.rename(path)


def test_any_file_added(made: Made, bag: Path) -> None:
    for folder in [bag, *(path for path in bag.rglob("*") if path.is_dir())]:
        added = folder / "added.txt"
        added.write_text("x")
        assert "added.txt" in faults(bag, made), folder
        added.unlink()


def test_a_link_in_place_of_a_file(made: Made, bag: Path, tmp_path: Path) -> None:
    audio = recordings(bag)[0] / "audio.flac"
    audio.rename(tmp_path / "elsewhere.flac")
    audio.symlink_to(tmp_path / "elsewhere.flac")
    assert "audio.flac" in faults(bag, made)


def test_swapped_sound_by_somebody_who_can_sign(made: Made, bag: Path) -> None:
    first, second = recordings(bag)[:2]
    # The seeded recordings sound alike: make them differ as they would.
    (first / "audio.flac").write_bytes(b"fLaC another call")
    seal_again(bag, made.key)
    found = faults(bag, made)
    assert f"{first.name}/audio.flac" in found
    assert f"{second.name}/audio.flac" not in found


@pytest.mark.parametrize("name", ["metadata.json", "proof.json", "vcon.json", "transcript.v1.json"])
def test_swapped_documents_by_somebody_who_can_sign(made: Made, bag: Path, name: str) -> None:
    with_it = [folder for folder in recordings(bag) if (folder / name).exists()]
    target = next(folder for folder in recordings(bag) if folder != with_it[0])
    source = (with_it[0] / name).read_bytes()
    (target / name).write_bytes(source)
    seal_again(bag, made.key)
    assert f"{target.name}/{name}" in faults(bag, made)


def papers(bag: Path) -> list[Path]:
    return sorted(
        path for kind in ("imports", "reports", "certificates") for path in (bag / "data" / kind).rglob("*.*")
    )


def test_papers_are_listed_and_proved(made: Made) -> None:
    suffixes = {(path.relative_to(made.bag).parts[1], path.suffix) for path in papers(made.bag)}
    assert suffixes == {
        ("imports", ".csv"),
        ("reports", ".docx"),
        ("reports", ".html"),
        ("reports", ".json"),
        ("certificates", ".json"),
    }
    page = (made.bag / "data/papers.html").read_text()
    for path in papers(made.bag):
        assert f'href="{path.relative_to(made.bag / "data")}"' in page
    assert "papers.html" in (made.bag / "data/index.html").read_text()
    [report] = (made.bag / "data/reports").rglob("*.docx")
    assert zipfile.ZipFile(report).testzip() is None
    status, said = verify(made.bag, made.key.verifier)
    assert (status, "papers: 5" in said) == (0, True), said


@pytest.mark.parametrize("place", range(5))
def test_a_paper_altered_added_or_left_out_by_somebody_who_can_sign(made: Made, bag: Path, place: int) -> None:
    paper = papers(bag)[place]
    name, content = paper.relative_to(bag).as_posix(), paper.read_bytes()
    paper.write_bytes(content[:-1] + b"?")
    seal_again(bag, made.key)
    assert name in faults(bag, made)
    paper.unlink()
    seal_again(bag, made.key)
    assert name in faults(bag, made)
    paper.write_bytes(content)
    added = paper.with_name("added" + paper.suffix)
    added.write_bytes(content)
    seal_again(bag, made.key)
    found = faults(bag, made)
    assert added.relative_to(bag).as_posix() in found
    assert name not in found


def test_a_paper_left_out_with_its_proof_by_somebody_who_can_sign(made: Made, bag: Path) -> None:
    """The whole log is in a bag of everything, and it names what there should be."""
    paper = next((bag / "data/certificates").rglob("*.json"))
    paper.unlink()
    proofs = bag / "data/ledger/papers.jsonl"
    lines = [line for line in proofs.read_text().splitlines(keepends=True) if paper.name not in line]
    proofs.write_text("".join(lines))
    seal_again(bag, made.key)
    assert paper.relative_to(bag).as_posix() in faults(bag, made)
    proofs.unlink()
    seal_again(bag, made.key)
    assert "papers.jsonl" in faults(bag, made)


def test_a_zip_file_with_two_files_of_one_name(made: Made, tmp_path: Path) -> None:
    zipped = tmp_path / "bag.zip"
    zip_bag(made.bag, zipped)
    assert verify(zipped, made.key.verifier)[0] == 0
    with zipfile.ZipFile(zipped, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("bag/README.txt", archive.read("bag/README.txt"))
    status, said = verify(zipped, made.key.verifier)
    assert (status, "README.txt" in said) == (1, True), said


def test_a_changed_byte_inside_a_zip_file_names_the_file(made: Made, tmp_path: Path) -> None:
    zipped = tmp_path / "bag.zip"
    zip_bag(made.bag, zipped)
    whole = zipped.read_bytes()
    with zipfile.ZipFile(zipped) as archive:
        entries = [info for info in archive.infolist() if info.compress_size]
        places = {info.filename: info.header_offset + 30 + len(info.filename.encode()) + 20 for info in entries}
    for info in entries:
        at = places[info.filename] + info.compress_size // 2
        zipped.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        found = verify_handover.check_bag(zipped, str(made.key.verifier)).faults
        name = info.filename.partition("/")[2]
        assert any(name in fault or "handover bag" in fault for fault in found), name


def test_another_key(made: Made, bag: Path) -> None:
    stranger = SigningKey.generate(made.key.name)
    (bag / "data/ledger/verifier-key.txt").write_text(f"{stranger.verifier}\n")
    for head in (bag / "data/ledger/heads").iterdir():
        text = head.read_text().rpartition("\n\n")[0]
        head.write_text(stranger.sign(text + "\n"))
    seal_again(bag, stranger)
    found = faults(bag, made)
    assert "signed by another key" in found
    assert str(stranger.verifier) in found
    status, said = verify(bag, made.key.verifier)
    assert status == 1
    assert "NOT hold" in said


def test_a_bag_of_somebody_else(made: Made) -> None:
    assert verify(made.bag, SigningKey.generate("other.example").verifier)[0] == 1


def test_a_recording_left_out_by_somebody_who_can_sign(made: Made, bag: Path) -> None:
    for path in sorted(recordings(bag)[2].iterdir()):
        path.unlink()
    seal_again(bag, made.key)
    assert "list of recordings" in faults(bag, made)


def test_a_ledger_cut_short_by_somebody_who_can_sign(made: Made, bag: Path) -> None:
    leaves = sorted((bag / "data/ledger/leaves").iterdir())[-1]
    leaves.write_bytes(b"".join(leaves.read_bytes().splitlines(keepends=True)[:-1]))
    seal_again(bag, made.key)
    assert "data/ledger/leaves" in faults(bag, made)


def test_a_head_left_out_by_somebody_who_can_sign(made: Made, bag: Path) -> None:
    heads = sorted((bag / "data/ledger/heads").iterdir())
    assert len(heads) > 1
    heads[0].unlink()
    seal_again(bag, made.key)
    assert "consistency.json" in faults(bag, made)


def test_a_history_that_was_rewritten_by_somebody_who_can_sign(made: Made, bag: Path) -> None:
    head = sorted((bag / "data/ledger/heads").iterdir())[0]
    lines = head.read_text().splitlines()
    lines[2] = base64.b64encode(hashlib.sha256(b"another history").digest()).decode()
    head.write_text(made.key.sign("\n".join(lines[:3]) + "\n"))
    seal_again(bag, made.key)
    assert "consistency.json" in faults(bag, made)


@pytest.mark.parametrize(
    "forged", [b"", b"[]", b"null", b"{", b'{"entries": 1}', b'{"entries": [{"leaf": 3}]}', b"\xff"]
)
@pytest.mark.parametrize("name", ["proof.json", "vcon.json", "metadata.json"])
def test_nonsense_is_a_finding_and_no_traceback(made: Made, bag: Path, name: str, forged: bytes) -> None:
    (recordings(bag)[0] / name).write_bytes(forged)
    seal_again(bag, made.key)
    status, said = verify(bag, made.key.verifier)
    assert status == 1
    assert name in said


def test_the_verifier_in_the_bag_is_ours_and_needs_nothing_of_ours(made: Made) -> None:
    source = VERIFIER.read_text(encoding="utf-8")
    assert (made.bag / "verify_handover.py").read_text(encoding="utf-8") == source
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    others = {name.split(".")[0] for name in imported} - sys.stdlib_module_names
    assert others == {"cryptography"}


def test_wrong_usage(made: Made, tmp_path: Path) -> None:
    for arguments in (["nowhere"], ["--key", "x", str(made.bag)]):
        assert subprocess.run([sys.executable, VERIFIER, *arguments], capture_output=True).returncode == 2
    (tmp_path / "not.zip").write_bytes(b"PK")
    assert verify(tmp_path / "not.zip", made.key.verifier)[0] == 1
    (tmp_path / "empty").mkdir()
    assert verify(tmp_path / "empty", made.key.verifier)[0] == 1


def test_every_vcon_is_what_the_draft_says(made: Made) -> None:
    found = sorted((made.bag / "data/recordings").rglob("vcon.json"))
    assert len(found) == 3
    for path in found:
        call = VCon.model_validate_json(path.read_bytes())
        assert str(call.uuid) == path.parent.name
        for part in (*call.dialog, *call.analysis, *call.attachments):
            assert not isinstance(part, IncompleteDialog)
            digest = hashlib.sha512((path.parent / part.url).read_bytes()).digest()
            assert part.content_hash == "sha512-" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_what_is_in_a_bag(made: Made) -> None:
    folder = next(one for one in recordings(made.bag) if one.name == str(made.seeded.full))
    call = json.loads((folder / "vcon.json").read_text())
    assert (call["vcon"], call["uuid"]) == ("0.4.0", str(made.seeded.full))
    assert call["parties"] == [
        {"type": "agent", "tel": "tel:8001", "name": "李示例", "validation": "none"},
        {"type": "citizen", "tel": f"tel:{CITIZEN}", "name": "王样本", "validation": "none"},
    ]
    [dialog] = call["dialog"]
    digest = hashlib.sha512((folder / dialog["url"]).read_bytes()).digest()
    assert dialog["content_hash"] == "sha512-" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (dialog["type"], dialog["duration"], dialog["mediatype"]) == ("recording", 16.0, "audio/flac")
    assert [one["url"] for one in call["analysis"]] == ["transcript.v1.json"]
    assert [one["purpose"] for one in call["attachments"]] == ["metadata"]
    record = json.loads((folder / "record.json").read_text())
    assert [link["work_order"] for link in record["links"]] == [ORDER]
    assert record["findings"]
    page = (folder / "index.html").read_text()
    assert DIALOGUE[1][3] in page
    assert "<script>" not in page
    info = (made.bag / "bag-info.txt").read_text()
    assert "Payload-Oxum: " in info
    assert "Contact" not in info
    readme = (made.bag / "README.txt").read_text()
    assert "未作脱敏" in readme
    assert "nothing is masked" in readme
