"""Track the files of a report in its folder, so that updates touch nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from bench.atomic_write import replace_file
from bench.errors import UsageError
from bench.regular_file import read_bytes
from bench.run_lock import take

_MARKER, _KIND = "{}.json", "tunebench {}"  # for a kind of pages
_LOCK = "{}.lock"  # always empty, as folders are shared and should not reveal this computer's name
MARKER, LOCK = _MARKER.format("report"), _LOCK.format("report")
_FORMAT = 1


class OutputFolder:
    """The pages of one report's folder, listed in its ``report.json``; sounds and pictures are `bench.report.media`'s.

    Only one build at a time may use it. The list is written before the files, so that a killed build leaves no
    unlisted files. Pages of another kind than a report, such as a ``board``, are listed in a file of that name.
    """

    def __init__(self, folder: Path, files: Sequence[str], kind: str = "report") -> None:
        self._folder = folder
        self._files = list(files)
        self._kind = kind

    @classmethod
    @contextmanager
    def of(cls, folder: Path, kind: str = "report") -> Iterator[OutputFolder]:
        """Lock a folder for the duration of a block: a new or an empty one, or one with pages of this kind.

        Raises:
            UsageError: it has other content, is not a folder, cannot be written to, or another build is running in it.
        """
        with writing(folder):
            _refuse_others(folder, kind)
            lock = _locked(folder, kind)
        with lock:
            with writing(folder):
                marker = folder / _MARKER.format(kind)
                own = cls(folder, _listed(marker, kind) if marker.exists() else [], kind)
                own._mark(own._files)
            yield own

    def replace_with(self, fresh: Path) -> None:
        """Move all files below ``fresh`` into place, and remove files of the earlier report that are not among them.

        Raises:
            OSError: a file cannot be written.
        """
        new = sorted(file.relative_to(fresh).as_posix() for file in fresh.rglob("*") if file.is_file())
        gone = [name for name in self._files if name not in set(new)]
        self._mark([*new, *gone])
        # Files that pages load are moved before them, and the first page last.
        for name in sorted(new, key=lambda name: (name.endswith(".html"), name == "index.html", name)):
            place = self._folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).replace(place)
        for name in gone:
            self._remove(name)
        for folder in sorted((f for f in fresh.rglob("*") if f.is_dir()), reverse=True):
            folder.rmdir()
        fresh.rmdir()
        self._mark(new)

    def _remove(self, name: str) -> None:
        """Remove a file, and folders left empty."""
        place = self._folder / name
        # A foreign list must not affect files outside this folder, even through a link.
        if not place.parent.resolve().is_relative_to(self._folder.resolve()):
            return
        place.unlink(missing_ok=True)
        for parent in place.relative_to(self._folder).parents:
            folder = self._folder / parent
            if folder == self._folder or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()

    def _mark(self, files: Sequence[str]) -> None:
        self._files = list(files)
        content = {"kind": _KIND.format(self._kind), "format": _FORMAT, "files": self._files}
        replace_file(
            self._folder / _MARKER.format(self._kind), json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Convert errors about a full or a read-only disk to a message with advice."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write {folder}: {error.strerror or error}; free disk space or fix permissions, or name "
            "another folder with --out"
        ) from error


def _refuse_others(folder: Path, kind: str) -> None:
    """Make the folder if it does not exist, and refuse one with other content."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    there = {file.name for file in folder.iterdir() if not file.name.endswith(".part")} - {_LOCK.format(kind)}
    marker = _MARKER.format(kind)
    if there and marker not in there:
        raise UsageError(f"{folder} is not empty and not a {kind} (it has no {marker}); name another folder with --out")


def _locked(folder: Path, kind: str) -> IO[str]:
    """Return the folder's lock file, locked until it is closed."""
    lock = take(folder / _LOCK.format(kind))
    if lock is None:
        raise UsageError(
            f"another process is building a {kind} in {folder}; wait for it, or name another folder with --out"
        )
    return lock


def _listed(marker: Path, kind: str) -> list[str]:
    """Return the files written by an earlier build.

    Raises:
        UsageError: the marker is not ours.
    """
    problem = UsageError(f"{marker} is not that of a {kind}; name another folder with --out")
    try:
        content = json.loads(read_bytes(marker))
    except (OSError, ValueError, RecursionError):
        raise problem from None
    if not isinstance(content, dict) or content.get("kind") != _KIND.format(kind):
        raise problem
    if content.get("format") != _FORMAT:
        raise UsageError(f"{marker} is of another version; name another folder with --out, or remove that {kind}")
    files = content.get("files")
    if not isinstance(files, list) or not all(isinstance(name, str) and _inside(name) for name in files):
        raise problem
    return files


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
