"""``tunebench export``: write a run, or a part of it, in a form that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Write a run, or a part of it, in a form that other programs read.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Run = Annotated[Path, typer.Argument(help="A run folder.")]
Models = Annotated[list[str] | None, typer.Option(help="Only this model's clips; may be repeated.")]


@app.command("scores")
def scores(
    run: Run,
    file: Annotated[Path, typer.Argument(help="File to write; its ending is the format: .csv, .parquet or .json.")],
) -> None:
    """Write one table of all planned clips: what was asked for, where the audio is, and every score."""
    from bench.atomic_write import replacing
    from bench.cli.progress import shown
    from bench.errors import UsageError
    from bench.scores.clip_table import FileFormat, clip_table, written
    from bench.storage.store import Store
    from bench.storage.unrecorded import note_unrecorded

    styles: dict[str, FileFormat] = {".csv": "csv", ".parquet": "parquet", ".json": "json"}
    style = styles.get(file.suffix.lower())
    if style is None:
        raise UsageError(f"{file}: the file's extension selects the format; use one of {', '.join(styles)}")
    with shown() as progress, Store.read(run) as store:
        note_unrecorded(store, progress)
        table = clip_table(store)
    try:
        with replacing(file) as temporary:
            temporary.write_bytes(written(table, style))
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    print(f"{len(table)} clips in {file}")


@app.command("bundle")
def bundle(
    run: Run,
    file: Annotated[
        Path | None,
        typer.Argument(help="The bundle, or its folder.  [default: the run's name and .tunebench.zip, here]"),
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Pack a run even if clips are missing.")] = False,
    submitter: Annotated[str, typer.Option(help="Name of the submitter, shown on a board.")] = "",
    link: Annotated[str, typer.Option(metavar="URL", help="Link to the submitter, shown on a board.")] = "",
) -> None:
    """Pack a run into one file: configuration, audio, references, scores and hashes.

    'tunebench verify' computes its tables again from the audio. It cannot prove who packed it or which models made the
    audio.
    """
    import sys

    from bench.bundle.pack import pack
    from bench.bundle.submitter import describe_submitter
    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.cli.run import MOST_LINES
    from bench.number_format import counted
    from bench.storage.failures import failure_lines, group_failures

    with shown() as progress, all_or_nothing():
        packed = pack(run, file, partial, progress, describe_submitter(submitter, link))
    lacking = f"; {counted(packed.lacking, 'planned clip')} left out" if packed.lacking else ""
    failed = f"; {counted(len(packed.failures), 'failure')} packed as such" if packed.failures else ""
    print(f"{packed.path}: {packed.clips} clips, {packed.size / 1e6:.1f} MB{lacking}{failed}")
    for line in failure_lines(group_failures(packed.failures), MOST_LINES):
        print(f"failed: {line}", file=sys.stderr)


@app.command("hf")
def hugging_face(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="A new folder, or an earlier export to bring up to date.")],
    model: Models = None,
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="The hub's identifier of the clips' license: cc-by-4.0.")
    ] = "other",
    push: Annotated[
        str | None, typer.Option(metavar="REPO", help="Push it to this dataset on the hub: NAME or OWNER/NAME.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new dataset on the hub private.")] = False,
) -> None:
    """Write clips and scores as a Hugging Face dataset: an audiofolder with a dataset card and Croissant metadata.

    --push takes the token from HF_TOKEN or a login. To resume an interrupted push, repeat the command.
    """
    from bench.cli.progress import shown
    from bench.errors import UsageError
    from bench.export.hugging_face import export

    with shown() as progress:
        done = export(run, folder, model or (), licence, progress)
    lacking = f", {done.lacking} planned clips are not made" if done.lacking else ""
    removed = f", {done.removed} older ones removed" if done.removed else ""
    print(f"{done.clips} clips in {folder}{lacking}{removed}", flush=True)
    if push is not None:
        from bench.export.push import push as push_to_hub

        print(push_to_hub(folder, push, private))
    elif private:
        raise UsageError("--private needs --push with the name of the dataset")


Clips = Annotated[int, typer.Option("--audio", min=0, help="How many clips of each row to upload.")]


@app.command("wandb")
def wandb(
    run: Run,
    project: Annotated[str, typer.Option(help="Project on Weights & Biases.")] = "tunebench",
    entity: Annotated[str | None, typer.Option(help="User or team there.  [default: your own]")] = None,
    model: Models = None,
    audio: Clips = 0,
) -> None:
    """Log a run to Weights & Biases: one run per row, with its config, numbers, tables and versions.

    Login and server are set up in wandb; WANDB_MODE=offline keeps the run local for 'wandb sync'. The same command
    brings an earlier export up to date.
    """
    from bench.cli.progress import shown
    from bench.export.weights_and_biases import log_to_wandb

    with shown() as progress:
        logged = log_to_wandb(run, project, entity, model or (), audio, progress)
    for row in logged:
        print(f"{row.label}: {row.place}")


@app.command("mlflow")
def mlflow(
    run: Run,
    experiment: Annotated[str, typer.Option(help="Experiment in MLflow; created if it does not exist.")] = "tunebench",
    model: Models = None,
    audio: Clips = 0,
) -> None:
    """Log a run to MLflow: one run per row, with its parameters, numbers, tables and versions.

    MLFLOW_TRACKING_URI sets the server; it may be a file: sqlite:///mlflow.db. The same command brings an
    earlier export up to date.
    """
    from bench.cli.progress import shown
    from bench.export.ml_flow import log_to_mlflow

    with shown() as progress:
        logged = log_to_mlflow(run, experiment, model or (), audio, progress)
    for row in logged:
        print(f"{row.label}: {row.place}")


@app.command("midi")
def midi(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="Where the files go: FOLDER/MODEL/PROMPT_SEED.mid.")],
    model: Models = None,
) -> None:
    """Write the notes of every clip whose notes are known as a MIDI file."""
    from bench.atomic_write import replacing
    from bench.contracts.notes import Notes
    from bench.errors import DataError, UsageError, one_line, suggestion
    from bench.storage.own_clips import own_clips
    from bench.storage.store import Store
    from models.composer.midi import to_midi

    with Store.read(run) as store:
        clips = own_clips(store)
    known = {clip.model for clip in clips}
    for name in model or ():
        if name not in known:
            raise UsageError(f"{run} has no clips of a model '{name}'{suggestion(name, known)}")
    chosen = [clip for clip in clips if clip.notes and (not model or clip.model in model)]
    if not chosen:
        raise DataError(f"no clip in {run} has notes; only the composer and symbolic files provide them")
    for clip in chosen:
        assert clip.notes is not None
        path = folder / clip.model / f"{clip.prompt}_{clip.seed}.mid"
        try:
            played = to_midi(Notes.from_json(clip.notes))
        except (DataError, ValueError, TypeError, KeyError, IndexError, RecursionError, ArithmeticError) as error:
            raise DataError(f"{run}: the notes of the clip {clip.id[:16]} are invalid ({one_line(error)})") from None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                played.write(str(temporary))
        except OSError as error:
            raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
    print(f"{len(chosen)} MIDI files in {folder}")
