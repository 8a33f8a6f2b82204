"""report, retention, verify: what becomes of the evidence."""

import argparse
import sys
from datetime import timedelta
from uuid import UUID

from core.settings import Settings
from service.commands.family import Commands, a_count, a_day, a_moment, command

# What a verification that could not be finished ends with: it has found neither a fault nor that there is none.
UNFINISHED = 3


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    report = command(commands, "report", "出具报表 issue a report", run_report)
    report.add_argument("kind", choices=["daily"])
    report.add_argument("--date", type=a_day, default=None, help="the day reported on (default: yesterday)")
    retention = command(commands, "retention", "保存期任务 the nightly retention job", run_retention)
    retention.add_argument("action", choices=["run"])
    retention.add_argument("--at", type=a_moment, default=None, help="as if it were this time (never disposes early)")
    retention.add_argument("--dry-run", action="store_true", help="只列出，不写入 list only, write nothing")
    verifying = command(
        commands,
        "verify",
        "校验录音与账本 recompute hashes, check locks and the ledger (0: whole, 1: faults, 3: not finished)",
        run_verify,
    )
    scope = verifying.add_mutually_exclusive_group()
    scope.add_argument("--all", action="store_true", help="存储、目录与台账全部核对 everything (the default)")
    scope.add_argument("--recording", type=UUID, default=None, help="一条录音 one recording")
    scope.add_argument(
        "--sample", type=a_count, default=0, metavar="N", help="最久未读的 N 个对象 N objects, oldest first"
    )


async def run_report(settings: Settings, options: argparse.Namespace) -> int:
    from core.clock import utc_now
    from reporting.daily import issue_daily
    from retention.rule import keep_until
    from service.wiring import open_archive

    now = utc_now()
    day = options.date or now.astimezone(settings.timezone).date() - timedelta(days=1)
    async with open_archive(settings) as archive:
        report = await issue_daily(archive, settings, day, by="operator", retain_until=keep_until(settings, now))
    print(f"{report.number} {report.title}\n/reports/{report.id}")
    return 0


async def run_retention(settings: Settings, options: argparse.Namespace) -> int:
    from core.clock import utc_now
    from service.night import run_night
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        result = await run_night(archive, settings, now=options.at or utc_now(), dry_run=options.dry_run)
    print("\n".join(result.lines()))
    return 1 if result.faults else 0


async def run_verify(settings: Settings, options: argparse.Namespace) -> int:
    from archive.ledger_key import trusted_keys
    from core.errors import Unavailable
    from service.verification import verify
    from service.wiring import open_archive

    keys = trusted_keys(settings)
    async with open_archive(settings) as archive:
        try:
            faults = await verify(
                archive, keys, on_progress=_say, recording_id=options.recording, sample=options.sample
            )
        except Unavailable as error:
            print(f"校验没有完成 verification was not finished: {error}", file=sys.stderr)
            return UNFINISHED
    return 1 if faults else 0


def _say(line: str) -> None:
    """At once, also where the output goes to a file."""
    print(line, flush=True)
