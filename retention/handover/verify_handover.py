#!/usr/bin/env python3
"""核对录音资料移交包。Check a handover of recordings, offline.

    python3 verify_handover.py [--key NAME+NUMBER+BASE64] DIRECTORY-or-ZIP

One file on purpose: it needs Python 3.9 and ``cryptography``, and shares no code with the system that made the bag.
Exit status: 0 everything holds; 1 something does not, each by name; 2 wrong usage; 3 the bag is consistent in itself,
but no key was given, so that nobody knows whose bag it is.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ALGORITHMS = ("sha256", "sha512")
TAG_MANIFESTS = tuple(f"tagmanifest-{name}.txt" for name in ALGORITHMS)
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
SIGNATURE = "handover.note"
LEDGER = "data/ledger/"
RECORDING = re.compile(r"data/recordings/\d{4}/\d\d/\d\d/([0-9a-f-]{36})/(.+)")
# What is handed over besides recordings, and the rows of the ledger that name it.
PAPERS = ("data/imports/", "data/certificates/", "data/reports/")
PAPERS_PROOF = LEDGER + "papers.jsonl"
# What a ZIP file raises whose bytes were changed.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
MADE_BY_EXPORT = ("proof.json", "record.json", "vcon.json", "index.html")
KINDS = {
    "missing": "文件缺失 missing",
    "extra": "多出的文件 not listed",
    "altered": "文件被改动 altered",
    "form": "格式不对 malformed",
    "signature": "签名不成立 signature does not hold",
    "key": "签名公钥不是所给的公钥 signed by another key",
    "ledger": "台账证明不成立 ledger proof does not hold",
    "swapped": "与台账不符（可能被调换） not what the ledger says",
    "oxum": "总数不符 totals differ",
}


class Bag:
    """The files of a bag, in a directory or a ZIP file, by path within the bag."""

    def __init__(self, place: Path) -> None:
        self._zip = zipfile.ZipFile(place) if place.is_file() else None
        self._root = place
        self._top = ""
        self.size = 0
        self.links: list[str] = []
        self.twice: list[str] = []
        if self._zip:
            names = [name for name in self._zip.namelist() if not name.endswith("/")]
            self._top = names[0].split("/")[0] + "/" if names else ""
            self.names = [name[len(self._top) :] if name.startswith(self._top) else "/" + name for name in names]
            # Of two files of one name, one program shows the first and another the last.
            self.twice = sorted({name for name in self.names if self.names.count(name) > 1} if _repeats(names) else [])
        else:
            self.names = [path.relative_to(place).as_posix() for path in place.rglob("*") if not path.is_dir()]
            # A link could show other bytes tomorrow.
            self.links = [path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_symlink()]

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(self._top + name) if self._zip else (self._root / name).open("rb")

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    def hashes(self, name: str) -> dict[str, str]:
        digests = [hashlib.new(algorithm) for algorithm in ALGORITHMS]
        self.size = 0
        with self.open(name) as file:
            while True:
                chunk = file.read(1 << 20)
                if not chunk:
                    break
                self.size += len(chunk)
                for digest in digests:
                    digest.update(chunk)
        return {digest.name: digest.hexdigest() for digest in digests}


def _repeats(names: list[str]) -> bool:
    return len(set(names)) != len(names)


class Check:
    """One run: what was found, and the hashes that later steps rely on."""

    def __init__(self, bag: Bag, key: str | None) -> None:
        self.bag, self.given = bag, key
        self.faults: list[str] = []
        self.found: dict[str, dict[str, str]] = {}
        self.octets = 0
        self.recordings = self.papers = 0
        self.rows = 0
        self.export = self.head_line = ""
        self._by_folder: dict[str, list[str]] = {}

    def fault(self, kind: str, what: str, expected: object = "", found: object = "") -> None:
        details = f"：应为 expected {expected}，实为 found {found}" if expected or found else ""
        self.faults.append(f"{KINDS[kind]}: {what}{details}")

    def run(self) -> None:
        names = set(self.bag.names)
        if "bagit.txt" not in names or SIGNATURE not in names:
            self.fault("form", "bagit.txt / handover.note", "a handover bag", "none")
            return
        for link in self.bag.links:
            self.fault("form", link, "a file", "a link")
        for name in self.bag.twice:
            self.fault("form", name, "one file", "several of this name")
        self._guarded("data/", lambda: self._payload(names))
        self._guarded("tagmanifest", lambda: self._tags(names))
        key = self._key(names)
        if key:
            self._guarded(SIGNATURE, lambda: self._signature(key))
            self._guarded(LEDGER, lambda: self._ledger(key, names))

    def _guarded(self, what: str, step: Callable[[], None]) -> None:
        """A step over what somebody may have forged: whatever shape it has is a finding, never a traceback."""
        try:
            step()
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, *BROKEN) as error:
            self.fault("form", what, "", f"{type(error).__name__}: {error}")

    # BagIt: RFC 8493

    def _payload(self, names: set[str]) -> None:
        listed = [self._manifest(f"manifest-{algorithm}.txt", names) for algorithm in ALGORITHMS]
        payload = {name for name in names if name.startswith("data/")}
        for name in sorted((set(listed[0]) | set(listed[1])) - payload):
            self.fault("missing", name)
        for name in sorted(payload):
            found = self._hash(name)
            self.octets += self.bag.size
            for algorithm, manifest in ((ALGORITHMS[0], listed[0]), (ALGORITHMS[1], listed[1])):
                if name not in manifest:
                    self.fault("extra", f"{name} ({algorithm})")
                elif manifest[name] != found[algorithm]:
                    self.fault("altered", f"{name} ({algorithm})", manifest[name], found[algorithm])
        self._oxum(len(payload))

    def _hash(self, name: str) -> dict[str, str]:
        """A file's hashes, none where it cannot be read."""
        try:
            found = self.bag.hashes(name)
        except BROKEN as error:
            self.fault("altered", name, "", f"{type(error).__name__}: {error}")
            found = dict.fromkeys(ALGORITHMS, "")
        self.found[name] = found
        return found

    def _text(self, name: str, errors: str = "replace") -> str:
        """A small file's text; nothing where it cannot be read, which the comparison of its hash names."""
        try:
            return self.bag.read(name).decode("utf-8", errors)
        except BROKEN:
            return ""

    def _manifest(self, name: str, names: set[str]) -> dict[str, str]:
        if name not in names:
            self.fault("missing", name)
            return {}
        entries: dict[str, str] = {}
        for line in self._text(name).rstrip("\n").split("\n"):
            digest, separator, path = line.partition("  ")
            if not separator or not path.startswith("data/") or ".." in path.split("/") or path in entries:
                self.fault("form", f"{name}: {line}")
            entries[path] = digest
        return entries

    def _oxum(self, files: int) -> None:
        info = self._text("bag-info.txt") if "bag-info.txt" in self.bag.names else ""
        said = re.search(r"^Payload-Oxum: (.*)$", info, re.M)
        found = f"{self.octets}.{files}"
        if not said or said[1] != found:
            self.fault("oxum", "bag-info.txt", said[1] if said else "Payload-Oxum", found)

    def _tags(self, names: set[str]) -> None:
        if self._text("bagit.txt") != DECLARATION:
            self.fault("altered", "bagit.txt")
        tags = sorted(name for name in names if not name.startswith("data/") and name not in TAG_MANIFESTS)
        for name in tags:
            self._hash(name)
        for algorithm, manifest in ((ALGORITHMS[0], TAG_MANIFESTS[0]), (ALGORITHMS[1], TAG_MANIFESTS[1])):
            if manifest not in names:
                self.fault("missing", manifest)
                continue
            expected = [f"{self.found[name][algorithm]}  {name}" for name in tags]
            text = self._text(manifest)
            self._compare_tags(manifest, text, "".join(line + "\n" for line in expected))

    def _compare_tags(self, manifest: str, text: str, expected: str) -> None:
        if text == expected:
            return
        self.fault("altered", f"{manifest} 或它所列的文件 or a file that it lists")
        said = {line[line.find("  ") + 2 :]: line for line in text.splitlines()}
        shown = {line[line.find("  ") + 2 :]: line for line in expected.splitlines()}
        for name in sorted(set(said) - set(shown)):
            self.fault("missing", name)
        for name in sorted(set(shown) - set(said)):
            self.fault("extra", name)
        for name in sorted(set(said) & set(shown)):
            if said[name] != shown[name]:
                self.fault("altered", name)

    # Signatures: C2SP signed-note

    def _key(self, names: set[str]) -> tuple[str, bytes] | None:
        place = LEDGER + "verifier-key.txt"
        inside = self._text(place).strip() if place in names else ""
        if self.given and inside != self.given.strip():
            self.fault("key", place, self.given.strip(), inside)
        try:
            return parse_key(self.given or inside)
        except ValueError as error:
            self.fault("form", place, "NAME+NUMBER+BASE64", error)
            return None

    def _signature(self, key: tuple[str, bytes]) -> None:
        text = self._open(SIGNATURE, key)
        if text is None:
            return
        lines = text.splitlines()
        self.export = lines[1] if len(lines) > 1 else ""
        if lines[:1] != ["huiyin-handover/1"]:
            self.fault("form", SIGNATURE, "huiyin-handover/1", lines[:1])
        signed: dict[str, str] = {}
        for line in lines[3:]:
            _, digest, name = (line + "  ").split(" ", 2)
            signed[name.strip()] = digest
        tags = {name for name in self.found if not name.startswith("data/") and name != SIGNATURE}
        for name in sorted(tags | set(signed)):
            found = self.found.get(name, {}).get("sha256", "—")
            if signed.get(name) != found:
                self.fault("signature", name, signed.get(name, "—"), found)
        self.head_line = lines[2] if len(lines) > 2 else ""

    def _open(self, name: str, key: tuple[str, bytes]) -> str | None:
        return self._open_text(name, self._text(name), key)

    def _open_text(self, name: str, note: str, key: tuple[str, bytes]) -> str | None:
        try:
            return open_note(note, key)
        except ValueError as error:
            self.fault("signature", name, "", error)
            return None

    # The ledger: RFC 6962

    def _ledger(self, key: tuple[str, bytes], names: set[str]) -> None:
        heads = self._heads(key, names)
        self._consistency(heads, names)
        said = self.head_line.split()
        size = int(said[1]) if len(said) == 3 and said[1].isdigit() else -1
        root = heads.get(size)
        if root is None or len(said) != 3 or root.hex() != said[2]:
            self.fault("ledger", SIGNATURE, self.head_line, "no such signed head")
            return
        self._whole_log(names, size, root)
        listed = []
        for name in sorted(names):
            place = RECORDING.fullmatch(name)
            if place and place[2] == "proof.json":
                listed.append(place[1])
                self._guarded(name, partial(self._recording, name, place[1], key, size, root))
        self._unproved(names, set(listed))
        self._export(listed, key, size, root)
        self._guarded(PAPERS_PROOF, lambda: self._papers(names, size, root))
        self.recordings = len(listed)

    def _heads(self, key: tuple[str, bytes], names: set[str]) -> dict[int, bytes]:
        heads: dict[int, bytes] = {}
        for name in sorted(one for one in names if one.startswith(LEDGER + "heads/")):
            text = self._open(name, key)
            lines = (text or "").split("\n")
            if text is None or len(lines) != 4 or not lines[1].isdigit():
                continue
            heads[int(lines[1])] = decode(lines[2])
        return heads

    def _consistency(self, heads: dict[int, bytes], names: set[str]) -> None:
        place = LEDGER + "consistency.json"
        steps = self._json(place).get("steps", []) if place in names else []
        sizes = sorted(heads)
        said = [(step["old"], step["size"]) for step in steps]
        wanted = [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)]
        if said != wanted:
            self.fault("ledger", place, wanted, said)
            return
        for step in steps:
            path = [decode(one) for one in step["path"]]
            if not is_consistent(step["old"], heads[step["old"]], step["size"], heads[step["size"]], path):
                self.fault("ledger", f"{place}: {step['old']} → {step['size']}")

    def _whole_log(self, names: set[str], size: int, root: bytes) -> None:
        """Where the bag holds every leaf, the whole log is computed anew, and no paper that it names may be missing."""
        leaves = sorted(one for one in names if one.startswith(LEDGER + "leaves/"))
        if not leaves:
            return
        frontier: list[tuple[int, bytes]] = []
        count = 0
        for name in leaves:
            with self.bag.open(name) as file:
                for line in file:
                    if count < size:
                        leaf = line.rstrip(b"\n")
                        push(frontier, leaf_hash(leaf))
                        count += 1
                        self._require_papers(leaf)
        if count != size or fold(frontier) != root:
            self.fault("ledger", LEDGER + "leaves/", f"{size} rows, {root.hex()}", f"{count} rows")

    def _require_papers(self, leaf: bytes) -> None:
        if any(f'"key":"{place[len("data/") :]}'.encode() in leaf for place in PAPERS):
            for path in sealed_in(json.loads(leaf), PAPERS):
                if path not in self.found:
                    self.fault("missing", f"{path}（台账有记载 the ledger names it）")

    def _papers(self, names: set[str], size: int, root: bytes) -> None:
        """Imported files, reports and certificates of disposal: each is what a proved row of the ledger names."""
        sealed: dict[str, str] = {}
        if PAPERS_PROOF not in names:
            self.fault("missing", PAPERS_PROOF)
        else:
            with self.bag.open(PAPERS_PROOF) as lines:
                for line in lines:
                    sealed.update(sealed_in(self._row(PAPERS_PROOF, json.loads(line), size, root), PAPERS))
        there = {name for name in self.found if name.startswith(PAPERS)}
        self.papers = len(there)
        for path in sorted(there | set(sealed)):
            found = self.found.get(path, {}).get("sha256")
            if found is None:
                self.fault("missing", f"{path}（台账有记载 the ledger names it）")
            elif path not in sealed:
                self.fault("swapped", path, "—", "台账没有记载 not in the ledger")
            elif found != sealed[path]:
                self.fault("swapped", path, sealed[path], found)
            elif path.startswith(PAPERS[0]) and found not in path:
                # An imported file and its column mapping are named by their own hashes.
                self.fault("swapped", path, "a name with its SHA-256", found)

    def _recording(self, name: str, identifier: str, key: tuple[str, bytes], size: int, root: bytes) -> None:
        proof = self._proof(name, identifier, key, size, root)
        sealed: dict[str, str] = {}
        for facts in proof:
            sealed.update(sealed_in({"facts": facts}))
        for path, digest in sealed.items():
            found = self.found.get(path, {}).get("sha256")
            if found is None:
                self.fault("missing", f"{path}（台账有记载 the ledger names it）")
            elif found != digest:
                self.fault("swapped", path, digest, found)
        folder = name[: -len("proof.json")]
        inside = self._folders.get(folder, [])
        for path in inside:
            if path not in sealed and path[len(folder) :] not in MADE_BY_EXPORT:
                self.fault("swapped", path, "—", "台账没有记载 not in the ledger")
        self._metadata(folder, identifier)
        self._vcon(folder, identifier)

    def _proof(
        self, name: str, identifier: str, key: tuple[str, bytes], size: int, root: bytes
    ) -> Iterator[dict[str, Any]]:
        """The facts of each proved row."""
        proof = self._json(name)
        if proof.get("format") != "huiyin-proof/1" or proof.get("recording") != identifier:
            self.fault("form", name, f"huiyin-proof/1, {identifier}", proof.get("recording"))
        text = self._open_text(name, str(proof.get("head", "")), key) or ""
        if text.split("\n")[1:3] != [str(size), base64.b64encode(root).decode()]:
            self.fault("ledger", name, f"head {size}", "another head")
        entries = proof.get("entries", [])
        if not entries:
            self.fault("ledger", name, "rows", "none")
        facts = []
        for entry in entries:
            leaf = self._row(name, entry, size, root)
            if leaf["subject"] != identifier:
                self.fault("ledger", f"{name}: {entry['index']}", identifier, leaf["subject"])
            facts.append(leaf["facts"])
        return iter(facts)

    def _row(self, name: str, entry: dict[str, Any], size: int, root: bytes) -> dict[str, Any]:
        """One row of the ledger, whose audit path must lead to the signed head."""
        leaf: dict[str, Any] = json.loads(entry["leaf"])
        path = [decode(one) for one in entry["path"]]
        if root_of(entry["leaf"].encode(), entry["index"], size, path) != root or leaf["seq"] != entry["index"]:
            self.fault("ledger", f"{name}: {entry['index']}")
        self.rows += 1
        return leaf

    def _metadata(self, folder: str, identifier: str) -> None:
        if folder + "metadata.json" not in self.found:
            return
        said = self._json(folder + "metadata.json")
        audio = self.found.get(folder + "audio.flac", {}).get("sha256")
        if said.get("recording", {}).get("id") != identifier:
            self.fault("swapped", folder + "metadata.json", identifier, said.get("recording", {}).get("id"))
        expected = said.get("objects", {}).get("audio.flac", {}).get("sha256")
        if expected != audio:
            self.fault("swapped", folder + "audio.flac", expected, audio)

    def _vcon(self, folder: str, identifier: str) -> None:
        name = folder + "vcon.json"
        if name not in self.found:
            self.fault("missing", name)
            return
        said = self._json(name)
        if said.get("uuid") != identifier:
            self.fault("swapped", name, identifier, said.get("uuid"))
        for part in (*said.get("dialog", ()), *said.get("analysis", ()), *said.get("attachments", ())):
            if "url" not in part:
                continue
            digest = bytes.fromhex(self.found.get(folder + part["url"], {}).get("sha512", ""))
            found = "sha512-" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if found != part.get("content_hash"):
                self.fault("swapped", f"{name}: {part['url']}", part.get("content_hash"), found)

    def _unproved(self, names: set[str], proved: set[str]) -> None:
        for name in sorted(names):
            place = RECORDING.fullmatch(name)
            if place and place[1] not in proved:
                self.fault("ledger", name, "proof.json", "none")

    def _export(self, listed: list[str], key: tuple[str, bytes], size: int, root: bytes) -> None:
        """The export's own row says how many recordings there are, and which."""
        name = LEDGER + "export.proof.json"
        if name not in self.found:
            self.fault("missing", name)
            return
        facts = [one for one in self._proof(name, self.export, key, size, root) if "list_sha256" in one]
        digest = hashlib.sha256("".join(f"{one}\n" for one in sorted(listed)).encode()).hexdigest()
        if len(facts) != 1 or facts[0]["list_sha256"] != digest or facts[0]["recordings"] != len(listed):
            expected = [one["recordings"] for one in facts]
            self.fault("ledger", f"{name}: 录音清单 the list of recordings", expected, len(listed))

    @property
    def _folders(self) -> dict[str, list[str]]:
        """The payload's files by recording, looked up once."""
        if not self._by_folder:
            for name in self.found:
                place = RECORDING.fullmatch(name)
                if place:
                    self._by_folder.setdefault(name[: -len(place[2])], []).append(name)
        return self._by_folder

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self._text(name, "strict"))
        except ValueError as error:
            self.fault("form", name, "JSON", error)
            return {}
        return value if isinstance(value, dict) else {}


