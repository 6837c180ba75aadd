"""``tunebench export``: take something out of a run in a form that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Take something out of a run in a form that other programs read.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """A group of commands even while it has one."""


@app.command("midi")
def midi(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    folder: Annotated[Path, typer.Argument(help="Where the files go: FOLDER/MODEL/PROMPT_SEED.mid.")],
    model: Annotated[list[str] | None, typer.Option(help="Only this model's clips; may be repeated.")] = None,
) -> None:
    """Write the notes of every clip whose notes are known as a MIDI file."""
    from bench.errors import DataError, UsageError, suggestion
    from bench.notes import Notes
    from bench.store import Store
    from models.composer.midi import to_midi

    with Store.read(run) as store:
        clips = store.made()
    known = {clip.model for clip in clips}
    for name in model or ():
        if name not in known:
            raise UsageError(f"{run} has no clips of a model '{name}'{suggestion(name, known)}")
    chosen = [clip for clip in clips if clip.notes and (not model or clip.model in model)]
    if not chosen:
        raise DataError(f"the notes of no clip in {run} are known; only the composer and symbolic files have them")
    try:
        for clip in chosen:
            assert clip.notes is not None
            path = folder / clip.model / f"{clip.prompt}_{clip.seed}.mid"
            path.parent.mkdir(parents=True, exist_ok=True)
            to_midi(Notes.from_json(clip.notes)).write(str(path))
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
    print(f"{len(chosen)} MIDI files in {folder}")
