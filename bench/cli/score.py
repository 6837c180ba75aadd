"""``tunebench score``: score clips that exist, those of a run or your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.run import AsJson, Out, Workers


def command(
    target: Annotated[
        Path, typer.Argument(help="A run folder; or a folder or manifest (CSV, JSONL) of your own clips.")
    ],
    metric: Annotated[list[str] | None, typer.Option(help="Score with this metric only; may be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Compute again what has a score.")] = False,
    suite: Annotated[str, typer.Option(help="For your own clips: the suite whose prompts they answer.")] = "genres@1",
    duration: Annotated[
        float, typer.Option(help="For your own clips: longer ones are cut to this many seconds.")
    ] = 10.0,
    name: Annotated[
        str | None, typer.Option(help="For your own clips: the row's name.  [default: the folder's]")
    ] = None,
    out: Out = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Score the clips of a run again, or score audio that was made elsewhere.

    Your own clips are matched to prompts by a manifest with the columns prompt, file and optionally seed, or by name:
    jazz-3.wav, or jazz-3_1.wav for seed 1.
    """
    from bench.cli.progress import shown
    from bench.cli.run import conclude, with_workers
    from bench.config import RunConfig, load_config, parse_config
    from bench.errors import UsageError
    from bench.runner import rescore, run

    own = not (target / "run.db").is_file()
    if own:
        if not target.exists():
            raise UsageError(f"there is no run folder, folder or manifest {target}")
        if force:
            raise UsageError(f"--force is for run folders, and {target} is none (it has no run.db)")
        settings = _own_clips(target, name, suite, duration, metric)
        with shown() as progress:
            finished = run(with_workers(settings, workers), out or Path("results") / settings.models[0].row, progress)
        conclude(finished, as_json)
        return
    if out is not None:
        raise UsageError("--out is for your own clips; the scores of a run stay in its folder")
    frozen = target / "config.yaml"
    settings = load_config(frozen) if frozen.exists() else RunConfig()
    if metric:
        settings = parse_config({**settings.model_dump(by_alias=True), "metrics": metric})
    settings = with_workers(settings, workers)
    with shown() as progress:
        finished = rescore(target, settings, progress, force)
    conclude(finished, as_json)


def _own_clips(target: Path, name: str | None, suite: str, duration: float, metrics: list[str] | None):  # type: ignore[no-untyped-def]
    from bench.config import parse_config

    params = {"path": str(target)} if target.is_dir() else {"path": str(target.parent), "manifest": str(target)}
    label = name or (target.resolve().name if target.is_dir() else target.stem)
    content = {
        "suite": suite,
        "models": [{"name": "folder", "as": label, "params": params}],
        "duration": duration,
    }
    return parse_config({**content, "metrics": metrics} if metrics else content, "your clips")
