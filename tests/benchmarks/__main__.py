"""Measure what tunebench promises: ``python tests/benchmarks [NAME] [--json]``.

Every ``bench_*.py`` beside this file has a function ``measure() -> Iterable[Row]``. NAME selects the files whose name
contains it. The exit code tells whether the measurements ran, not whether they reached their targets.
"""

from __future__ import annotations

import os

# Thread pools read these when their library is loaded.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from row import Row  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", default="", help="only files whose name contains this")
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of a table")
    options = parser.parse_args()
    modules = [path.stem for path in sorted(HERE.glob("bench_*.py")) if options.name in path.stem]
    if not modules:
        parser.error(f"no benchmark has '{options.name}' in its name")
    rows: list[Row] = []
    failed = 0
    for module in modules:
        print(f"measuring {module.removeprefix('bench_')} …", file=sys.stderr)
        try:
            rows.extend(measured(module))
        except Exception:
            traceback.print_exc()
            failed += 1
    show_json(rows) if options.json else show_table(rows)
    return 1 if failed else 0


def measured(module: str) -> Iterator[Row]:
    yield from importlib.import_module(module).measure()


def show_json(rows: list[Row]) -> None:
    print(json.dumps([{**asdict(row), "verdict": row.verdict} for row in rows], indent=2, ensure_ascii=False))


def show_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "measured", "target", "", "note")
    for row in rows:
        sign = "≥" if row.better == "higher" else "≤"
        target = "" if row.target is None else f"{sign} {row.target:g}"
        table.add_row(row.what, f"{row.measured:.3g} {row.unit}", target, row.verdict, row.note)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
