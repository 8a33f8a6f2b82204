"""rebuild: the database from the object store."""

import argparse
import time

from core.errors import SettingsError
from core.note import VerifierKey
from core.settings import Settings
from service.commands.family import Commands, command


def add_to(commands: Commands) -> None:
    """Add this family's command."""
    meaning = "从对象存储重建整个数据库 recreate the whole database from the object store alone, into an empty one"
    rebuilding = command(commands, "rebuild", meaning, run_rebuild)
    rebuilding.add_argument(
        "--key",
        type=a_verifier_key,
        action="append",
        default=[],
        help="台账验证公钥 NAME+NUMBER+BASE64, as auditors hold it (default: that of HUIYIN_LEDGER_KEY_FILE)",
    )


def a_verifier_key(text: str) -> VerifierKey:
    """A verifier key, as an argument."""
    try:
        return VerifierKey.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME+NUMBER+BASE64") from None


async def run_rebuild(settings: Settings, options: argparse.Namespace) -> int:
    from service.migrate import migrate
    from service.readiness import first_account
    from service.rebuild import rebuild
    from service.wiring import open_archive

    keys = list(options.key) or _own_key(settings)
    await migrate(settings)
    began = time.monotonic()
    async with open_archive(settings, rebuilding=True) as archive:
        state = await rebuild(archive, settings, keys, by="operator", tell=lambda line: print(line, flush=True))
        await first_account(archive)
    seconds = time.monotonic() - began
    for name, number in sorted(state.counts.items()):
        print(f"  {name}: {number}")
    rate = state.counts.get("recordings", 0) / seconds
    print(f"重建完成 rebuilt in {seconds:.1f} s, {rate:.0f} 条录音/秒 recordings/s；异常 faults: {len(state.losses)}")
    for line in state.losses:
        print(f"异常 fault: {line}")
    print(
        "未重建：账户、登录、任务历史、提醒；请由数据库备份恢复或重新建立 not rebuilt: users, logins, past jobs, alerts"
    )
    return 1 if state.losses else 0


def _own_key(settings: Settings) -> list[VerifierKey]:
    from archive.ledger_key import ledger_key

    try:
        return [ledger_key(settings).verifier]
    except SettingsError as error:
        print(
            f"{error}\n没有公钥，签名树头无从核对 without a verifier key the signed heads cannot be checked", flush=True
        )
        return []
