"""call: the gateway simulator, for checking an installation."""

import argparse
from pathlib import Path

from core.settings import Settings
from service.commands.family import Commands, a_file, an_address, command, read_password


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    call = command(commands, "call", "模拟网关拨入一通电话 play a gateway: send one real call to a recorder", run_call)
    call.add_argument("--to", type=an_address, required=True, metavar="HOST:PORT", help="the recorder's SIP address")
    call.add_argument("--agent", type=a_file, required=True, help="mono FLAC or WAV of the agent, 8 or 16 kHz")
    call.add_argument("--citizen", type=a_file, required=True, help="mono FLAC or WAV of the citizen, 8 or 16 kHz")
    call.add_argument("--work-order", default="", help="number sent in the X-Work-Order header")
    call.add_argument("--agent-number", default="8001")
    call.add_argument("--citizen-number", default="13800000000")
    call.add_argument("--transport", choices=["udp", "tcp", "tls"], default="udp")
    call.add_argument(
        "--ca", type=Path, metavar="FILE", help="with tls: PEM file of the authorities to trust; default: the system's"
    )
    call.add_argument("--user", default="", help="SIP user, where the recorder asks for one; its password is asked for")
    call.add_argument("--codec", choices=["PCMA", "PCMU", "G722", "opus", "G726-32", "L16"], default="PCMA")
    call.add_argument("--srtp", default="", metavar="SUITE", help="protect the sound, e.g. AES_CM_128_HMAC_SHA1_80")
    call.add_argument("--speed", type=float, default=1.0, help="times real time (timestamps stay true)")
    call.add_argument("--loss", type=float, default=0.0, help="share of packets not sent, 0 to 1")
    call.add_argument("--reorder", type=float, default=0.0, help="share of packets sent late, 0 to 1")
    call.add_argument("--duplicates", type=float, default=0.0, help="share of packets sent twice, 0 to 1")


async def run_call(settings: Settings, options: argparse.Namespace) -> int:
    from telephony.simulator import place_call
    from telephony.sip.client import Login

    report = await place_call(
        options.to,
        options.agent,
        options.citizen,
        work_order=options.work_order,
        agent_number=options.agent_number,
        citizen_number=options.citizen_number,
        transport=options.transport,
        ca=options.ca,
        login=Login(options.user, read_password()) if options.user else None,
        codec=options.codec,
        srtp=options.srtp,
        speed=options.speed,
        loss=options.loss,
        reorder=options.reorder,
        duplicates=options.duplicates,
        on_progress=print,
    )
    print(report)
    return 0
