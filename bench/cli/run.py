"""``tunebench run``: make and score what a configuration asks for, and print the leaderboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.missing_environment import told_how_to_make
from bench.cli.run_options import Changes, Limit, Metric, Model, Part, Rate, Suite

if TYPE_CHECKING:
    from bench.leaderboard.render import Format
    from bench.pipeline.dry_run import RunPreview
    from bench.pipeline.read_run import Run
    from bench.storage.failures import Failure

Out = Annotated[Path | None, typer.Option(help="The run folder.  [default: results/ and the configuration's name]")]
Workers = Annotated[
    int | None, typer.Option(min=0, help="Worker processes; 0 works in this one.  [default: every core]")
]
PluginFiles = Annotated[
    bool, typer.Option("--plugin-files", help="Run plugin files and programs that the run's configuration names.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the leaderboard as JSON.")]

MOST_LINES = 10  # about failures


def command(
    config: Annotated[
        Path | None,
        typer.Argument(help="A YAML configuration; without one, the composer and its controls on quick@1."),
    ] = None,
    out: Out = None,
    suite: Suite = None,
    model: Model = None,
    metric: Metric = None,
    limit: Limit = None,
    changes: Changes = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print clips, time and disk, and make nothing.")] = False,
    workers: Workers = None,
    shard: Part = None,
    rate: Rate = None,
    as_json: AsJson = False,
) -> None:
    """Generate and score the clips that do not exist yet, then print the leaderboard.

    The same command resumes a run that was stopped, and retries what failed. Options override the
    configuration, after --set. Another command with the same --out extends the run. Paths in the configuration and in
    options are relative to the current folder.
    """
    from bench.cli.progress import shown
    from bench.config.overrides import Overrides, load_overridden
    from bench.config.run_config import with_workers
    from bench.errors import MissingError, UsageError
    from bench.pipeline.run import default_folder, run
    from bench.planning.shards import parse_shard

    part = None if shard is None else parse_shard(shard)
    overrides = Overrides(changes or (), suite, limit, model or (), metric or ())
    settings = with_workers(load_overridden(config, overrides), workers)
    folder = out or default_folder(config or settings)
    if dry_run:
        from bench.pipeline.dry_run import preview

        with told_how_to_make(config):
            plan = preview(settings, folder, part, rate or ())
        print(json.dumps(plan.record(), indent=2)) if as_json else _print_preview(plan, folder)
        return
    if rate:
        raise UsageError("--rate needs --dry-run, which estimates how long a run takes")
    try:
        with told_how_to_make(config), shown() as progress:
            finished = run(settings, folder, progress, part)
    except MissingError:
        # Show what could be made here.
        if part is None and (folder / "run.db").exists():
            print_leaderboard(folder, as_json, plugin_files=True)
        raise
    conclude(finished, as_json, plugin_files=True)


def conclude(finished: Run, as_json: bool, plugin_files: bool) -> None:
    """Print the leaderboard and what failed.

    Raises:
        FailuresRecorded: a clip or a score failed; stderr has a line for each model and reason.
    """
    import sys

    from bench.errors import FailuresRecorded
    from bench.number_format import counted
    from bench.storage.failures import failure_lines, group_failures

    failures = print_leaderboard(finished.folder, as_json, plugin_files)
    if not as_json:
        print(f"\n{finished.folder}: run.db, audio/, config.yaml", file=sys.stderr)
    groups = group_failures(failures)
    for line in failure_lines(groups, MOST_LINES):
        print(f"failed: {line}", file=sys.stderr)
    if failures:
        why = counted(len({group.reason for group in groups}), "reason")
        what = counted(len(failures), "clip or score", "clips or scores")
        raise FailuresRecorded(f"{what} failed, for {why}; repeat the command to try again")


def print_leaderboard(folder: Path, as_json: bool, plugin_files: bool) -> list[Failure]:
    """Print the leaderboard, and return the failures, both from one snapshot.

    Tests of set metrics that have not run yet run now, with a progress bar.
    """
    from bench.cli.output import emit, page_layout
    from bench.cli.progress import shown
    from bench.leaderboard.render import board_of, rendered, unscored
    from bench.storage.store import Store
    from bench.text_table import paragraph

    with shown() as progress, Store.read(folder) as store:
        board, failures = board_of(store, progress=progress, plugin_files=plugin_files), store.failures()
    style: Format = "json" if as_json else "table"
    if board.cells or as_json:
        emit(rendered(board, style, layout=page_layout()), style)
    else:
        emit(paragraph(unscored(folder), page_layout()), style)
    return failures


def _print_preview(plan: RunPreview, folder: Path) -> None:
    from bench.number_format import counted, first_few
    from bench.progress import duration

    for label in dict.fromkeys([*plan.existing, *plan.to_make]):
        print(f"{label}: {plan.to_make.get(label, 0)} clips to make, {plan.existing.get(label, 0)} exist")
    print(f"{plan.to_score} clips to score")
    about = f"about {duration(plan.known_seconds)} with {counted(plan.workers, 'worker')}"
    if plan.unknown:
        names = ", ".join(first_few([stage.row for stage in plan.unknown], MOST_LINES))
        print(f"time: unknown, since no run here has timed a clip of {names}; the rest takes {about}")
        print(f"  state it with --rate {plan.unknown[0].row}=SECONDS_PER_CLIP")
    else:
        print(f"time: {about}")
    timed = [stage for stage in plan.stages if stage.clips and stage.rate]
    for stage in sorted(timed, key=lambda stage: -(stage.seconds or 0))[:MOST_LINES]:
        if stage.rate:
            each = f"{stage.rate.seconds:.3g} s a clip, {stage.rate.source}"
            print(f"  {stage.name}: {duration(stage.seconds or 0)} ({each})")
    if plan.dominant:
        stage, share = plan.dominant
        print(f"most of it: {stage.name}, {100 * share:.0f} %")
    print(f"disk: at most {plan.bytes / 1e6:.0f} MB in {folder}")
