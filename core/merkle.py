"""The Merkle tree of RFC 6962, section 2.1, kept as its frontier: the roots of its perfect subtrees, largest first.

Appending a leaf needs only the frontier (at most 64 hashes), never the leaves before it.
"""

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
        if not self.roots:
            return sha256().digest()
        *rest, head = self.roots
        for left in reversed(rest):
            head = node_hash(left, head)
        return head
