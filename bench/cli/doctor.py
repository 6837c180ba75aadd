"""``tunebench doctor``: what can run on this machine, and what is missing for the rest."""

from __future__ import annotations

from typing import Annotated

import typer


def command(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Report the machine, the versions that matter, and which models and metrics can run here.

    'ready' means: it was imported, its requirements are installed, its defaults work, and its weights are on this
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
