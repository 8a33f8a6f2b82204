"""The commands: one module for each family, each adding its parsers and naming the coroutine that runs it.

What a command needs is imported when it runs: ``huiyin --help`` and a restarted process load nothing else.
"""

import argparse

from service.commands import (
    calls,
    demo,
    evidence,
    gateways,
    handover,
    keeping,
    ledger,
    orders,
    people,
    processes,
    quarantine,
    rebuild,
    speech,
    spool,
)


def parser() -> argparse.ArgumentParser:
    """Every command, its arguments and its help."""
    top = argparse.ArgumentParser(
        prog="huiyin",
        description="回音：通话录音与回访证据服务。Huiyin: call recording and callback evidence for public hotlines.",
        epilog="设置项见 docs/configuration.md。Settings are HUIYIN_… variables; see docs/configuration.md.",
    )
    top.add_argument("--log-format", choices=["json", "text"], default="", help="form of log lines (HUIYIN_LOG_FORMAT)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for family in (
        processes,
        demo,
        calls,
        orders,
        speech,
        evidence,
        rebuild,
        handover,
        keeping,
        ledger,
        people,
        gateways,
        quarantine,
        spool,
    ):
        family.add_to(commands)
    return top
