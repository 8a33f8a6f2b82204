"""evaluate: the character error rate of a model on anyone's labelled audio."""

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.settings import Settings
from service.commands.family import Commands, command

if TYPE_CHECKING:
    from transcription.evaluate import FileScore


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    evaluating = command(commands, "evaluate", "评测识别模型的字错误率 measure a model on labelled audio", run_evaluate)
    evaluating.add_argument("--model", default="", help="model name or directory (default: HUIYIN_ASR_MODEL)")
    evaluating.add_argument(
        "--set",
        type=Path,
        required=True,
        dest="directory",
        metavar="DIR",
        help="directory with labels.json, or with audio and .txt files of the same name",
    )


async def run_evaluate(settings: Settings, options: argparse.Namespace) -> int:
    from transcription.evaluate import evaluate_set
    from transcription.whisper import load_transcriber

    chosen = replace(settings, asr_model=options.model or settings.asr_model)
    transcriber = await asyncio.to_thread(load_transcriber, chosen)
    evaluation = await asyncio.to_thread(evaluate_set, transcriber, options.directory, on_file=_show)
    print(
        f"总计 total: CER {_percent(evaluation.cer)} ({evaluation.errors}/{evaluation.characters}), "
        f"real-time factor {evaluation.real_time_factor:.3f}, {len(evaluation.files)} files"
    )
    return 0


def _show(score: "FileScore") -> None:
    print(f"{score.file}: CER {_percent(score.cer)} ({score.errors}/{score.characters})")
    print(f"  原文 {score.truth}\n  识别 {score.heard}")


def _percent(rate: float | None) -> str:
    """Nothing true was said: there is no rate, only the errors."""
    return "—" if rate is None else f"{rate:.1%}"
