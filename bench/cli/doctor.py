"""``tunebench doctor``: what this machine and installation can do, and what is missing for the rest."""

from __future__ import annotations

from typing import Annotated

import typer


def command(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Report the machine, the versions that matter, and which models and metrics can run here."""
    import json

    from bench.diagnosis import diagnose

    report = diagnose()
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for section, facts in report.items():
        print(section)
        for name, fact in facts.items():
            print(f"  {name:<24} {fact}")
