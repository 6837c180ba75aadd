"""Finding again the reference that stored scores are against, by its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.contracts.plugins import find, installed, is_declared, load
from bench.contracts.set_metric import PlannedReference
from bench.errors import TunebenchError, UsageError, suggestion
from bench.hashing import fingerprint
from bench.references.file_format import read_tensors
from bench.references.load import ENDING, load_reference


def search(wanted: str, embedder: str, places: Iterable[str | Path]) -> PlannedReference | None:
    """The reference with the fingerprint ``wanted``, or None where it lies in none of the places.

    Args:
        wanted: fingerprint of the reference's content.
        embedder: fingerprint of the embedder that it is of; other files are not read to their end.
        places: names of installed references, reference files, and folders of such, in the order of looking.
    """
    for place in places:
        for file in files_at(place):
            try:
                if fingerprint(read_tensors(file)[1].get("embedder")) != embedder:
                    continue
                reference = load_reference(file)
            except TunebenchError:
                continue
            if reference.fingerprint == wanted:
                return PlannedReference(reference.name, file.resolve(), reference.fingerprint)
    return None


def files_at(place: str | Path) -> Iterator[Path]:
    """The reference files that a name or path stands for."""
    if isinstance(place, str) and is_declared("reference", place):
        try:
            folder = Path(load(find("reference", place))())
        except TunebenchError:
            return
    else:
        folder = Path(place).expanduser()
    if folder.is_file():
        yield folder
    else:
        yield from sorted(folder.glob(f"*{ENDING}"))


def check_place(place: str) -> None:
    """Make sure that a place which somebody names holds reference files.

    Raises:
        UsageError: it does not exist, or holds none.
        DataError: a file of it is damaged.
    """
    files = list(files_at(place))
    if not files:
        known = installed("reference")
        raise UsageError(
            f"there is no reference '{place}'{suggestion(place, known)}: name an installed one "
            f"({', '.join(known)}), a reference file, or a folder of such"
        )
    for file in files:
        read_tensors(file)
