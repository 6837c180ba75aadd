"""The formats of datasets that people bring, and how they are detected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from bench.errors import DataError, UsageError
from bench.file_names import looked_for
from bench.recordings import recordings_in
from models.training.config import DataConfig
from models.training.dataset import Skipped
from models.training.examples import (
    LONGEST_CAPTION,
    PARTS,
    Listing,
    Named,
    file_problem,
    home_of,
    list_files,
    relative,
    skip,
)
from models.training.latent_files import ENDINGS as LATENT_ENDINGS
from models.training.latent_files import latents_in, read_description, read_details, source_of
from models.training.musiccaps import is_musiccaps, list_musiccaps
from models.training.recording_groups import series
from models.training.tables import Table, TableRow, read_object, read_table

FileFormat = Literal["captions", "manifest", "audiofolder", "audioldm", "musiccaps", "latents"]

METADATA = ("metadata.csv", "metadata.jsonl")
LARGEST_SIDECAR = 2**20  # bytes of a JSON file beside an audio file
CAPTION_COLUMNS = ("caption", "text", "description", "prompt")

# The kind of file that each format is read from.
_ENDINGS: dict[FileFormat, tuple[str, ...]] = {
    "manifest": (".csv", ".jsonl"),
    "audioldm": (".json",),
    "musiccaps": (".csv",),
}
_CAPTIONS_HELP = (
    "write each file's caption into a text file of the same name (song.wav, song.txt; or song.json with a caption), or "
    "name a manifest (.csv or .jsonl with the columns file and caption)"
)


def list_examples(config: DataConfig) -> tuple[FileFormat, Listing]:
    """Read what a dataset of files lists, without decoding any audio or running any code.

    Returns:
        Its format, detected if the configuration does not name one, and the examples.

    Raises:
        UsageError: there is no such path, or the format is not read from it.
        DataError: a mistake in a table, or a format that cannot be detected.
    """
    path = Path(config.path).expanduser()
    if not path.exists():
        raise UsageError(
            f"data: there is no '{config.path}'{looked_for(path)}; name a folder or a manifest, or 'composer'"
        )
    if config.format == "composer":
        raise UsageError(f"data: format composer takes no files; set path to 'composer', not '{config.path}'")
    kind = detect(path) if config.format == "auto" else config.format
    endings = _ENDINGS.get(kind)
    if endings is None and not path.is_dir():
        raise UsageError(f"data: format {kind} is a folder, and '{config.path}' is a file")
    if endings is not None and not (path.is_file() and path.suffix.lower() in endings):
        raise UsageError(f"data: format {kind} is a {' or '.join(endings)} file, and '{config.path}' is not")
    audio = config.audio and config.audio.expanduser()
    if audio is not None and kind in ("captions", "audiofolder", "latents"):
        raise UsageError(f"data: 'audio' does not work with format {kind}, whose files lie in its folder; leave it out")
    if audio is not None and not audio.is_dir():
        raise UsageError(f"data: there is no folder 'audio: {audio}'{looked_for(audio)}")
    if kind == "captions":
        return kind, _captions(path)
    if kind == "audiofolder":
        return kind, _audiofolder(path)
    if kind == "latents":
        return kind, _latents(path)
    if kind == "musiccaps":
        return kind, list_musiccaps(path, audio)
    table = read_table(path)
    file = table.column("wav") if kind == "audioldm" else table.column("file", "file_name")
    return kind, list_files(path.name, audio or path.parent, _named(table, _file_in(file)))


def detect(path: Path) -> FileFormat:
    """Detect the format of what an existing path holds.

    Raises:
        DataError: it cannot be detected; the message lists what was looked for.
    """
    if path.is_file():
        if path.suffix.lower() == ".csv":
            return "musiccaps" if is_musiccaps(path) else "manifest"
        for kind in ("manifest", "audioldm"):
            if path.suffix.lower() in _ENDINGS[kind]:
                return kind
        raise DataError(f"{path}: not a dataset; a manifest is a .csv or .jsonl file, AudioLDM's a .json file")
    if any(_metadata(path)):
        return "audiofolder"
    latents = latents_in(path)
    tables = sorted(item.name for item in path.iterdir() if item.suffix.lower() in (".csv", ".jsonl", ".json"))
    try:
        audio = recordings_in(path)
    except DataError:
        if latents:
            return "latents"
        if not tables:
            raise
        audio = []
    if any(_sidecar_of(item.path) for item in audio):
        return "captions"
    if tables:
        raise DataError(
            f"{path}: looked for {' or '.join(METADATA)} and for text files named like the audio, and found neither; "
            f"it holds {', '.join(tables[:3])}: name that file as the path, if it is a manifest"
        )
    raise DataError(f"{path}: there is audio, but no captions; {_CAPTIONS_HELP}")


def _captions(folder: Path) -> Listing:
    home = home_of(folder)
    audio = recordings_in(folder)
    if not any(_sidecar_of(item.path) for item in audio):
        raise DataError(f"{folder}: no audio file has a caption; {_CAPTIONS_HELP}")
    named, unusable = [], []
    for item in audio:
        sidecar = _sidecar_of(item.path) or item.path.with_suffix(".txt")
        try:
            named.append(_captioned(item.id, sidecar, home))
        except DataError as error:
            unusable.append(skip(item.id, f"its caption {sidecar.name}: {error}".replace(f"{sidecar}: ", "")))
    return list_files(_name(folder), folder, named, unusable)


def _captioned(file: str, sidecar: Path, home: Path) -> Named:
    """Return an audio file with the content of the file beside it: its caption, or a JSON object that holds one."""
    text = _read_sidecar(sidecar, home)
    if sidecar.suffix == ".txt":
        return Named(file, text, part=_part(file))
    (named,) = _named(read_object(sidecar, text), lambda _: file)
    return replace(named, part=named.part or _part(file))


def _read_sidecar(file: Path, home: Path) -> str:
    if problem := file_problem(file, home):
        raise DataError(problem)
    try:
        most = 4 * LONGEST_CAPTION if file.suffix == ".txt" else LARGEST_SIDECAR
        if file.stat().st_size > most:
            raise DataError(f"longer than {most} bytes")
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from None


def _audiofolder(folder: Path) -> Listing:
    found = _metadata(folder)
    if not found:
        raise DataError(f"{folder}: no {' or '.join(METADATA)} in it or in its folders")
    named: list[Named] = []
    for path in found:
        if problem := file_problem(path, home_of(folder)):
            raise DataError(f"{path}: {problem}")
        table = read_table(path)
        inside = path.parent.relative_to(folder)
        for item in _named(table, _file_in(table.column("file_name"))):
            file = (inside / item.file).as_posix()
            named.append(replace(item, file=file, part=item.part or _part(file)))
    return list_files(_name(folder), folder, named)


def _latents(folder: Path) -> Listing:
    """List latents, whose recording is the file that they were encoded from, or its series."""
    home, found = home_of(folder), latents_in(folder)
    if not found:
        raise DataError(
            f"{folder}: no latents in it: {' or '.join(LATENT_ENDINGS)} files with a .json file beside each"
        )
    named: list[Named] = []
    sources: dict[str, str | None] = {}
    unusable: list[Skipped] = []
    for path in found:
        file = path.relative_to(folder).as_posix()
        try:
            if problem := file_problem(path.with_suffix(".json"), home):
                raise DataError(problem)
            table = read_description(path)
            named += [replace(item, file=file) for item in _named(table, lambda _: "")]
            sources[file] = source_of(table.rows[0])
        except DataError as error:
            unusable.append(skip(file, str(error).replace(f"{path.with_suffix('.json')}: ", f"{path.stem}.json: ")))
    numbered = series({source for source in sources.values() if source})
    named = [replace(item, recording=item.recording or numbered.get(sources[item.file] or "")) for item in named]
    listing = list_files(_name(folder), folder, named, unusable)
    told = read_details(folder)
    arguments = told.get("args") if isinstance(told.get("args"), dict) else {}
    encoder = Path(str((arguments or {}).get("ckpt_path") or "an unknown autoencoder")).name
    about = {
        "encoded_with": encoder,
        "sounds": "not known, only latents: recordings shared with a reference set are not found",
    }
    return replace(listing, about={**listing.about, **about})


def _metadata(folder: Path) -> list[Path]:
    found = [path for name in METADATA for path in folder.rglob(name)]
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def _named(table: Table, file_of: Callable[[TableRow], str]) -> list[Named]:
    caption = table.column(*CAPTION_COLUMNS)
    recording, genre, part = (table.optional(name) for name in ("recording", "genre", "split"))
    named = []
    for row in table.rows:
        word = row.text(part)
        if word and word.lower() not in PARTS:
            raise DataError(f"{row.place}: '{part}' is '{word}', must be train, validation or test")
        named.append(
            Named(
                file_of(row),
                row.text(caption),
                row.text(recording) or None,
                row.text(genre) or None,
                PARTS[word.lower()] if word else None,
            )
        )
    return named


def _file_in(column: str) -> Callable[[TableRow], str]:
    """Return a function that reads a row's file from a column, a path inside the dataset's folder."""

    def file(row: TableRow) -> str:
        if not (name := row.text(column)):
            raise DataError(f"{row.place}: no file is named in the column '{column}'")
        return relative(name, row.place)

    return file


def _part(file: str) -> Literal["train", "validation", "test"] | None:
    """Return the part that a file's first folder names."""
    folder, slash, _ = file.partition("/")
    return PARTS.get(folder.lower()) if slash else None


def _sidecar_of(audio: Path) -> Path | None:
    """Return the file beside an audio file that holds its caption: a text, or else a JSON object."""
    return next((file for ending in (".txt", ".json") if (file := audio.with_suffix(ending)).is_file()), None)


def _name(folder: Path) -> str:
    return folder.resolve().name or "data"
