"""``tunebench score``: score clips that exist, those of a run or your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.missing_environment import told_how_to_make
from bench.cli.run import AsJson, Out, PluginFiles, Workers
from bench.cli.run_options import (
    Changes,
    ClipDuration,
    ClipLimit,
    ClipSuite,
    ImportedColumn,
    ImportedFile,
    Metric,
    RowName,
)


def command(
    targets: Annotated[
        list[Path],
        typer.Argument(
            help="A run folder; or folders and manifests (CSV, JSONL) of clips, one row each.", show_default=False
        ),
    ],
    metric: Metric = None,
    limit: ClipLimit = None,
    changes: Changes = None,
    scores: ImportedFile = None,
    column: ImportedColumn = None,
    force: Annotated[bool, typer.Option("--force", help="Also recompute existing scores.")] = False,
    suite: ClipSuite = None,
    duration: ClipDuration = None,
    name: RowName = None,
    out: Out = None,
    workers: Workers = None,
    plugin_files: PluginFiles = False,
    as_json: AsJson = False,
) -> None:
    """Score the clips of a run again, or score audio made elsewhere.

    Your own clips are matched to prompts by name (jazz-3.wav, or jazz-3_1.wav for seed 1), or by a manifest with the
    columns prompt, file and, where there are several, seed and model. Each folder and each model makes a row.
    """
    from bench.cli.progress import shown
    from bench.cli.run import conclude
    from bench.cli.score_import import import_into
    from bench.config.overrides import Overrides
    from bench.config.run_config import with_workers
    from bench.errors import UsageError
    from bench.pipeline.run import rescore, run
    from bench.pipeline.scoring_config import scoring_config

    own = {"--suite": suite, "--duration": duration, "--name": name, "--out": out, "--limit": limit}
    if scores is not None or column is not None:
        others = {**own, "--metric": metric, "--set": changes, "--force": force or None}
        import_into(targets, scores, column, as_json, [option for option, value in others.items() if value is not None])
        return
    if any(map(_is_run, targets)):
        target = _one_run(targets)
        for option, value in own.items():
            if value is not None:
                raise UsageError(f"{option} is for your own clips, and {target} is a run folder")
        settings = with_workers(scoring_config(target, metric or (), changes or (), plugin_files), workers)
        with told_how_to_make(target), shown() as progress:
            finished = rescore(target, settings, progress, force, plugin_files)
    else:
        from bench.cli.score_clips import clips_config, refuse_other_clips, run_name

        if force and targets[0].exists():
            raise UsageError(f"--force is for run folders, and {targets[0]} is not one (it has no run.db)")
        overrides = Overrides(changes or (), limit=limit, metrics=metric or ())
        settings = with_workers(clips_config(targets, name or [], suite or "genres@1", duration, overrides), workers)
        folder = out or Path("results") / run_name(targets, name or [])
        refuse_other_clips(settings, folder)
        with shown() as progress:
            finished = run(settings, folder, progress)
    conclude(finished, as_json, plugin_files)


def _is_run(folder: Path) -> bool:
    """Return whether a folder is a run folder rather than a folder of clips.

    Raises:
        DataError: it is a run folder without its database.
    """
    from bench.storage.database import refuse_lost_database
    from bench.storage.frozen_config import FILE

    there = (folder / "run.db").is_file()
    if not there and (folder / FILE).exists():
        refuse_lost_database(folder)
    return there


def _one_run(targets: list[Path]) -> Path:
    from bench.errors import UsageError

    runs = [target for target in targets if _is_run(target)]
    if len(targets) > 1:
        raise UsageError(
            f"{runs[0]} is a run folder; score it alone: 'tunebench score {runs[0]}'; to add rows to it, "
            f"score the others with --out {runs[0]}, and the suite and duration of the run"
        )
    return runs[0]
