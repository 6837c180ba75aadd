"""``tunebench score``: score clips that exist, those of a run or your own."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.run import AsJson, Out, Workers

if TYPE_CHECKING:
    from bench.config import RunConfig


def command(
    target: Annotated[
        Path, typer.Argument(help="A run folder; or a folder or manifest (CSV, JSONL) of your own clips.")
    ],
    metric: Annotated[list[str] | None, typer.Option(help="Score with this metric only; may be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Compute again what has a score.")] = False,
    suite: Annotated[
        str | None, typer.Option(help="For your own clips: the suite they answer.  [default: genres@1]")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="For your own clips: longer ones are cut to so many seconds.  [default: 10]")
    ] = None,
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
    from bench.errors import UsageError
    from bench.runner import rescore, run

    own = {"--suite": suite, "--duration": duration, "--name": name, "--out": out}
    if (target / "run.db").is_file():
        for option, value in own.items():
            if value is not None:
                raise UsageError(f"{option} is for your own clips, and {target} is a run folder")
        settings = with_workers(_of_run(target, metric), workers)
        with shown() as progress:
            finished = rescore(target, settings, progress, force)
    else:
        if not target.exists():
            raise UsageError(f"there is no run folder, folder or manifest {target}")
        if force:
            raise UsageError(f"--force is for run folders, and {target} is none (it has no run.db)")
        label = name or re.sub(r"[^A-Za-z0-9._=@+-]+", "-", target.resolve().stem).strip("-.") or "clips"
        settings = with_workers(_of_clips(target, label, suite or "genres@1", duration, metric), workers)
        with shown() as progress:
            finished = run(settings, out or Path("results") / label, progress)
    conclude(finished, as_json)


def _of_run(folder: Path, metrics: list[str] | None) -> RunConfig:
    """The run's configuration; with ``metrics`` only those, with the parameters that it has for them."""
    from bench.config import RunConfig, load_config, metrics_named, parse_config
    from bench.errors import UsageError

    frozen = folder / "config.yaml"
    if not frozen.exists() and not metrics:
        raise UsageError(f"{frozen} is gone, so what to score with is not known; name it with --metric")
    settings = load_config(frozen) if frozen.exists() else RunConfig()
    if not metrics:
        return settings
    configured = settings.metrics if frozen.exists() else ()
    chosen = [metric.model_dump() for metric in metrics_named(metrics, configured)]
    return parse_config({**settings.model_dump(by_alias=True), "metrics": chosen})


def _of_clips(target: Path, label: str, suite: str, duration: float | None, metrics: list[str] | None) -> RunConfig:
    """A configuration of the clips alone, with every seed that there is; files that answer no prompt are named."""
    from bench.config import parse_config
    from bench.plan import load_suite_named
    from models.folder import FolderModel

    params = {"path": str(target)} if target.is_dir() else {"path": str(target.parent), "manifest": target.name}
    prompts = load_suite_named(suite).prompts
    clips = FolderModel(**params)
    if unused := clips.unused(prompts):
        more = f" and {len(unused) - 5} more" if len(unused) > 5 else ""
        print(f"{', '.join(unused[:5])}{more}: for no prompt of {suite}, left out", file=sys.stderr)
    content: dict[str, Any] = {
        "suite": suite,
        "models": [{"name": "folder", "as": label, "params": params}],
        "seeds": clips.seeds(prompts) or [0],
        **({"duration": duration} if duration is not None else {}),
        **({"metrics": metrics} if metrics else {}),
    }
    return parse_config(content, "your clips")
