"""The examples that a dataset lists before any of its audio is decoded, and the rules that all formats share."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from bench.errors import DataError
from bench.file_names import as_on_disk
from models.training.dataset import Example, Skipped
from models.training.recording_groups import series
from models.training.tables import is_missing

LONGEST_CAPTION = 10_000  # characters; a longer text is no caption of a piece of music

MEND = "put both into one part, or say in a column 'recording' what belongs together"

# The names that datasets use for their parts.
PARTS: Mapping[str, Literal["train", "validation", "test"]] = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "eval": "validation", "evaluation": "validation", "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """The examples that a dataset names.

    Attributes:
        name: the dataset's.
        examples: those whose file exists and whose caption can be used, in any order.
        unusable: what cannot be used because of a mistake or damage; counts towards ``bad_share``.
        absent: what is known to be missing, such as clips that were taken down; does not count.
        longest: for some examples, the most seconds that their caption describes, by id.
        about: what a card says about it.
    """

    name: str
    examples: tuple[Example, ...]
    unusable: tuple[Skipped, ...] = ()
    absent: tuple[Skipped, ...] = ()
    longest: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """One captioned file as a dataset names it: a path relative to the dataset's folder, with forward slashes.

    recording, genre and part are None where the dataset does not say.
    """

    file: str
    caption: str
    recording: str | None = None
    genre: str | None = None
    part: Literal["train", "validation", "test"] | None = None


def list_files(name: str, root: Path, named: Sequence[Named], unusable: Sequence[Skipped] = ()) -> Listing:
    """List files in a folder.

    A recording is what the dataset calls one; otherwise a numbered series (see `models.training.recording_groups`), or
    a file, whatever its ending. A file that is named again is another example of the same sound. What belongs to a test
    set is left out altogether: it is only for judging, once, what was trained.

    Args:
        name: the dataset's.
        root: the folder.
        named: the files; those that are missing, lie outside the folder or have no usable caption become unusable.
        unusable: files that are known to be unusable already.

    Raises:
        DataError: a leak: one recording is in the test set and outside of it.
    """
    home = home_of(root)
    numbered = series(item.file for item in named if item.recording is None)
    recordings = [unicodedata.normalize("NFC", item.recording or numbered[item.file]) for item in named]
    tests = {recording: item for item, recording in zip(named, recordings, strict=True) if item.part == "test"}
    ids: set[str] = set()
    examples, bad = [], list(unusable)
    for item, recording in zip(named, recordings, strict=True):
        if item.part == "test":
            continue
        if recording in tests:
            raise DataError(
                f"{name}: a leak: '{tests[recording].file}' is for testing, '{item.file}' is not, and they are from "
                f"one recording, '{recording}'; {MEND}"
            )
        id = _new_id(item.file, ids)
        caption = " ".join(item.caption.split())
        texts = {"the name": id, "the recording's name": recording, "the genre": item.genre or ""}
        path = as_on_disk(root / item.file)
        problems = [file_problem(path, home), caption_problem(caption)]
        problems += [text_problem(text, what) for what, text in texts.items()]
        if problem := next(filter(None, problems), None):
            bad.append(skip(id, problem))
            continue
        examples.append(
            Example(
                id=id,
                recording=recording,
                path=path,
                caption=caption,
                genre=item.genre,
                evaluation=item.part == "validation",
                assigned=item.part,
            )
        )
    return Listing(name, tuple(examples), tuple(bad), about=_about(named, numbered))


def _new_id(file: str, taken: set[str]) -> str:
    """Return the file's name, with a number if it is taken; the same on systems that spell accents as two
    characters."""
    name = id = unicodedata.normalize("NFC", file)
    for number in count(2):
        if id not in taken:
            break
        id = f"{name}#{number}"
    taken.add(id)
    return id


def _about(named: Sequence[Named], numbered: Mapping[str, str]) -> dict[str, Any]:
    kept = [item for item in named if item.part != "test"]
    stated = len({item.recording for item in kept if item.recording is not None})
    files = Counter(numbered[file] for file in {item.file for item in kept if item.recording is None})
    clips = [count for count in files.values() if count > 1]
    kinds = {
        f"{stated} as the dataset names them": stated,
        f"{len(clips)} as series of files that differ in a number or an ending, {sum(clips)} files": clips,
        f"{len(files) - len(clips)} as single files": len(files) - len(clips),
    }
    about: dict[str, Any] = {"listed": len(named), "recording": "; ".join(kind for kind, some in kinds.items() if some)}
    if len(kept) < len(named):
        about["test_left_out"] = len(named) - len(kept)
    return about


def skip(id: str, why: str) -> Skipped:
    """Return a `Skipped` that can be printed, whatever bytes a file name holds.

    Args:
        id: of the example.
        why: the reason, in words.
    """
    return Skipped(" ".join(id.split()).encode(errors="replace").decode(), " ".join(why.split()))


def text_problem(text: str, what: str) -> str | None:
    """Return why a text cannot be stored as UTF-8, or None if it can; ``what`` is the word for it in the answer."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{what} is not valid Unicode"
    return None


def caption_problem(caption: str) -> str | None:
    """Return why a caption, with runs of white space collapsed, cannot be used, or None if it can."""
    if is_missing(caption):
        return "there is no caption"
    if len(caption) > LONGEST_CAPTION:
        return f"the caption has {len(caption)} characters, more than {LONGEST_CAPTION}"
    if "\0" in caption:
        return "the caption holds a zero byte"
    return text_problem(caption, "the caption")


def home_of(folder: Path) -> Path:
    """Return the resolved folder that links in a dataset may lead to: its own, or the hub's cache for a dataset in it,
    since every file of a snapshot there is a link to a blob beside it."""
    folder = folder.resolve()
    for parent in folder.parents:
        if parent.name == "snapshots" and (parent.parent / "blobs").is_dir():
            return parent.parent
    return folder


def file_problem(path: Path, home: Path) -> str | None:
    """Return why a file must not or cannot be read, or None if it can. A link is data too: it must not lead from a
    downloaded folder to the user's own files, out of ``home``, which is resolved."""
    try:
        if not path.resolve().is_relative_to(home):
            return "the link leads out of the dataset's folder; copy the file there"
        return None if path.is_file() else "there is no such file"
    except (OSError, RuntimeError, ValueError):  # a name too long, a link to itself, a zero byte
        return "there is no such file"


def relative(file: str, place: str) -> str:
    """Return a path that a dataset names as a path inside its folder with forward slashes.

    Args:
        file: the path, as any system writes it.
        place: where it is named, for the message.

    Raises:
        DataError: it is absolute, or leads out of the folder.
    """
    for flavour in (PurePosixPath(file), PureWindowsPath(file)):
        if flavour.anchor or ".." in flavour.parts:
            raise DataError(f"{place}: '{file}' must be a path inside the dataset's folder")
    return PurePosixPath(file).as_posix()
