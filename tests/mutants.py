"""Breaks rules one by one and runs the test that must notice: `python -m tests.mutants [--sample 30] [--seed 1]`.

Works in copies of the repository, so the files here are never touched. Ends with 1 if a broken rule goes
unnoticed, or if a named test fails without it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from tests.coverage import ROOT, Mutation, mutations

NEEDED = ("simtriggers", "tests", "fixtures", "scenarios", "docs", "examples", "benchmarks")
FAILED, PASSED = 1, 0


def copy(target: Path) -> Path:
    """A copy of what tests need."""
    for name in NEEDED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".simtriggers"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile"):
        shutil.copy2(ROOT / name, target / name)
    return target


def run(folder: Path, *tests: str) -> tuple[int, str]:
    """Pytest's exit code and the end of its output, with the package of that folder."""
    words = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / ".hypothesis")}
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, (ended.stdout + ended.stderr)[-1500:]


@contextmanager
def broken(folder: Path, mutation: Mutation) -> Iterator[None]:
    """The rule broken in a copy, and mended afterwards."""
    path = folder / mutation.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mutation.find) == 1, f"{mutation.name}: not once in {mutation.file}"
    path.write_text(text.replace(mutation.find, mutation.replace), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def noticed(folder: Path, mutation: Mutation) -> str:
    """What is wrong with a mutation's test, or nothing."""
    code, output = run(folder, mutation.test)
    if code != PASSED:
        return f"{mutation.test} ends with {code} although nothing is broken:\n{output}"
    with broken(folder, mutation):
        code, output = run(folder, mutation.test)
    return "" if code == FAILED else f"{mutation.test} ends with {code} although the rule is broken:\n{output}"


def main() -> int:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, help="that many, drawn by the seed; all unless given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="those with this in their name")
    options = parser.parse_args()
    chosen = [mutation for mutation in mutations() if options.only in mutation.name]
    if options.sample:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    missed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folders: Queue[Path] = Queue()
        for number in range(2):
            folders.put(copy(Path(temporary) / str(number)))

        def check(mutation: Mutation) -> tuple[Mutation, str]:
            folder = folders.get()
            try:
                return mutation, noticed(folder, mutation)
            finally:
                folders.put(folder)

        with ThreadPoolExecutor(2) as workers:
            for mutation, problem in workers.map(check, chosen):
                missed += bool(problem)
                print(f"{'MISSED ' if problem else 'noticed'} {mutation.name}", flush=True)
                if problem:
                    print(problem, flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} broken rules were noticed by the test named for them")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
