"""Nothing that a stranger sends raises anything but ``ValueError``: known inputs, their mutations, and a search guided
by coverage."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target, facts, metadata, survives

CORPUS = Path(__file__).parent / "corpus"
# Inputs for each guided search: a few seconds each.
RUNS = {
    "server": 4000,
    "spool": 300,
    "multipart": 30_000,
    "payload": 10_000,
    "sip": 30_000,
    "sip_stream": 10_000,
    "sdp": 20_000,
    "srtp": 3000,
}
EVERY_RUNS = 50_000


def _seeds(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def test_the_corpus_belongs_to_the_targets() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_known_inputs(path: Path) -> None:
    survives(TARGETS[path.parent.name], path.read_bytes())


@st.composite
def mutations(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with a few stretches removed, doubled, overwritten or taken from another seed."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.sampled_from((0, 1, 2, 8, 40, 400))))
        other = draw(st.sampled_from(seeds))
        data[start:stop] = draw(
            st.one_of(
                st.just(b""),
                st.just(bytes(data[start:stop] * 2)),
                st.binary(max_size=8),
                st.sampled_from((b"\r\n", b"\0", b"\xff" * 4, b'"', b"<", b";", b"--", b" ", b"9" * 12)),
                st.sampled_from([other[at : at + 200] for at in range(0, len(other), 50)]),
            )
        )
    return bytes(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_mutations(name: str) -> None:
    target: Target = TARGETS[name]

    @settings(max_examples=60 if name in ("spool", "server") else 250, deadline=None, database=None)
    @given(mutations(_seeds(name)))
    def survive(data: bytes) -> None:
        survives(target, data)

    survive()


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.just([]),
    st.just({}),
    st.just("9" * 30),
)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


@settings(max_examples=400, deadline=None, database=None)
@given(st.data())
def test_facts_of_any_shape(data: st.DataObject) -> None:
    tree = json.loads(_seeds("facts")[0])
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list(_places(tree))))
        holder[key] = data.draw(_VALUES)
    survives(facts, json.dumps(tree).encode())


@settings(max_examples=400, deadline=None, database=None)
@given(st.data())
def test_metadata_of_any_shape(data: st.DataObject) -> None:
    root = fromstring(_seeds("metadata")[-1])
    for _ in range(data.draw(st.integers(1, 6))):
        everywhere = list(root.iter())
        one: Element = data.draw(st.sampled_from(everywhere))
        match data.draw(st.sampled_from(("text", "attribute", "drop", "move"))):
            case "text":
                one.text = data.draw(st.text("甲乙 13800000001<&>\"'@:;T+Z-é", max_size=30))
            case "attribute":
                name = data.draw(st.sampled_from(("participant_id", "stream_id", "session_id", "id", "aor", "label")))
                one.set(name, data.draw(st.sampled_from(("", "p", "s", "1", "sip:1@x", "tel:", "sip:"))))
            case "drop":
                one.clear()
            case "move":
                other = data.draw(st.sampled_from(everywhere))
                if one not in list(other.iter()):
                    one.append(other)
    survives(metadata, tostring(root))


@pytest.mark.usefixtures("guided_fuzzer")
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_guided_search(name: str, tmp_path: Path) -> None:
    runs = RUNS.get(name, EVERY_RUNS)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.run",
        name,
        "--runs",
        str(runs),
        "--seed",
        "1",
        "--keep",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    crashes = [path.read_bytes() for path in tmp_path.glob("crash-*")]
    assert (done.returncode, crashes) == (0, []), done.stderr[-3000:]
