"""The Merkle tree against the vectors of Certificate Transparency, and against RFC 6962's own definition."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.merkle import (
    Frontier,
    completed,
    consistency_ranges,
    fold,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    node_hash,
    perfect_parts,
    root_from_inclusion,
)

# The eight leaves and nine tree heads that implementations of RFC 6962 are commonly checked with.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def grow(leaves: list[bytes]) -> Frontier:
    tree = Frontier()
    for leaf in leaves:
        tree = tree.append(leaf_hash(leaf))
    return tree


def defined(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word: split at the largest power of two below the size."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(defined(leaves[:split]), defined(leaves[split:]))


@pytest.mark.parametrize("size", range(9))
def test_known_tree_heads(size: int) -> None:
    assert grow([bytes.fromhex(leaf) for leaf in LEAVES[:size]]).root.hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_frontier_gives_the_defined_head(leaves: list[bytes]) -> None:
    tree = grow(leaves)
    assert (tree.size, tree.root) == (len(leaves), defined(leaves))


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_a_frontier_survives_storage(leaves: list[bytes]) -> None:
    tree = grow(leaves)
    again = Frontier.parse(tree.size, bytes(tree))
    assert again == tree
    assert again.append(leaf_hash(b"next")) == tree.append(leaf_hash(b"next"))


@pytest.mark.parametrize(("size", "length"), [(0, 32), (1, 0), (3, 32), (4, 33)])
def test_a_frontier_of_the_wrong_length_is_refused(size: int, length: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Frontier.parse(size, bytes(length))


def test_a_leaf_never_passes_for_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def path_defined(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_defined(index, leaves[:split]), defined(leaves[split:])]
    return [*path_defined(index - split, leaves[split:]), defined(leaves[:split])]


def subproof_defined(old: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2, word for word."""
    if old == len(leaves):
        return [] if whole else [defined(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= split:
        return [*subproof_defined(old, leaves[:split], whole), defined(leaves[split:])]
    return [*subproof_defined(old - split, leaves[split:], False), defined(leaves[:split])]


def hashes_of(ranges: list[tuple[int, int]], leaves: list[bytes]) -> list[bytes]:
    return [defined(leaves[start:stop]) for start, stop in ranges]


BYTES = [bytes([number]) for number in range(40)]


@pytest.mark.parametrize("size", range(1, 41))
def test_audit_paths(size: int) -> None:
    leaves = BYTES[:size]
    for index in range(size):
        path = hashes_of(inclusion_ranges(index, size), leaves)
        assert path == path_defined(index, leaves)
        assert root_from_inclusion(leaf_hash(leaves[index]), index, size, path) == defined(leaves)
        assert root_from_inclusion(leaf_hash(b"other"), index, size, path) != defined(leaves)


@pytest.mark.parametrize("size", range(1, 41))
def test_consistency_proofs(size: int) -> None:
    leaves = BYTES[:size]
    for old in range(1, size + 1):
        path = hashes_of(consistency_ranges(old, size)[0], leaves)
        assert path == subproof_defined(old, leaves, True)
        assert is_consistent(old, defined(leaves[:old]), size, defined(leaves), path)
        assert not is_consistent(old, defined([b"x", *leaves[1:old]]), size, defined(leaves), path)
        if old < size:
            assert not is_consistent(old, defined(leaves[:old]), size, defined([*leaves[:-1], b"x"]), path)
            assert not is_consistent(old, defined(leaves[:old]), size, defined(leaves), path[1:])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_path_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_ranges(index, size)


@pytest.mark.parametrize(("old", "size"), [(0, 3), (4, 3)])
def test_no_consistency_with_what_is_no_part(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="not a part"):
        consistency_ranges(old, size)


def test_ranges_are_made_of_the_subtrees_that_leaves_complete() -> None:
    """What a log keeps while it grows is all that its proofs need."""
    kept: dict[tuple[int, int], bytes] = {}
    tree = Frontier()
    for leaf in BYTES:
        for level, root in completed(tree, leaf_hash(leaf)):
            kept[level, tree.size >> level] = root
        tree = tree.append(leaf_hash(leaf))
    for size in range(1, 41):
        for index in range(size):
            for start, stop in inclusion_ranges(index, size):
                parts = perfect_parts(start, stop)
                assert fold([kept[part] for part in parts]) == defined(BYTES[start:stop])
