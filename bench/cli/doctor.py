"""``tunebench doctor``: what this machine and installation can do, and what is missing for the rest."""

from __future__ import annotations

from typing import Annotated

import typer


def command(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Report the machine, the versions that matter, and which models and metrics can run here.

    'ready' is what was imported, found all that it asks for, took its default parameters and has its weights on this
    machine. Nothing is generated, scored or downloaded.
    """
    import json

    from bench.cli.output import page_layout
    from bench.cli.streams import plugins_to_stderr
    from bench.installation.doctor import diagnose
    from bench.text_table import definitions

    with plugins_to_stderr():
        report = diagnose()
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    page = page_layout()
    for section, facts in report.items():
        print(section)
        entries = [(name, [page.line(fact)]) for name, fact in facts.items()]
        print(definitions(entries, min(page.width or 80, page.prose)))
