"""The rows that folders and manifests of clips make, each a ``folder`` model with a name that a folder can have."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts.prompt import Prompt
from bench.errors import DataError, UsageError
from bench.file_names import looked_for
from bench.number_format import counted
from models.folder import ENDINGS, FolderModel
from models.manifest import models_in, read_manifest, some

_DEPTH = 3  # levels below a folder that are searched for clips
_LONGEST = 80


@dataclass(frozen=True)
class ClipRow:
    """A row of clips that already exist.

    Attributes:
        label: its name in tables.
        target: the folder or manifest that it comes from.
        model: the value of the manifest's column ``model``, or None.
    """

    label: str
    target: Path
    model: str | None = None

    @property
    def params(self) -> dict[str, str]:
        """Return parameters of the ``folder`` model; paths are as they were given."""
        if self.target.is_dir():
            return {"path": str(self.target)}
        named = {} if self.model is None else {"model": self.model}
        return {"path": str(self.target.parent), "manifest": self.target.name, **named}


@dataclass(frozen=True)
class Coverage:
    """How many clips a row has of a suite, the ids of the prompts without any, and the files that are of no prompt."""

    clips: int
    without: list[str]
    unused: list[str]


def clip_rows(targets: Sequence[Path], names: Sequence[str] = ()) -> list[ClipRow]:
    """Return the rows of folders and manifests: one for each, or one for each model that a manifest names.

    Args:
        targets: folders and manifests (CSV or JSONL).
        names: of the rows, in their order; otherwise rows are called as their folder, manifest or model.

    Raises:
        UsageError: a target does not exist or is named twice, two rows would have one name, or ``names`` are of
            another number than the rows.
        DataError: a manifest has a mistake.
    """
    seen: dict[Path, Path] = {}
    for target in targets:
        if not target.exists():
            raise UsageError(f"there is no run folder, folder or manifest {target}{looked_for(target)}")
        if seen.setdefault(target.resolve(), target) is not target:
            raise UsageError(f"{target} is named twice")
    rows = [row for target in targets for row in _rows_of(target)]
    if not names:
        _refuse_one_name(rows)
        return rows
    if len(names) != len(rows):
        labels = some([row.label for row in rows])
        counts = f"{counted(len(names), 'name')} for {counted(len(rows), 'row')}"
        raise UsageError(f"{counts} ({labels}); give --name once for each, or not at all")
    return [ClipRow(name, row.target, row.model) for name, row in zip(names, rows, strict=True)]


def coverage(row: ClipRow, prompts: Sequence[Prompt]) -> Coverage:
    """Return what a row has of the prompts of a suite.

    Raises:
        UsageError: the manifest's model does not exist.
        DataError: the manifest has a mistake, or the folder cannot be listed.
    """
    model = FolderModel(**row.params)
    seeds = model.available(prompts)
    without = [prompt.id for prompt in prompts if prompt.id not in seeds]
    return Coverage(sum(map(len, seeds.values())), without, model.unused(prompts))


def folders_of_clips(folder: Path) -> list[Path]:
    """Return the folders below one that hold clips themselves, in alphabetical order, three levels down at most."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if here != folder and holds_clips(files):
            found.append(here)
        if len(here.relative_to(folder).parts) >= _DEPTH:
            folders.clear()
    return found


def manifests_in(folder: Path) -> list[Path]:
    """Return the files of a folder that can be read as manifests, in alphabetical order."""
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".jsonl")):
        try:
            read_manifest(path)
        except (DataError, UsageError):
            continue  # another table
        found.append(path)
    return found


def holds_clips(files: Sequence[str]) -> bool:
    """Return whether one of some file names is that of a clip."""
    return any(name.lower().endswith(ENDINGS) for name in files)


def label_of(name: str) -> str:
    """Return a name as a row and its folder can have it.

    >>> label_of("My system (v2)"), label_of("Überarbeitet"), label_of("日本")
    ('My-system-v2', 'Uberarbeitet', 'clips')
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub(r"[^A-Za-z0-9._=@+-]+", "-", plain).strip("-._=@+")[:_LONGEST].rstrip("-.") or "clips"


def name_of(target: Path) -> str:
    """Return what a folder or manifest is called."""
    place = target.resolve()
    return label_of(place.name if place.is_dir() else place.stem)


def _rows_of(target: Path) -> list[ClipRow]:
    models = [] if target.is_dir() else models_in(read_manifest(target))
    return [ClipRow(label_of(model), target, model) for model in models] or [ClipRow(name_of(target), target)]


def _refuse_one_name(rows: Sequence[ClipRow]) -> None:
    first: dict[str, ClipRow] = {}
    for row in rows:
        # Two folders whose names differ in capitals are one folder on some disks.
        other = first.setdefault(row.label.casefold(), row)
        if other is row:
            continue
        one, two = (f"model '{r.model}' of {r.target}" if r.model else str(r.target) for r in (other, row))
        names = " ".join(f"--name NAME{place}" for place in range(1, len(rows) + 1))
        raise UsageError(f"{one} and {two} would both be called '{row.label}'; name the rows in their order: {names}")
