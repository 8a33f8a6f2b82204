"""quarantine: the files that could not be taken in, on the disk of this machine.

Who decides logs in: ``--by`` names an account, whose password is asked for (or piped in).
"""

import argparse
import json
from pathlib import Path

from core.settings import Settings
from service.commands.deciding import deciding
from service.commands.family import Commands, command

SHOWN = ("call_id", "started_at", "direction", "work_order")


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    quarantine = command(commands, "quarantine", "隔离区 files that could not be taken in", run_quarantine)
    actions = quarantine.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="列出 list")
    show = actions.add_parser("show", help="原因与通话信息 why, and the facts that came with it")
    retry = actions.add_parser("retry", help="重新收取 take it in after all")
    retry.add_argument("--facts", type=Path, default=None, help="通话信息 JSON: other facts than those that came")
    remove = actions.add_parser("remove", help="删除 remove it for good")
    remove.add_argument("--reason", required=True)
    for each in (show, retry, remove):
        each.add_argument("name", help="as list shows it; its beginning will do")
    for each in (retry, remove):
        each.add_argument("--by", required=True, metavar="ACCOUNT", help="who decides: a system administrator")


async def run_quarantine(settings: Settings, options: argparse.Namespace) -> int:
    from api.intake import quarantine

    if options.action == "list":
        found = quarantine.listed(settings)
        for each in found:
            at = each.at.astimezone(settings.timezone)
            print(f"{each.name}  {at:%F %T}  {each.size}  {each.call_id or '-'}  {each.reason}")
        print(f"共 {len(found)} 个文件 files")
        return 0
    if options.action == "show":
        each, file = quarantine.find(settings, options.name)
        # Whose call it was is nothing for a terminal; that it came with it is.
        facts = {name: value if name in SHOWN else "…" for name, value in each.facts.items() if value}
        shown = {"reason": each.reason, "at": each.at.isoformat(), "by": each.by, "sha256": each.sha256}
        print(json.dumps({**shown, "size": each.size, "file": str(file), "facts": facts}, indent=1, ensure_ascii=False))
        return 0
    return await _decide(settings, options)


async def _decide(settings: Settings, options: argparse.Namespace) -> int:
    from api.intake.deciding import remove, try_again
    from api.intake.facts import FinishedCall
    from core.errors import Refused
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        by = await deciding(archive, settings, options.by, "quarantine.decide")
        if options.action == "remove":
            found = await remove(archive, settings, options.name, by=by, reason=options.reason)
            print(f"{found.name}  已删除 removed")
            return 0
        try:
            call = FinishedCall.read(options.facts.read_bytes()) if options.facts else None
        except ValueError as error:
            raise Refused(f"通话信息有误 / the facts are wrong: {error}", file=options.facts) from None
        taken = await try_again(archive, settings, options.name, by=by, call=call)
        print(f"{taken.recording.id}  已收取 taken in")
    return 0
