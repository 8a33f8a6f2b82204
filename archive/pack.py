"""The evidence of one recording as one ZIP file: its sealed objects (or a clip in place of the sound), what the ledger
says of them with proof, and how to check both without us.

The ledger row ``evidence taken`` is written before anything is read; the proof covers it.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive import layout
from archive.catalogue import KEPT, Recording, StoredObject
from archive.clips import Clip
from archive.house import Archive
from archive.redaction_copies import MADE
from archive.retrieve import read_verified, sealed_audio
from core.errors import Conflict, NotFound, Refused
from core.ledger import Entry, append

TAKEN = "evidence taken"
FORMAT = "huiyin-evidence/1"
# The time of the files says nothing here.
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Stretch:
    """Milliseconds of the recording that leave the house; ``end_ms`` ``None``: to its end."""

    start_ms: int
    end_ms: int | None


class _Pack:
    """A ZIP file that knows the hash of everything in it."""

    def __init__(self, file: zipfile.ZipFile, root: str) -> None:
        self._file, self._root = file, root
        self.hashes: dict[str, str] = {}

    def write(self, name: str, content: bytes) -> None:
        info = zipfile.ZipInfo(f"{self._root}/{name}", _TIME)
        info.external_attr = 0o644 << 16
        packed = name.endswith((".flac", ".wav"))
        info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
        self._file.writestr(info, content)
        self.hashes[name] = hashlib.sha256(content).hexdigest()


async def note_taken(
    archive: Archive,
    recording_id: UUID,
    *,
    actor: str,
    purpose: str,
    part: Stretch | None,
    redaction: UUID | None = None,
) -> None:
    """Write down who takes the evidence, of what, and why.  ``NotFound``, ``Conflict`` or ``Refused``."""
    if not purpose.strip():
        raise Refused("请写明用途 / say what the evidence is for", recording=recording_id)
    facts: dict[str, object] = {"purpose": purpose.strip()}
    if part is not None:
        facts |= {"start_ms": part.start_ms, "end_ms": part.end_ms}
    if redaction is not None:
        facts |= {"redaction": str(redaction)}
    async with archive.database.write() as session:
        recording = await session.get(Recording, recording_id)
        if recording is None:
            raise NotFound("no such recording", recording=recording_id)
        if recording.life != KEPT:
            raise Conflict("this recording has been disposed of", recording=recording_id)
        await append(session, Entry(TAKEN, actor, str(recording_id), facts), archive.clock())


async def write_pack(
    archive: Archive,
    recording_id: UUID,
    target: Path,
    proof: Mapping[str, Any],
    *,
    part: Stretch | None = None,
    redaction: UUID | None = None,
) -> None:
    """Write the file; ``ValueError`` where the recording has no such part, ``Damaged`` for what was altered.  Of a
    ``redaction`` only the copy's sound and text go in, and of the proof only what tells of them."""
    async with archive.database.read() as session:
        recording = await session.get_one(Recording, recording_id)
        rows = await session.scalars(
            select(StoredObject).where(StoredObject.recording_id == recording_id).order_by(StoredObject.key)
        )
        stored = [row for row in {row.key: row for row in rows}.values() if _belongs(row, redaction)]
    if redaction is not None:
        proof = _proof_of(proof, redaction)
    prefix = layout.recording_prefix(recording_id, recording.started_at)
    with zipfile.ZipFile(target, "w", allowZip64=True) as file:
        pack = _Pack(file, f"evidence-{recording_id}")
        for row in stored:
            if row.kind == layout.AUDIO and part is not None:
                await _write_clip(archive, pack, row, part)
            else:
                pack.write(row.key.removeprefix(prefix), await read_verified(archive, row))
        pack.write("proof.json", layout.document(proof))
        pack.write("head.txt", str(proof["head"]).encode())
        pack.write("verifier-key.txt", f"{proof['verifier_key']}\n".encode())
        pack.write("evidence.json", layout.document(_told(recording, stored, prefix, part)))
        pack.write(
            "README.txt", _readme(recording_id, clipped=part is not None, redacted=redaction is not None).encode()
        )
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(pack.hashes.items()))
        pack.write("SHA256SUMS", sums.encode())