def sealed_in(leaf: dict[str, Any], places: tuple[str, ...] = ("data/",)) -> dict[str, str]:
    """The files of a bag that a row of the ledger names, with their hashes."""
    items = leaf["facts"].get("objects", ())
    files = {f"data/{item['key']}": str(item["sha256"]) for item in items}
    return {path: digest for path, digest in files.items() if path.startswith(places)}


def decode(text: str) -> bytes:
    """Base64 (RFC 4648, section 4), in its one encoding: without line ends, with padding, without stray bits at its end
    (section 3.5).  Nothing for what is none."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if base64.b64encode(data).decode() == text else b""


def parse_key(text: str) -> tuple[str, bytes]:
    """A verifier key of C2SP signed notes: its name, and number and public key together."""
    found = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", text.strip())
    data = decode(found[3]) if found else b""
    if not found or len(data) != 33 or data[:1] != b"\x01":
        raise ValueError("not an Ed25519 verifier key")
    number = hashlib.sha256(found[1].encode() + b"\n" + data).digest()[:4]
    if number.hex() != found[2]:
        raise ValueError("the number does not fit the key")
    return found[1], number + data[1:]


def open_note(note: str, key: tuple[str, bytes]) -> str:
    """The signed text of a note; ``ValueError`` says why it is none of this key's."""
    text, separator, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not separator or len(lines) != 2 or lines[1]:
        raise ValueError("not a note with one signature")
    found = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)", lines[0])
    data = decode(found[2]) if found else b""
    if not found or not data:
        raise ValueError("not a signature")
    if (found[1], data[:4]) != (key[0], key[1][:4]):
        raise ValueError(f"signed by {found[1]}+{data[:4].hex()}")
    try:
        Ed25519PublicKey.from_public_bytes(key[1][4:]).verify(data[4:], (text + "\n").encode())
    except InvalidSignature:
        raise ValueError("the signature does not fit the text") from None
    return text + "\n"


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2: where an audit path leads; nothing for a path that cannot be one."""
    if not 0 <= index < size:
        return b""
    first, last, found = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return b""
        if first & 1 or first == last:
            found = node_hash(sibling, found)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        first, last = first >> 1, last >> 1
    return found if last == 0 else b""


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, path: list[bytes]) -> bool:
    """RFC 9162, section 2.1.4.2: whether the larger tree begins with the smaller one."""
    if not 0 < old < size or not path:
        return False
    if old & (old - 1) == 0:
        path = [old_root, *path]
    first, last = old - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    earlier = later = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            earlier, later = node_hash(sibling, earlier), node_hash(sibling, later)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            later = node_hash(later, sibling)
        first, last = first >> 1, last >> 1
    return (earlier, later, last) == (old_root, root, 0)


def push(frontier: list[tuple[int, bytes]], leaf: bytes) -> None:
    """Add a leaf's hash to the roots of perfect subtrees, largest first."""
    level, carry = 0, leaf
    while frontier and frontier[-1][0] == level:
        carry = node_hash(frontier.pop()[1], carry)
        level += 1
    frontier.append((level, carry))


