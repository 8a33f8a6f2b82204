"""Coverage-guided fuzzing of one target: ``python -m tests.fuzz.run TARGET [--runs N | --seconds S]``.

Starts from the corpus beside this file.  Inputs that find new code stay in ``--keep`` (a directory), a crash leaves its
input there and its traceback on standard error, and the status is not 0.
"""

import argparse
import sys
from pathlib import Path

import atheris

from tests.fuzz.targets import TARGETS, survives

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 16 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--runs", type=int, default=-1, help="stop after so many inputs")
    parser.add_argument("--seconds", type=int, default=0, help="stop after so long")
    parser.add_argument("--keep", type=Path, required=True, help="directory for new inputs and crashes")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0: another each time")
    told = parser.parse_args()
    target = TARGETS[told.target]
    # The first call imports what it tests, so that the fuzzer sees the branches in it.
    with atheris.instrument_imports(include=["telephony"]):
        survives(target, b"")
    told.keep.mkdir(parents=True, exist_ok=True)
    options = [
        *("-verbosity=0", f"-runs={told.runs}", f"-max_total_time={told.seconds}", f"-max_len={LONGEST}"),
        *(f"-artifact_prefix={told.keep}/crash-", f"-seed={told.seed}", "-timeout=30", "-rss_limit_mb=2048"),
    ]
    atheris.Setup(
        [sys.argv[0], *options, str(told.keep), str(CORPUS / told.target)], lambda data: survives(target, data)
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
