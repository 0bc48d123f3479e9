"""`python -m benchmarks [NAME...]`: runs all benchmark modules, or the named ones, and prints the table.

A run of all of them writes benchmarks/RESULTS.md.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from pathlib import Path

from .report import Result, page, table

HERE = Path(__file__).parent
_NOT_BENCHMARKS = {"__main__", "report"}


def modules() -> list[str]:
    """The names of all benchmark modules: those of this package that have a `run`."""
    return sorted(
        info.name
        for info in pkgutil.iter_modules([str(HERE)])
        if info.name not in _NOT_BENCHMARKS and not info.name.startswith("_")
    )


def main(arguments: list[str]) -> int:
    """Run and report. Returns 1 when a goal is missed, 2 for an unknown name."""
    known = modules()
    unknown = [name for name in arguments if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in arguments or known:
        print(f"running {name} …", file=sys.stderr, flush=True)
        results += importlib.import_module(f"{__package__}.{name}").run()
    print(table(results), end="")
    if not arguments:
        (HERE / "RESULTS.md").write_text(page(results, day=time.strftime("%Y-%m-%d")), encoding="utf-8")
    return int(any(result.verdict == "short" for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
