"""``tunebench models``: make small checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make small checkpoints to try things with.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep this a group of commands even while it has only one."""


@app.command("make-tiny")
def make_tiny(
    kind: Annotated[
        str,
        typer.Argument(help="stable-audio, stable-audio-3, audioldm, audioldm2, musicgen, ace-step or longcat-audio."),
    ],
    folder: Annotated[Path, typer.Argument(help="Where the checkpoint goes; must be new or empty.")],
    adapter: Annotated[
        Path | None, typer.Option(help="Write a LoRA adapter for it into this folder too.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the weights.")] = 0,
) -> None:
    """Write a checkpoint of a few hundred kilobytes with random weights, which plays noise.

    It is loaded by the code that loads the published one: `checkpoint: FOLDER`, and `adapter: FOLDER`.
    """
    from bench.cli.streams import plugins_to_stderr
    from bench.errors import UsageError
    from models import tiny

    try:
        with plugins_to_stderr():
            tiny.make(kind, folder, seed)
            if adapter:
                tiny.make_adapter(kind, folder, adapter, seed)
    except OSError as error:
        raise UsageError(f"cannot write to {error.filename or folder}: {error.strerror}") from error
    for path in (folder, *([adapter] if adapter else [])):
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        print(f"{path}: {size / 1e3:.0f} kB")


@app.command("make-nano")
def make_nano(
    kind: Annotated[str, typer.Argument(help="audioldm.")],
    folder: Annotated[Path, typer.Argument(help="Folder of its stages; the checkpoint is FOLDER/checkpoint.")],
    hold_out: Annotated[
        str, typer.Option("--hold-out", metavar="GENRE", help="The genre that the network is not trained on.")
    ] = "pop",
    effort: Annotated[float, typer.Option(help="Share of clips and steps; use a value below 1 for a trial.")] = 1.0,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Number of processes that compose.")] = 2,
) -> None:
    """Make the small checkpoint audioldm-nano, as shipped: compose music, train every part, write a card.

    Takes three to four hours on two cores, best alone on the machine. The same command resumes.
    """
    from bench.cli.progress import shown
    from bench.errors import UsageError
    from models.nano.make import NanoPlan, make

    try:
        with shown() as progress:
            made = make(NanoPlan(kind, folder, hold_out, effort, jobs), progress)
    except OSError as error:
        raise UsageError(f"cannot write to {error.filename or folder}: {error.strerror}") from error
    size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
    print(f"{made}: {size / 1e6:.1f} MB")
