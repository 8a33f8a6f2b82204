"""export: everything into a bag for its owner, the receipt for it, and what may be proposed after that."""

import argparse
import sys
from pathlib import Path
from uuid import UUID

from core.errors import SettingsError
from core.settings import Settings
from service.commands.family import Commands, a_file, a_moment, command

SCOPE = "all | period FROM TO | order NUMBER | case NAME-or-ID"


def add_to(commands: Commands) -> None:
    """Add this family's command."""
    export = command(commands, "export", "移交录音资料 hand recordings over as a BagIt bag", run_export)
    export.add_argument("--scope", nargs="+", metavar="SCOPE", help=SCOPE)
    export.add_argument("--to", type=Path, metavar="DIR|FILE.zip", help="目录或 ZIP 文件 where the bag goes")
    export.add_argument("--purpose", default="", help="用途 what it is for, and for whom")
    export.add_argument("--by", default="operator", help="经办人 who hands it over")
    actions = export.add_subparsers(dest="action", metavar="ACTION")
    receipt = actions.add_parser("receipt", help="登记回执 record who received which bag")
    receipt.add_argument("--bag", required=True, metavar="DIR|SHA256", help="the bag, or its tag manifest's SHA-256")
    receipt.add_argument("--receiver", required=True, help="接收人 who received it")
    receipt.add_argument("--received-at", type=a_moment, default=None, help="接收时间 when (default: now)")
    receipt.add_argument("--signed", type=a_file, default=None, help="签字回执 the signed receipt, PDF or text")
    receipt.add_argument("--by", default="operator", help="登记人 who records it")
    purge = actions.add_parser("purge", help="提出处置申请 propose the disposal of what was handed over")
    purge.add_argument("export", type=UUID, help="移交编号 the export")
    purge.add_argument("--by", required=True, help="提出人 who proposes it")


async def run_export(settings: Settings, options: argparse.Namespace) -> int:
    if options.action == "receipt":
        return await _receipt(settings, options)
    if options.action == "purge":
        return await _purge(settings, options)
    return await _export(settings, options)


async def _export(settings: Settings, options: argparse.Namespace) -> int:
    from archive.house import Archive
    from archive.ledger_key import ledger_key
    from core.clock import utc_now
    from core.errors import Conflict
    from retention.handover.asking import ask, find
    from retention.handover.export import Progress, run_export
    from retention.handover.scope import Scope
    from retention.handover.working import unfinished
    from retention.rule import keep_until
    from service.wiring import open_archive

    if not options.scope or not options.to:
        raise SettingsError(f"huiyin export: --scope {SCOPE} and --to are needed")
    try:
        scope = Scope.parse(options.scope)
    except ValueError as error:
        raise SettingsError(f"huiyin export: --scope: {error}") from None

    async def begin(archive: Archive) -> UUID:
        begun = unfinished(options.to)
        if begun is None:
            async with archive.database.write() as session:
                return (await ask(session, archive, settings, scope, purpose=options.purpose, by=options.by)).id
        async with archive.database.read() as session:
            export = await find(session, begun)
        if export.scope != scope.to_json():
            raise Conflict("an export of another scope was begun here", scope=export.scope, remedy="finish it first")
        print(f"继续移交 going on with {begun}")
        return begun

    def tell(progress: Progress) -> None:
        megabytes = progress.octets / 1_000_000
        reused = f"　已有 kept {progress.reused}" if progress.reused else ""
        print(f"录音 recordings {progress.done}/{progress.recordings}　{megabytes:.1f} MB{reused}", flush=True)

    key, until = ledger_key(settings), keep_until(settings, utc_now())
    async with open_archive(settings) as archive:
        identifier = await begin(archive)
        done = await run_export(
            archive, settings, identifier, options.to, key=key, retain_until=until, on_progress=tell
        )
    print(f"移交包已完成 the bag is finished: {done.path}\n移交编号 export {identifier}")
    print(
        f"标签清单 tag manifest sha256 {done.tag_manifest}"
        f"\n核对 check: python3 verify_handover.py --key '{key.verifier}'"
    )
    return 0


async def _receipt(settings: Settings, options: argparse.Namespace) -> int:
    from core.clock import utc_now
    from retention.handover.bag import TAG_MANIFESTS, file_hashes
    from retention.handover.receipts import NewReceipt, record_receipt
    from retention.rule import keep_until
    from service.wiring import open_archive

    now, bag = utc_now(), Path(options.bag) / TAG_MANIFESTS[0]
    digest = file_hashes(bag)["sha256"] if bag.is_file() else options.bag
    new = NewReceipt(digest, options.receiver, options.received_at or now, options.signed)
    async with open_archive(settings) as archive:
        receipt = await record_receipt(archive, new, by=options.by, retain_until=keep_until(settings, now))
    print(f"回执已登记 receipt {receipt.id}\n移交编号 export {receipt.export_id}")
    return 0


async def _purge(settings: Settings, options: argparse.Namespace) -> int:
    from core.clock import utc_now
    from retention.handover.purge import propose_purge
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        result = await propose_purge(archive, settings, options.export, by=options.by, now=utc_now())
    for reason in result.reasons:
        print(reason, file=sys.stderr)
    print(
        f"已提出处置申请 proposed {result.proposed}　不得处置 refused {result.refused}"
        f"　已有申请 already {result.already}"
    )
    return 1 if result.refused else 0
