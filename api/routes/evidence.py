"""The evidence of one recording to take along: asked with a purpose, in the ledger before anything is read."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import web

from api.context import context, signed_in
from api.endpoint import Endpoint, read_query
from api.masking import mask_text
from api.models_review import EvidenceQuery
from api.problems import Problem
from api.routes.recordings import path_id
from api.routes.sound import send_bytes
from api.scope import require_visible
from archive.evidence import proof_under, recording_proof
from archive.heads import newest_head
from archive.ledger_key import ledger_key, trusted_keys
from archive.pack import Stretch, note_taken, write_pack
from archive.redaction_copies import usable
from core.errors import SettingsError, Unavailable
from retention.rule import keep_until

ZIP = "application/zip"


async def get_evidence(request: web.Request) -> web.StreamResponse:
    """A ZIP file; a ``Problem`` 400 for a part that the recording does not have."""
    asked, identifier = read_query(request, EvidenceQuery), path_id(request)
    await require_visible(request, identifier)
    here, part = context(request), _part(asked)
    if asked.redaction is not None:
        async with here.database.read() as session:
            await usable(session, identifier, asked.redaction, here.now())
    await note_taken(
        here.archive,
        identifier,
        actor=signed_in(request).name,
        purpose=mask_text(asked.purpose),
        part=part,
        redaction=asked.redaction,
    )
    with tempfile.TemporaryDirectory(prefix="huiyin-") as directory:
        target = Path(directory) / "evidence.zip"
        try:
            proof = await _proof(request, identifier)
            await write_pack(here.archive, identifier, target, proof, part=part, redaction=asked.redaction)
        except ValueError as error:
            raise Problem(400, f"start, end: {error}") from None
        headers = {
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'attachment; filename="evidence-{identifier}.zip"',
        }
        response = web.StreamResponse(headers=headers)
        response.content_type, response.content_length = ZIP, target.stat().st_size
        await response.prepare(request)
        if request.method != "HEAD":
            await send_bytes(request, response, target, 0, target.stat().st_size)
        await response.write_eof()
    return response


def _part(asked: EvidenceQuery) -> Stretch | None:
    if asked.redaction is not None and (asked.start is not None or asked.end is not None):
        raise Problem(400, "start, end: a redacted copy is taken as a whole")
    if asked.start is None and asked.end is None:
        return None
    if asked.end is not None and asked.end <= (asked.start or 0):
        raise Problem(400, "end: must lie after start")
    end_ms = None if asked.end is None else round(asked.end * 1000)
    return Stretch(round((asked.start or 0) * 1000), end_ms)


async def _proof(request: web.Request, identifier: UUID) -> Mapping[str, Any]:
    """Under a head signed now where this host holds the key, else under the newest; what came after is not in it."""
    here = context(request)
    try:
        key = ledger_key(here.settings)
    except SettingsError:
        return await _older_proof(request, identifier)
    return await recording_proof(here.archive, identifier, key, retain_until=keep_until(here.settings, here.now()))


async def _older_proof(request: web.Request, identifier: UUID) -> Mapping[str, Any]:
    here = context(request)
    head = await newest_head(here.archive)
    try:
        verifier = trusted_keys(here.settings)[0]
    except SettingsError:
        head = None
    if head is None:
        raise Unavailable(
            "台账还没有签名，暂时不能出具证明 / no signed head yet",
            remedy="run `huiyin ledger sign` on the host that holds the key, and set HUIYIN_LEDGER_VERIFIERS here",
        )
    return await proof_under(here.archive, identifier, head.note, verifier)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/evidence",
        "evidence.take",
        get_evidence,
        "取证包：录音或片段、文字、事实、指纹与证明（先写台账） / the evidence as a ZIP file",
        query=EvidenceQuery,
        media=ZIP,
    ),
)
