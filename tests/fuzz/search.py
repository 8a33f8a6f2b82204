"""A long search: ``make fuzz ARGS="[TARGET …] --seconds S"`` fuzzes each target for S seconds, one after the other.

New inputs and crashes lie in ``build/fuzz/TARGET``; an input worth keeping goes into ``tests/fuzz/corpus/TARGET``.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

KEEP = Path("build/fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=[], metavar="TARGET", help=", ".join(sorted(TARGETS)))
    parser.add_argument("--seconds", type=int, default=60)
    told = parser.parse_args()
    if unknown := set(told.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(sorted(TARGETS))}")
    broken = []
    for name in told.targets or sorted(TARGETS):
        print(f"{name}: {told.seconds} s", flush=True)
        command = [sys.executable, "-m", "tests.fuzz.run", name, "--seconds", str(told.seconds)]
        if subprocess.run([*command, "--keep", str(KEEP / name)], check=False).returncode:
            broken.append(name)
    print(f"broken: {', '.join(broken)}; see {KEEP}" if broken else "nothing raised but ValueError")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
