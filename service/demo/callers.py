"""The gateway's side of the demo: the sample calls, placed all at once over SIP and RTP."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.ids import new_id
from core.settings import Settings
from service.demo import show
from telephony.simulator import CallReport, place_call

SAMPLES = Path(__file__).parent.parent / "sample_calls"


@dataclass(frozen=True)
class SampleCall:
    """One recorded dialogue: the two parties' sound, and what they really say."""

    name: str
    agent: Path
    citizen: Path
    truth: Mapping[str, Any]
    # Chosen here, so that the catalogue can be asked about the call from its first moment.
    sip_call_id: str

    @property
    def telephone(self) -> str:
        """The citizen's (fictional) number, as in the sample orders."""
        return str(self.truth["citizen_telephone"])

    @property
    def spoken(self) -> str:
        """Everything that is said, in order."""
        return "".join(turn["text"] for turn in self.truth["turns"])


def sample_calls() -> list[SampleCall]:
    """The calls that ship with the package, by name."""
    return [
        SampleCall(
            path.parent.name,
            path.parent / "agent.flac",
            path.parent / "citizen.flac",
            json.loads(path.read_text(encoding="utf-8")),
            f"{new_id().hex}@demo.invalid",
        )
        for path in sorted(SAMPLES.glob("*/truth.json"))
    ]


async def place_all(calls: Sequence[SampleCall], settings: Settings, *, speed: float) -> list[CallReport]:
    """Place the calls at once; transports and codecs differ, and the first line reorders and repeats packets."""
    return list(await asyncio.gather(*(_place_shown(call, at, settings, speed) for at, call in enumerate(calls))))


async def _place_shown(call: SampleCall, number: int, settings: Settings, speed: float) -> CallReport:
    return await place(
        call, number, settings, speed=speed, on_progress=lambda line: show.step(f"{call.name:<12} {line}")
    )


async def place(
    call: SampleCall, number: int, settings: Settings, *, speed: float, on_progress: Callable[[str], None]
) -> CallReport:
    """Place one call; ``number`` chooses the agent's extension, the transport, the codec and the line's quality."""
    return await place_call(
        settings.sip_bind,
        call.agent,
        call.citizen,
        # A call that signals no order is linked by the citizen's telephone alone.
        work_order=str(call.truth["work_order"]) if call.truth["signalled"] else "",
        work_order_header=settings.work_order_header,
        agent_number=str(8001 + number),
        citizen_number=call.telephone,
        call_id=call.sip_call_id,
        transport=("udp", "tcp")[number % 2],
        codec=("PCMA", "PCMU")[number // 2 % 2],
        speed=speed,
        reorder=0.02 if number == 0 else 0.0,
        duplicates=0.02 if number == 0 else 0.0,
        on_progress=on_progress,
    )
