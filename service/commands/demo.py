"""demo: sample calls through the real service."""

import argparse
from pathlib import Path

from core.settings import Settings
from service.commands.family import Commands, command


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    demo = command(commands, "demo", "演示：真实呼叫走完全程 sample calls, every hop shown", run_demo)
    demo.add_argument("--exit", action="store_true", help="结束后退出 stop when done (0: every hop happened)")
    demo.add_argument("--speed", type=float, default=1.0, help="times real time at which the calls are spoken")
    demo.add_argument("--dir", type=Path, default=Path(".demo"), help="working directory, emptied first")


async def run_demo(settings: Settings, options: argparse.Namespace) -> int:
    from service import demo

    return await demo.run(settings, directory=options.dir, speed=options.speed, stay=not options.exit)
