"""``tunebench train``: tune a model, record how it was chosen, merge an adapter, and time LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import recipe

if TYPE_CHECKING:
    from models.training.config import TrainConfig

app = typer.Typer(
    help="Tune a model with LoRA or fully, merge an adapter, compare speeds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("recipe")(recipe.command)

Config = Annotated[Path, typer.Argument(help="A YAML configuration of a training.")]


@app.command("run")
def run(
    config: Config,
    out: Annotated[Path, typer.Option(help="The training's folder.", show_default=False)],
) -> None:
    """Start or resume a training, and write an adapter or a checkpoint.

    The same command resumes. Under 'accelerate launch' it runs on many devices.
    """
    from bench.cli.progress import shown

    settings = _settings(config)
    from models.card import read_card
    from models.training.model_card import run_entry
    from models.training.train import train

    with shown() as progress:
        trained = train(settings, out, progress)
    if not recipe.first_process():
        return
    card = read_card(trained.folder)
    if trained.base_loss is None or trained.best_loss is None:
        print(f"{trained.steps} steps; no validation, as nothing was held out")
    else:
        change = f" ({(trained.best_loss / trained.base_loss - 1) * 100:+.1f} %)" if trained.base_loss else ""
        print(
            f"{trained.steps} steps; validation loss: base {trained.base_loss:.4f}, "
            f"step {trained.step} {trained.best_loss:.4f}{change}"
        )
    if trained.epochs_per_hour is not None:
        print(f"{trained.epochs_per_hour:.4g} epochs/hour; {card.trainable:,} of {card.parameters:,} weights trained")
    print(f"{trained.folder}\n\nTo compare it with its base, in the configuration of a run:\n")
    print(run_entry(card, str(trained.folder)))


@app.command("merge")
def merge(
    adapter: Annotated[Path, typer.Argument(help="Folder or file of an adapter.")],
    out: Annotated[Path, typer.Argument(help="Where the checkpoint goes; must be new or empty.")],
    checkpoint: Annotated[
        str | None, typer.Option(help="Its base, a hub id or a folder.  [default: the one that the adapter names]")
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Commit, tag or branch of the base on the hub.  [default: the one that the adapter names]"),
    ] = None,
    scale: Annotated[float, typer.Option(min=0.0, help="Weight of the adapter; 1 is as trained.")] = 1.0,
) -> None:
    """Write the base with an adapter merged into it: a checkpoint, used in runs as 'checkpoint:'."""
    from bench.cli.interrupt import all_or_nothing
    from bench.cli.streams import plugins_to_stderr

    _require()
    from models.training.merging import merge as merge_adapter

    with all_or_nothing(), plugins_to_stderr():
        made = merge_adapter(adapter, out, checkpoint, revision, scale)
    print(made)


@app.command("chosen-by")
def chosen_by(
    adapter: Annotated[Path, typer.Argument(help="The folder of an adapter or checkpoint that was trained here.")],
    run: Annotated[Path, typer.Argument(help="The run folder whose scores chose it.")],
) -> None:
    """Write into a card that a run's scores chose the step, strength or guidance: runs with its prompts mark it."""
    from bench.pipeline.read_run import Run

    suite = Run(run).suite()
    from models.training.choices import record_choice

    record_choice(adapter, suite, f"chosen by {run.resolve().name}")
    split = f" ({', '.join(sorted(suite.declared))})" if suite.splits else ""
    print(f"{adapter}: chosen by {len(suite.prompts)} prompts of {suite.ref}{split}; runs with these prompts mark it")


@app.command("speed")
def speed(
    config: Config,
    memory_limit: Annotated[
        float | None,
        typer.Option(min=0.0, help="GB (10⁹ bytes) that either method may use.  [default: what the device has]"),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of latents, such as OUT/cache of a training.  [default: a temporary one]"),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps timed in each of five rounds.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Time LoRA against full fine-tuning on the same base and data: at one batch, and each at its best batch."""
    import json

    from bench.cli.interrupt import all_or_nothing
    from bench.cli.output import page_layout
    from bench.cli.progress import shown

    settings = _settings(config)
    from models.training.speed import compare_speed
    from models.training.speed_report import report, table

    limit = None if memory_limit is None else int(memory_limit * 1e9)
    with shown() as progress, all_or_nothing():
        comparison = compare_speed(settings, limit, cache, steps, progress)
    print(json.dumps(report(comparison), indent=2, ensure_ascii=False) if as_json else table(comparison, page_layout()))


def _settings(path: Path) -> TrainConfig:
    from models.training.config import load_train_config

    settings = load_train_config(path)
    _require()
    return settings


def _require() -> None:
    """Raise before any data is read if the extra is not installed."""
    from importlib.util import find_spec

    from bench.errors import MissingError

    needed = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise MissingError(f"training needs {', '.join(missing)}: pip install 'tunebench[diffusion]'")
