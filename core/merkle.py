"""The Merkle tree of RFC 6962, section 2.1, kept as its frontier: the roots of its perfect subtrees, largest first.

Appending a leaf needs only the frontier (at most 64 hashes), never the leaves before it.  Proofs are given as the
ranges of leaves under each of their hashes; whoever keeps the hashes of perfect subtrees looks them up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

HASH_SIZE = 32


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962: a leaf is hashed with the prefix 0x00, so that it can never pass for a node."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962: an inner node is hashed with the prefix 0x01."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """A tree of ``size`` leaves, as the roots of its perfect subtrees (one per set bit of ``size``)."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, size: int, data: bytes) -> "Frontier":
        """Read what ``bytes()`` wrote; ``ValueError`` when length and size disagree."""
        if len(data) != size.bit_count() * HASH_SIZE:
            raise ValueError("frontier length does not fit the tree size")
        return cls(size, tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)))

    def __bytes__(self) -> bytes:
        return b"".join(self.roots)

    def append(self, leaf: bytes) -> "Frontier":
        """The tree with one more leaf, given as its ``leaf_hash``."""
        roots, carry, size = list(self.roots), leaf, self.size
        while size & 1:
            carry = node_hash(roots.pop(), carry)
            size >>= 1
        return Frontier(self.size + 1, (*roots, carry))

    @property
    def root(self) -> bytes:
        """The Merkle tree head; that of the empty tree is SHA-256 of nothing (RFC 6962, section 2.1)."""
        return fold(self.roots) if self.roots else sha256().digest()


def completed(before: Frontier, leaf: bytes) -> Iterator[tuple[int, bytes]]:
    """The perfect subtrees that one more leaf completes, from the leaf itself (level 0) upwards: level and root."""
    level, carry, size = 0, leaf, before.size
    roots = list(before.roots)
    yield level, carry
    while size & 1:
        carry = node_hash(roots.pop(), carry)
        level, size = level + 1, size >> 1
        yield level, carry


def largest_power_below(size: int) -> int:
    """The largest power of two smaller than ``size`` (at least 2): where RFC 6962 splits a tree."""
    return 1 << (size - 1).bit_length() - 1


def perfect_parts(start: int, stop: int) -> list[tuple[int, int]]:
    """A range of leaves as perfect subtrees, largest first: ``(level, index)``.  ``start`` is where a subtree may
    begin, as in every range of a proof."""
    parts = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        parts.append((level, start >> level))
        start += 1 << level
    return parts


def fold(roots: Sequence[bytes]) -> bytes:
    """One hash over perfect subtrees, largest first."""
    *rest, head = roots
    for left in reversed(rest):
        head = node_hash(left, head)
    return head


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaves under each hash of an audit path (RFC 6962, section 2.1.1), nearest to the leaf first.

    ``ValueError`` unless 0 ≤ index < size."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in a tree of this size")
    ranges, start, stop = [], 0, size
    while stop - start > 1:
        middle = start + largest_power_below(stop - start)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, size: int) -> tuple[list[tuple[int, int]], bool]:
    """The leaves under each hash of a consistency proof (RFC 6962, section 2.1.2), in its order, and whether the
    earlier tree is one perfect subtree, whose head the proof leaves out.  ``ValueError`` unless 0 < old ≤ size."""
    if not 0 < old <= size:
        raise ValueError("the earlier tree is not a part of the later one")
    ranges, start, stop = [], 0, size
    while old < stop:
        middle = start + largest_power_below(stop - start)
        if old <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    whole = start == 0
    return [*([] if whole else [(start, stop)]), *reversed(ranges)], whole


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The tree head that an audit path leads to from a leaf's hash; ``ValueError`` when the path has another length."""
    ranges = inclusion_ranges(index, size)
    if len(ranges) != len(path):
        raise ValueError("the audit path has the wrong length")
    found = leaf
    for (start, _), sibling in zip(ranges, path, strict=True):
        found = node_hash(found, sibling) if start > index else node_hash(sibling, found)
    return found


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a consistency proof shows that the tree of ``size`` leaves begins with the tree of ``old`` leaves."""
    ranges, whole = consistency_ranges(old, size)
    if len(ranges) != len(path):
        return False
    steps = list(zip(ranges, path, strict=True))
    earlier = later = old_root if whole else steps.pop(0)[1]
    for (start, _), sibling in steps:
        if start >= old:
            later = node_hash(later, sibling)
        else:
            earlier, later = node_hash(sibling, earlier), node_hash(sibling, later)
    return (earlier, later) == (old_root, root)
