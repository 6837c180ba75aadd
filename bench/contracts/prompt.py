"""Prompts and the suites they come in."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from bench.errors import DataError

_SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_KEY = re.compile(r"[A-G][#b]? (major|minor)")


@dataclass(frozen=True)
class Prompt:
    """One text that every model is asked to turn into music.

    Attributes:
        id: unique in its suite; letters, digits, ``.``, ``_`` and ``-``, since file names are made of it.
        text: what the model reads.
        genre: the stratum that intervals are computed within, such as ``jazz``, or None.
        level: descriptiveness, 1 (a few words) and up, or None if nobody said.
        bpm: tempo the text asks for in quarter notes a minute, in (0, 400], or None if it states none.
        key: key the text asks for, such as ``F# minor`` or ``Bb major``, or None if it states none.
        lyrics: what is sung, with line breaks, or None; only models that sing read it.

    Raises:
        DataError: an attribute is outside its range; the message names the field.
    """

    id: str
    text: str
    genre: str | None = None
    level: int | None = None
    bpm: float | None = None
    key: str | None = None
    lyrics: str | None = None

    def __post_init__(self) -> None:
        if not _SAFE_ID.fullmatch(self.id):
            raise DataError(f"prompt id {self.id!r}: use letters, digits, '.', '_' and '-' only")
        if not self.text.strip():
            raise DataError(f"prompt '{self.id}': text is empty")
        for name, written in (("text", self.text), ("lyrics", self.lyrics or "")):
            try:
                written.encode()
            except UnicodeEncodeError:
                raise DataError(f"prompt '{self.id}': {name} contains an unpaired surrogate") from None
        if self.lyrics is not None and not self.lyrics.strip():
            raise DataError(f"prompt '{self.id}': lyrics are empty; leave them out")
        if self.genre is not None and (not self.genre.strip() or not self.genre.isprintable() or self.genre == "all"):
            raise DataError(f"prompt '{self.id}': genre is {self.genre!r}, must be a printable word other than 'all'")
        if self.level is not None and not 1 <= self.level <= 1000:
            raise DataError(f"prompt '{self.id}': level is {self.level}, must be from 1 to 1000")
        if self.bpm is not None and not 0 < self.bpm <= 400:
            raise DataError(f"prompt '{self.id}': bpm is {self.bpm}, must be in (0, 400]")
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise DataError(f"prompt '{self.id}': key is {self.key!r}, write it like 'F# minor' or 'Bb major'")


@dataclass(frozen=True)
class PromptSuite:
    """A named, versioned list of prompts; a changed text raises the version.

    ``file_hash`` is the SHA-256 of the file that it was read from, where that is not a suite's own but somebody's list
    of prompts.

    Raises:
        DataError: no prompts, or two prompts with one id.
    """

    name: str
    version: int
    prompts: tuple[Prompt, ...]
    file_hash: str = ""

    def __post_init__(self) -> None:
        if not self.prompts:
            raise DataError(f"suite '{self.name}' has no prompts")
        repeated = [id for id, count in Counter(p.id for p in self.prompts).items() if count > 1]
        if repeated:
            raise DataError(f"suite '{self.name}': prompt id '{repeated[0]}' occurs more than once")

    @property
    def ref(self) -> str:
        """Name and version as written in configs and tables: ``genres@1``."""
        return f"{self.name}@{self.version}"
