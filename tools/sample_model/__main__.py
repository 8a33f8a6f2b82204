"""``python -m tools.sample_model``: corpus, train, export, sets, evaluate (see README.md)."""

from __future__ import annotations

import argparse
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECIPE = HERE / "recipe.json"
MODEL = ROOT / "transcription" / "sample_model"
SETS = ROOT / "benchmarks" / "asr_sets"
SEED, PARTS, PART_SIZE = 1, 16, 2000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.sample_model", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    everything = steps.add_parser("all", help="corpus, train and export")
    corpus = steps.add_parser("corpus", help="synthesise the training speech")
    train = steps.add_parser("train", help="train, or go on training")
    export = steps.add_parser("export", help="write the model directory")
    for parser_ in (everything, corpus, train, export):
        parser_.add_argument("--work", type=Path, required=True, help="folder for corpus and checkpoints (3 GB)")
    for parser_ in (everything, corpus, train):
        parser_.add_argument("--processes", type=int, default=2)
    for parser_ in (everything, train):
        parser_.add_argument("--recipe", type=Path, default=RECIPE)
    for parser_ in (everything, export):
        parser_.add_argument("--target", type=Path, default=MODEL)
    sets = steps.add_parser("sets", help="write the held-out evaluation sets")
    sets.add_argument("--target", type=Path, default=SETS)
    evaluate = steps.add_parser("evaluate", help="measure a model directory")
    evaluate.add_argument("--model", type=Path, default=MODEL)
    evaluate.add_argument("--sets", type=Path, default=SETS)
    evaluate.add_argument("--beam", type=int, default=1)
    evaluate.add_argument("--no-vad", action="store_true", help="give the engine everything, silence and tones too")
    evaluate.add_argument("--verbose", action="store_true", help="show the worst sentences")
    return parser.parse_args()


def _train(chosen: argparse.Namespace) -> None:
    from tools.sample_model.train import Recipe, train

    train(chosen.work / "corpus", chosen.work / "run", Recipe.load(chosen.recipe), chosen.processes)


def _corpus(chosen: argparse.Namespace) -> None:
    from tools.sample_model.corpus import build

    build(chosen.work / "corpus", SEED, PARTS, PART_SIZE, chosen.processes)


def _export(chosen: argparse.Namespace) -> None:
    from tools.sample_model.export import export

    export(chosen.work / "run" / "checkpoint.pt", chosen.target)


def _sets(chosen: argparse.Namespace) -> None:
    from tools.sample_model.sets import write_sets

    write_sets(chosen.target)


def _evaluate(chosen: argparse.Namespace) -> None:
    from tools.sample_model.evaluate import report

    print(report(chosen.model, chosen.sets, chosen.verbose, beam_size=chosen.beam, vad_filter=not chosen.no_vad))


def main() -> None:
    chosen = _arguments()
    steps = {"corpus": [_corpus], "train": [_train], "export": [_export], "sets": [_sets], "evaluate": [_evaluate]}
    for step in steps.get(chosen.step, [_corpus, _train, _export]):
        step(chosen)


if __name__ == "__main__":
    main()