def fold(frontier: list[tuple[int, bytes]]) -> bytes:
    if not frontier:
        return hashlib.sha256().digest()
    found = frontier[-1][1]
    for _, left in reversed(frontier[:-1]):
        found = node_hash(left, found)
    return found


def check_bag(place: Path, key: str | None = None) -> Check:
    """Check a bag; ``faults`` of the result is empty when everything holds."""
    check = Check(Bag(place), key)
    check.run()
    return check


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="核对录音资料移交包 Check a handover of recordings, offline.")
    parser.add_argument("bag", type=Path, help="目录或 ZIP 文件 directory or ZIP file")
    parser.add_argument("--key", help="验证公钥，须从别的途径取得 the verifier key, got on another way")
    options = parser.parse_args(arguments)
    if not options.bag.exists():
        parser.error(f"{options.bag}: 没有这个文件 there is no such file")
    if options.key:
        try:
            parse_key(options.key)
        except ValueError as error:
            parser.error(f"--key: {error}")
    try:
        check = check_bag(options.bag, options.key)
    except BROKEN as error:
        print(f"✗ 无法读取 cannot be read: {options.bag}: {error}")
        return 1
    for fault in check.faults:
        print(f"✗ {fault}")
    print(
        f"录音 recordings: {check.recordings}　其他凭证 papers: {check.papers}　文件 files: {len(check.found)}　"
        f"台账记录 ledger rows: {check.rows}"
    )
    if check.faults:
        print(f"不成立：{len(check.faults)} 处问题。The bag does NOT hold: {len(check.faults)} faults.")
        return 1
    if not options.key:
        print("文件、签名与台账相互一致，但未核对公钥：请用 --key 给出从别的途径取得的公钥。")
        print("Consistent in itself; trust in the key is NOT checked: give it with --key, got on another way.")
        return 3
    print("全部成立：文件完整，签名与台账证明有效。Everything holds: files, signatures and ledger proofs.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
