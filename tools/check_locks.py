"""Do the lock files say what pyproject.toml asks for?  ``--write`` resolves them anew with uv.

Checked without a network: every direct dependency is locked at a version that its requirement allows, every entry has
a hash, no line names a host, and the run-time lock is contained in the development lock.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
RUN, DEV = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
COMPILE = (
    "uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url --no-annotate"
)


def locked(path: Path) -> dict[str, set[str]]:
    """Package name → locked versions (markers may select among several)."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", path.read_text(), re.M):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def faults() -> list[str]:
    """Everything that is wrong, one line each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {RUN: project["dependencies"], DEV: project["dependencies"] + project["optional-dependencies"]["dev"]}
    found = []
    for path, requirements in wanted.items():
        versions, text = locked(path), path.read_text()
        for line in requirements:
            requirement = Requirement(line)
            there = versions.get(canonicalize_name(requirement.name))
            if not there:
                found.append(f"{path.name}: {requirement.name} is not locked; run `make locks`")
            elif not all(requirement.specifier.contains(version) for version in there):
                found.append(f"{path.name}: {requirement.name} {there} is outside {requirement.specifier}")
        for entry in re.split(r"\n(?=\S)", text.strip()):
            if "--hash=sha256:" not in entry:
                found.append(f"{path.name}: no hash for {entry.split()[0]}")
        if re.search(r"https?://|--(extra-)?index-url|--find-links", text):
            found.append(f"{path.name}: names a host")
    loose = {name: v for name, v in locked(RUN).items() if not v <= locked(DEV).get(name, set())}
    return found + [f"requirements-dev.txt: {name} differs from requirements.txt" for name in loose]


def write() -> None:
    """Resolve both locks; the development lock is held to the run-time versions."""
    for target, extra in ((RUN, []), (DEV, ["--extra", "dev", "-c", str(RUN)])):
        subprocess.run([*COMPILE.split(), "-q", "pyproject.toml", "-o", str(target), *extra], cwd=ROOT, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        write()
    wrong = faults()
    print("\n".join(wrong) or "locks match pyproject.toml")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
