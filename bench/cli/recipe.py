"""``tunebench train recipe``: a published experiment from its trainings through its run to its report."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import complete

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.config.recipe import Recipe
    from bench.progress import Progress
    from models.training.config import TrainConfig

    Trainings = Mapping[str, TrainConfig]


def command(
    name: Annotated[
        str, typer.Argument(help="The name of a shipped recipe, or a YAML file.", autocompletion=complete.recipes)
    ],
    out: Annotated[Path, typer.Option(help="Output folder.", show_default=False)],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Change a parameter, such as train.lora.steps=10; * is all of a level."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be made, and make nothing.")] = False,
) -> None:
    """Run a recipe: train, run the benchmark on what was trained, compare, report, and time the training.

    The same command resumes.
    """
    from bench.cli.progress import shown
    from bench.cli.run import conclude
    from bench.config.recipe import load_recipe
    from bench.errors import FailuresRecorded
    from bench.pipeline.run import run
    from models.training.config import parse_train_config

    recipe = load_recipe(name, changes or ())
    trainings = {
        label: parse_train_config(content, f"recipe '{recipe.name}': train.{label}")
        for label, content in recipe.train.items()
    }
    if dry_run:
        _print_preview(recipe, trainings)
        return
    with shown() as progress:
        trained = _train(trainings, out, progress)
        if not first_process():
            return
        _keep(recipe, out)
        finished = run(recipe.run_config(trained), out / "run", progress)
    failed: FailuresRecorded | None = None
    try:
        conclude(finished, as_json=False, plugin_files=True)
    except FailuresRecorded as recorded:  # compare what was made anyway
        failed = recorded
    _print_comparisons(recipe, finished.folder)
    if recipe.report:
        _report(finished.folder)
    if recipe.speed is not None:  # last, since full fine-tuning may run out of memory
        _print_speed(trainings[recipe.speed], out / "train" / recipe.speed)
    if failed is not None:
        raise failed


def _train(trainings: Trainings, out: Path, progress: Progress) -> dict[str, Path]:
    from models.training.train import train

    trained = {}
    for label, config in trainings.items():
        progress.note(f"training '{label}'")
        trained[label] = train(config, out / "train" / label, progress).folder.absolute()
    return trained


def _print_comparisons(recipe: Recipe, run: Path) -> None:
    from bench.cli.compare import comparison
    from bench.cli.output import page_layout
    from bench.cli.progress import shown
    from bench.comparison.compare import ComparisonOptions
    from bench.comparison.trainings import is_pattern

    laid_out = page_layout()
    for a, b in recipe.compare:
        # The effect of a tuning differs between genres; several trainings show whether it exceeds chance.
        options = ComparisonOptions(by="genre" if is_pattern(b) else None, plugin_files=True)
        with shown() as progress:
            content = comparison(run, a, b, options=options, progress=progress, layout=laid_out)
        print(f"\n{content}", flush=True)


def _report(run: Path) -> None:
    from bench.cli.progress import shown
    from bench.report.build import build_report

    with shown() as progress:
        folder = build_report(run, progress=progress)
    print(f"\n{folder / 'index.html'}", flush=True)


def _print_speed(config: TrainConfig, training: Path) -> None:
    """Print the speed of LoRA and of full fine-tuning, timed once."""
    import json

    from bench.atomic_write import replace_file
    from bench.cli.progress import shown
    from models.training.speed import compare_speed
    from models.training.speed_report import report, table

    kept = training / "speed.txt"
    if not kept.is_file():
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            print("speed: not timed under 'accelerate launch'; run the same command without it", file=sys.stderr)
            return
        with shown() as progress:
            comparison = compare_speed(config, cache=training / "cache", progress=progress)
        replace_file(training / "speed.json", json.dumps(report(comparison), indent=2, ensure_ascii=False) + "\n")
        replace_file(kept, table(comparison) + "\n")
    print(f"\n{kept.read_text(encoding='utf-8')}", end="")


def _keep(recipe: Recipe, out: Path) -> None:
    """Store the recipe, as it was run, with its results."""
    from bench.atomic_write import replace_file
    from bench.schema import put_schema_beside

    replace_file(out / "recipe.yaml", recipe.as_yaml())
    put_schema_beside("recipe", out)


def first_process() -> bool:
    """Return whether this is the process that does what follows the training (under ``accelerate launch``)."""
    return int(os.environ.get("RANK", "0")) == 0


def _print_preview(recipe: Recipe, trainings: Trainings) -> None:
    from bench.contracts.prompt_suite import load_suite_named
    from bench.errors import TunebenchError
    from models.training.preview import preview

    problem: TunebenchError | None = None
    print(recipe.about.strip())
    for label, config in trainings.items():
        kind = "DoRA" if config.lora.dora else "LoRA"
        how = f"{kind} of rank {config.lora.rank}" if config.method == "lora" else "all weights"
        print(f"\ntraining '{label}': {how}, {config.base.checkpoint}")
        try:
            seen = preview(config)
        except TunebenchError as error:
            problem = problem or error
            print(f"  {error}")
            continue
        about = "" if config.steps else "at most "
        print(f"  {about}{seen.steps:,} steps of {config.batch * config.accumulation}; {seen.examples:,} examples")
        if seen.weights is None:
            print("  weights: counted after the checkpoint is downloaded")
        else:
            print(f"  {seen.weights.trained:,} of {seen.weights.of:,} weights trained")
    if recipe.speed is not None:
        print(f"\nspeed: '{recipe.speed}' against full fine-tuning")
    settings = recipe.run_config({label: Path(label) for label in trainings})
    prompts = len(load_suite_named(settings.suite).part(settings.split).prompts[: settings.limit])
    print(f"\nrun: clips of {settings.duration:g} s")
    for model in settings.models:
        seeds = settings.seeds_of(model)
        print(f"  {model.row}: {prompts * (1 if isinstance(seeds, str) else len(seeds))}")
    print(f"scored by {', '.join(metric.name for metric in settings.metrics)}")
    if recipe.compare:
        print(f"\ncompared: {', '.join(f'{b} with {a}' for a, b in recipe.compare)}")
    if recipe.report:
        print("\nthen a report is written")
    if problem is not None:
        raise problem
