"""``huiyin demo``: real calls through the real service, each hop shown as it happens, everything checked at the end.

``stage`` starts the service in a fresh directory, ``callers`` plays the gateway, ``hops`` watches the catalogue,
``proofs`` checks what came of it, ``show`` prints.  Nothing here has a short cut past the service.
"""

import asyncio
import signal
from pathlib import Path

from core.settings import Settings
from service.demo import callers, proofs, show, stage
from service.demo.hops import watch
from service.wiring import open_archive

INTERRUPTED = 130


async def run(settings: Settings, *, directory: Path, speed: float, stay: bool) -> int:
    """Play the whole demo; 0 only when every hop really happened.  Ctrl-C or SIGTERM ends it and its service."""
    playing = asyncio.ensure_future(_play(settings, directory, speed, stay))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        show.step("已停止 stopped")
        return INTERRUPTED


async def _play(settings: Settings, directory: Path, speed: float, stay: bool) -> int:
    show.title("回音 Huiyin · 演示 demo")
    async with stage.service(settings, directory) as staged, open_archive(staged.settings) as archive:
        show.step(f"服务已启动 serving: SIP {staged.settings.sip_bind}, {staged.address}")
        logins = await stage.make_accounts(archive)
        await stage.bring_orders(archive, staged)
        calls = callers.sample_calls()
        show.step(f"同时拨入 {len(calls)} 通电话 placing {len(calls)} calls at once")
        placing = asyncio.create_task(callers.place_all(calls, staged.settings, speed=speed))
        recordings = await watch(archive, calls, placing, settings.timezone)
        all_proven = await proofs.show_all(archive, staged, recordings, logins["supervisor"])
        show.result(
            all_proven,
            f"页面 pages:  {staged.address}",
            *(f"账号 login:  {each.name:16} 密码 password: {each.password}" for each in logins.values()),
            f"日志 log:    {staged.log}",
        )
        if stay:
            show.step("继续运行，按 Ctrl-C 结束 serving on; Ctrl-C ends")
            await staged.ended()
    return 0 if all_proven else 1
