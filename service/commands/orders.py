"""import: work orders from the 12345 export."""

import argparse
from pathlib import Path

from core.settings import Settings
from service.commands.family import Commands, command


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    importing = command(commands, "import", "导入 12345 工单（XLSX 或 CSV）import work orders", run_import)
    importing.add_argument("file", type=Path)
    importing.add_argument("--dry-run", action="store_true", help="只检查，不写入 report only, write nothing")


async def run_import(settings: Settings, options: argparse.Namespace) -> int:
    from core import jobs
    from core.clock import utc_now
    from retention.rule import keep_until
    from service.kinds import RELINK
    from service.wiring import open_archive
    from workorders.exports import import_export

    async with open_archive(settings) as archive:
        report = await import_export(
            archive,
            options.file,
            by="operator",
            retain_until=keep_until(settings, utc_now()),
            timezone=settings.timezone,
            columns=settings.order_columns,
            dry_run=options.dry_run,
        )
        if not options.dry_run:
            async with archive.database.write() as session:
                await jobs.enqueue(session, RELINK, {}, now=utc_now())
    print(report.summary())
    for row in report.rows:
        if row.outcome != "unchanged":
            print(
                "  ".join(
                    filter(None, (f"第 {row.row} 行 row", row.number, row.outcome, ", ".join(row.columns), row.reason))
                )
            )
    return 1 if report.refused else 0
