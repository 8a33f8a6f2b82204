"""serve, its parts, migrate, health, demo."""

import argparse

from core.clock import utc_now
from core.settings import Settings
from service import demo, processes, supervisor
from service.commands.family import Commands, command
from service.health import PROCESSES, check
from service.readiness import make_ready


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    command(commands, "serve", "运行全部进程 run every process on this machine", serve)
    command(commands, "recorder", "SIP 与 RTP 录音进程 receive and record calls", recorder)
    command(commands, "sealer", "封存进程（由录音进程启动）seal closed calls; the recorder starts it", sealer)
    worker_parser = command(commands, "worker", "转写与后台作业 transcribe and do jobs", worker)
    worker_parser.add_argument("--until-idle", action="store_true", help="end when no job can be claimed")
    command(commands, "web", "页面与接口 pages and HTTP API", web)
    command(commands, "scheduler", "定时任务 nightly and daily jobs", scheduler)
    command(commands, "migrate", "升级数据库结构 newest schema, proven store, first account", run_migrate)
    health = command(commands, "health", "进程健康检查 exit 0 when the process is well", run_health)
    health.add_argument("process", choices=PROCESSES)
    demo.add_arguments(
        command(commands, "demo", "演示：真实呼叫走完全程 place sample calls and show every hop", demo.run)
    )


async def serve(settings: Settings, options: argparse.Namespace) -> int:
    await make_ready(settings)
    return await supervisor.serve(settings)


async def recorder(settings: Settings, options: argparse.Namespace) -> int:
    await processes.run_recorder(settings)
    return 0


async def sealer(settings: Settings, options: argparse.Namespace) -> int:
    await processes.run_sealer(settings)
    return 0


async def worker(settings: Settings, options: argparse.Namespace) -> int:
    await processes.run_worker(settings, until_idle=options.until_idle)
    return 0


async def web(settings: Settings, options: argparse.Namespace) -> int:
    await processes.run_web(settings)
    return 0


async def scheduler(settings: Settings, options: argparse.Namespace) -> int:
    await processes.run_scheduler(settings)
    return 0


async def run_migrate(settings: Settings, options: argparse.Namespace) -> int:
    await make_ready(settings)
    return 0


async def run_health(settings: Settings, options: argparse.Namespace) -> int:
    fault = await check(settings, options.process, utc_now())
    print(fault or f"{options.process}: ok")
    return 1 if fault else 0
