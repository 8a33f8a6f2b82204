"""The Merkle tree against the vectors of Certificate Transparency, and against RFC 6962's own definition."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.merkle import Frontier, leaf_hash, node_hash

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
