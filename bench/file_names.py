"""File names with accents, which have two spellings: é is one code point (NFC), or e and an accent (NFD)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path


def same_spelling(name: str) -> str:
    """Return a name in the spelling used for comparisons (NFC).

    >>> same_spelling("Cafe\\u0301") == "Caf\\u00e9"
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def looked_for(path: str | Path) -> str:
    """Return an addition to a message about a missing path: the absolute path, if a relative one was given.

    >>> looked_for("/data/clips")
    ''
    """
    try:
        whole = Path(path).absolute()
    except OSError:  # the working folder was removed
        return ""
    return "" if str(whole) == str(path) else f" (looked for {whole})"


def as_on_disk(path: Path) -> Path:
    """Return the path of the file that a table names, as spelled on disk; the path unchanged if there is none.

    An exact match is preferred to one in another spelling.
    """
    if str(path).isascii() or path.exists():
        return path
    parent = as_on_disk(path.parent)
    try:
        names = _names_in(parent, parent.stat().st_mtime_ns)[same_spelling(path.name)]
    except (OSError, KeyError, ValueError):
        return path
    return parent / names[0] if len(names) == 1 else path


@lru_cache(maxsize=64)
def _names_in(folder: Path, changed: int) -> Mapping[str, Sequence[str]]:
    """Return the names in a folder, by their spelling for comparisons."""
    del changed  # part of the cache key, so that a changed folder is listed again
    found: dict[str, list[str]] = {}
    for entry in folder.iterdir():
        found.setdefault(same_spelling(entry.name), []).append(entry.name)
    return found