def _belongs(row: StoredObject, redaction: UUID | None) -> bool:
    """Copies are made for being handed out by themselves: the evidence itself is without them."""
    if redaction is None:
        return row.kind != layout.DERIVED
    return row.kind == layout.DERIVED and f"/redactions/{redaction}." in row.key


def _proof_of(proof: Mapping[str, Any], redaction: UUID) -> Mapping[str, Any]:
    """Without the rows in which people said why: they may have named what the copy hides."""
    leaves = [(entry, json.loads(entry["leaf"])) for entry in proof["entries"]]
    told = [
        entry
        for entry, leaf in leaves
        if leaf["kind"] == "sealed" or (leaf["kind"] == MADE and leaf["facts"].get("redaction") == str(redaction))
    ]
    return {**proof, "entries": told}


async def _write_clip(archive: Archive, pack: _Pack, row: StoredObject, part: Stretch) -> None:
    sound = await sealed_audio(archive, row)
    pack.write("clip.wav", Clip.read(sound, start_ms=part.start_ms, end_ms=part.end_ms).to_bytes("WAV"))


def _told(recording: Recording, stored: list[StoredObject], prefix: str, part: Stretch | None) -> dict[str, Any]:
    """Which hash the ledger's rows must name for each file."""
    return {
        "format": FORMAT,
        "recording": str(recording.id),
        "retain_until": recording.retain_until.isoformat(),
        "clip": None if part is None else {"start_ms": part.start_ms, "end_ms": part.end_ms},
        "objects": [
            {
                "file": "" if part is not None and row.kind == layout.AUDIO else row.key.removeprefix(prefix),
                "key": row.key,
                "version_id": row.version_id,
                "sha256": row.sha256,
                "size": row.size,
            }
            for row in stored
        ],
    }


def _readme(recording_id: UUID, *, clipped: bool, redacted: bool = False) -> str:
    if redacted:
        return _redacted_readme(recording_id)
    sound = (
        "clip.wav        录音的一段，是副本，指纹不在台账中；整段录音的指纹见 evidence.json\n"
        "                a part of the sound: a copy, whose hash is not in the ledger; evidence.json has the whole's\n"
        if clipped
        else "audio.flac      封存的录音，左声道专员，右声道市民 / the sealed sound: agent left, citizen right\n"
    )
    return f"""通话录音取证包 / Evidence of a recorded call
录音编号 / recording  {recording_id}

{sound}metadata.json   通话事实 / call facts
transcript.vN   文字的每一版，含更正人、理由和所替换版本的指纹 / every version of the text
comments/       备注 / comments
proof.json      台账中关于本录音的每一行，及其在签名树头下的路径 / the ledger's rows with their audit paths
head.txt        签名的台账树头 / the signed head of the ledger
SHA256SUMS      以上每个文件的指纹 / the hash of every file

如何核对 / how to check
1  sha256sum -c SHA256SUMS
2  huiyin ledger check --key KEY proof.json
   KEY 须从可信渠道取得，不要用包内的 verifier-key.txt / get KEY from a source that you trust, not from this file
3  proof.json 中 sealed、transcribed、corrected 各行写明的 sha256 应与文件一致
   the sha256 that those rows name must be that of the files
"""


def _redacted_readme(recording_id: UUID) -> str:
    return f"""遮盖个人信息的副本 / A redacted copy of a recorded call
录音编号 / recording  {recording_id}

redactions/*.flac  声音：遮盖处两个声道都是静音，其余逐个采样与封存的录音相同
                   the sound: silent on both channels where it is covered, else the sealed sound sample for sample
redactions/*.json  文字：遮盖处以〔已遮盖〕代替；写明遮盖的时段和所依据的原件的指纹
                   the text, the covered spans, and the hashes of what both were made of
proof.json         台账中关于这份副本的行，及其在签名树头下的路径 / the ledger's rows of the copy with their audit paths
head.txt           签名的台账树头 / the signed head of the ledger
SHA256SUMS         以上每个文件的指纹 / the hash of every file

如何核对 / how to check
1  sha256sum -c SHA256SUMS
2  huiyin ledger check --key KEY proof.json
   KEY 须从可信渠道取得，不要用包内的 verifier-key.txt / get KEY from a source that you trust, not from this file
3  proof.json 中 redacted 各行写明的 sha256 应与文件一致 / the sha256 that those rows name must be that of the files
原件仍封存在原处 / the original stays sealed where it is
"""
