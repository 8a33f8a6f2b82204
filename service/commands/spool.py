"""spool: the calls that lie on this recorder, read from the directory itself; neither database nor store is asked."""

import argparse
from datetime import UTC, datetime
from uuid import UUID

from core.settings import Settings
from service.commands.family import Commands, command


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    spool = command(commands, "spool", "缓存目录中的通话 calls in this recorder's spool", run_spool)
    spool.add_argument("action", choices=["list", "retry"], help="list; retry: let calls that failed be tried at once")
    spool.add_argument("recording", type=UUID, nargs="?", default=None, help="one call (default: all that failed)")


async def run_spool(settings: Settings, options: argparse.Namespace) -> int:
    from core.errors import NotFound

    if not settings.spool_dir.is_dir():
        raise NotFound("there is no spool directory here", spool=settings.spool_dir, remedy="set HUIYIN_DATA_DIR")
    if options.action == "retry":
        return _retry(settings, options.recording)
    return _list(settings, options.recording)


def _list(settings: Settings, wanted: UUID | None) -> int:
    from service.setbacks import Setback
    from service.spool import Backlog

    backlog = Backlog(settings.spool_dir)
    backlog.look()
    waiting = {call.directory.name: call for call in backlog.waiting}
    states = (
        *((name, "录音中 recording") for name in backlog.in_progress),
        *((name, "损坏 damaged: the facts cannot be read; the next start of the recorder makes new ones")
          for name in backlog.damaged),
        *((name, "待封存 waiting") for name in waiting),
    )  # fmt: skip
    for name, state in sorted(states):
        if wanted is not None and name != str(wanted):
            continue
        line = f"{name}  {state}"
        if name in waiting:
            line += f"  自 since {datetime.fromtimestamp(waiting[name].since, UTC).astimezone(settings.timezone):%F %T}"
        setback = Setback.load(settings.spool_dir / name)
        if setback is not None:
            again = f"{setback.again_at.astimezone(settings.timezone):%F %T}"
            line += f"  失败 failed {setback.tries}×: {setback.error}  下次 again {again}"
        print(line)
    numbers = len(backlog.in_progress), backlog.closed, len(backlog.damaged)
    print("录音中 recording {}，待封存 waiting {}，损坏 damaged {}".format(*numbers))
    return 0


def _retry(settings: Settings, wanted: UUID | None) -> int:
    from core.errors import NotFound
    from service.setbacks import NOTE_FILE
    from service.spool import call_directories

    named = [path for path in call_directories(settings.spool_dir) if wanted is None or path.name == str(wanted)]
    if wanted is not None and not named:
        raise NotFound("no such call in the spool", recording=wanted, spool=settings.spool_dir)
    notes = [path / NOTE_FILE for path in named if (path / NOTE_FILE).exists()]
    for note in notes:
        note.unlink(missing_ok=True)
        print(f"{note.parent.name}  将立即重试 will be tried at once")
    if not notes:
        print("没有受阻的通话 no call has failed")
    return 0
