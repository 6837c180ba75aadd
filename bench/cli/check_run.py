"""``tunebench check run``: is a run folder undamaged, and what can be repaired?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.run import AsJson

if TYPE_CHECKING:
    from bench.pipeline.repair_run import Repaired
    from bench.storage.inspect_run import Finding

_MOST = 20  # lines of one kind


def command(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.", show_default=False)],
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Repair what can be repaired; the damaged database is kept as run.db.damaged-1."),
    ] = False,
    plugin_files: Annotated[
        bool,
        typer.Option(
            "--plugin-files", help="Run plugin files that the run's configuration names, to plan its clips again."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a run's database and audio are as they were written, and say what is damaged or lost.

    Exit status 5 if anything is, unless it was repaired. Clips that a repair dropped are made again by the command
    that made the run, and scored again by 'tunebench score'.
    """
    import json
    from dataclasses import asdict

    from bench.errors import DataError
    from bench.pipeline.repair_run import inspect_run, repair_run

    repaired = repair_run(folder, plugin_files) if repair else None
    findings = repaired.findings if repaired else inspect_run(folder)
    if as_json:
        found = {"findings": [asdict(finding) for finding in findings]}
        print(json.dumps({**found, **(_values(repaired) if repaired else {})}, indent=2, ensure_ascii=False))
    else:
        print("\n".join([*_lines(findings), *(_done(folder, repaired) if repaired and findings else [])]))
        if findings and not repaired:
            print(f"repair it with 'tunebench check run {folder} --repair'")
    if findings and not repaired:
        raise typer.Exit(DataError.exit_code)


def _lines(findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return ["all rows and audio are as they were written"]
    lines = [f"{finding}: {finding.remedy}" for finding in findings[:_MOST]]
    return lines if len(findings) <= _MOST else [*lines, f"… and {len(findings) - _MOST} more; --json has all"]


def _done(folder: Path, repaired: Repaired) -> list[str]:
    from bench.number_format import counted

    lines = ["repaired"]
    if repaired.kept:
        lines.append(f"the damaged database is kept as {repaired.kept}")
    if not repaired.vouched:
        lines.append(
            "checksums were lost, so the rows cannot be verified; 'tunebench score --force' computes all scores again"
        )
    if repaired.settled.adopted:
        lines.append(f"{counted(len(repaired.settled.adopted), 'clip')} restored from audio files")
    if repaired.settled.told:
        lines.append(repaired.settled.told)
    if repaired.unmade:
        lines.append(f"{counted(repaired.unmade, 'clip')} missing; repeat the command that made the run to make them")
    return [*lines, f"'tunebench score {folder}' computes the scores that are missing"]


def _values(repaired: Repaired) -> dict[str, object]:
    return {
        "kept": str(repaired.kept) if repaired.kept else None,
        "vouched": repaired.vouched,
        "adopted": [clip.clip for clip in repaired.settled.adopted],
        "set_aside": list(repaired.settled.set_aside),
        "unmade": repaired.unmade,
    }
