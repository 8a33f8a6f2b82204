"""serve, its parts, migrate, health, demo.

Imports stand inside the commands: a process that is started again must be back soon, so it loads only its own part.
"""

import argparse
from importlib import import_module

from core.settings import Settings
from service.commands.family import Commands, Run, command
from service.processes import INTAKE, PROCESSES


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    command(commands, "serve", "运行全部进程 run every process on this machine", serve)
    command(commands, "recorder", "SIP 与 RTP 录音进程 receive and record calls", process("recorder"))
    command(commands, "sealer", "封存进程（由录音进程启动）seal closed calls", process("sealer"))
    command(commands, "worker", "转写与后台作业 transcribe and do jobs", worker).add_argument(
        "--until-idle", action="store_true", help="end when no job can be claimed"
    )
    command(commands, "web", "页面与接口 pages and HTTP API", process("web"))
    command(commands, "scheduler", "定时任务 nightly and daily jobs", process("scheduler"))
    command(commands, INTAKE, "文件收取进程 take in finished files of HUIYIN_WATCH_DIR", process(INTAKE))
    command(commands, "migrate", "升级数据库结构 newest schema, proven store, first account", migrate)
    health = command(commands, "health", "进程健康检查 exit 0 when the process is well", check_health)
    health.add_argument("process", choices=(*PROCESSES, INTAKE))


def process(name: str) -> Run:
    """The command that runs one process."""

    async def run(settings: Settings, options: argparse.Namespace) -> int:
        await import_module(f"service.processes.{name}").run(settings)
        return 0

    return run


async def serve(settings: Settings, options: argparse.Namespace) -> int:
    from service import readiness, supervisor

    await readiness.make_ready(settings)
    return await supervisor.serve(settings)


async def worker(settings: Settings, options: argparse.Namespace) -> int:
    from service.processes import worker

    await worker.run(settings, until_idle=options.until_idle)
    return 0


async def migrate(settings: Settings, options: argparse.Namespace) -> int:
    from service import readiness

    await readiness.make_ready(settings)
    return 0


async def check_health(settings: Settings, options: argparse.Namespace) -> int:
    from core.clock import utc_now
    from service.health import check

    fault = await check(settings, options.process, utc_now())
    print(fault or f"{options.process}: ok")
    return 1 if fault else 0
