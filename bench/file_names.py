"""Names of files with accents, which systems spell in two ways: é is one code point (NFC), or e and an accent (NFD)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path


def same_spelling(name: str) -> str:
    """Return a name in the one spelling that names are compared in (NFC).

    >>> same_spelling("Cafe\\u0301") == "Caf\\u00e9"
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def looked_for(path: str | Path) -> str:
    """What to add to a message that says that a path leads nowhere: the whole path, where a relative one was given.

    >>> looked_for("/data/clips")
    ''
    """
    try:
        whole = Path(path).absolute()
    except OSError:  # the working folder is gone
        return ""
    return "" if str(whole) == str(path) else f" (looked for {whole})"


def as_on_disk(path: Path) -> Path:
    """Return the path of the file that a table names, as the disk spells it; the path as it is where there is none.

    A name that is there as it is written is taken before one in another spelling.
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
    """Return the names in a folder, by the spelling that they are compared in."""
    del changed  # only so that a folder that changed is listed again
    found: dict[str, list[str]] = {}
    for entry in folder.iterdir():
        found.setdefault(same_spelling(entry.name), []).append(entry.name)
    return found
