"""Which files are clips of one recording, judging by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_NUMBERS = re.compile(r"(?:[ _.-]+[0-9]+)+$")


def series(files: Iterable[str]) -> dict[str, str]:
    """Return the recording of each file, a path with forward slashes.

    Clips that were cut from one recording are usually numbered: ``song_000.wav``, ``song_001.wav``. So files in one
    folder whose names are equal but for numbers at the end, each after a space or one of ``_ . -``, are one recording,
    and so are files that differ in their ending. Where all numbered files of the dataset share one name, as in
    ``clip_0001.wav``, or have none, the number is what distinguishes recordings, and each is one of its own.

    The rule prefers joining: a recording that is split leaks from training into validation unnoticed, while
    two that are joined only make the split coarser.
    """
    stems = {file: _stem(file) for file in files}
    names = {stem: name for stem in stems.values() if (name := _name(stem))}
    if len({name.rpartition("/")[2] for name in names.values()}) < 2:
        return stems
    members: defaultdict[str, set[str]] = defaultdict(set)
    for stem in stems.values():
        members[names.get(stem, stem)].add(stem)
    joined = {stem: name for name, found in members.items() for stem in found if len(found) > 1}
    return {file: joined.get(stem, stem) for file, stem in stems.items()}


def _stem(file: str) -> str:
    """Return the path without the ending."""
    folder, slash, last = file.rpartition("/")
    return folder + slash + (last.rpartition(".")[0] or last)


def _name(stem: str) -> str | None:
    """Return what precedes the numbers; None without numbers, or if no letter precedes them."""
    folder, slash, last = stem.rpartition("/")
    name = _NUMBERS.sub("", last)
    return folder + slash + name if name != last and any(map(str.isalpha, name)) else None
