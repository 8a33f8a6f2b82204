"""Imported exports as evidence: the file is sealed before its rows reach the database, under ``imports/<sha256>/``.

From the file, the column mapping and the ledger's row of the import, the orders can be made again.
"""

import asyncio
import hashlib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from archive.house import Archive
from archive.seal import seal_object
from core.ledger import Entry
from workorders.importing import ImportReport, import_orders

KIND = "import"
PREFIX = "imports/"


def export_key(digest: str, source: Path) -> str:
    """Where an export is sealed; its kind is told from its content, the suffix is for people."""
    suffix = source.suffix.lower()
    return f"{PREFIX}{digest}/export{suffix if suffix in ('.xlsx', '.csv') else ''}"


def columns_key(digest: str, columns_digest: str) -> str:
    """Where the column mapping of an import is sealed."""
    return f"{PREFIX}{digest}/columns-{columns_digest}.toml"


async def import_export(
    archive: Archive,
    source: Path,
    *,
    by: str,
    timezone: ZoneInfo,
    retain_until: datetime,
    columns: Path | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Seal an export and import its orders.  Raises `ExportRefused` when the file as a whole cannot be imported."""

    async def keep(digest: str) -> None:
        await _seal(archive, source, export_key(digest, source), digest, by, retain_until)
        if columns is not None:
            mapping = hashlib.sha256(await asyncio.to_thread(columns.read_bytes)).hexdigest()
            await _seal(archive, columns, columns_key(digest, mapping), digest, by, retain_until)

    return await import_orders(
        archive.database,
        source,
        by=by,
        now=archive.clock(),
        timezone=timezone,
        columns=columns,
        dry_run=dry_run,
        keep=keep,
    )


async def _seal(archive: Archive, file: Path, key: str, digest: str, by: str, retain_until: datetime) -> None:
    await seal_object(
        archive,
        key=key,
        kind=KIND,
        content=file,
        retain_until=retain_until,
        entry=Entry("sealed", by, f"sha256:{digest}", {"form": file.suffix.lower()}),
    )
