"""Prompts and the suites they come in."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from bench.errors import DataError, UsageError

Split = Literal["development", "test"]
"""Purpose of prompts: for tuning and choosing, or for reported scores."""

_SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_KEY = re.compile(r"[A-G][#b]? (major|minor)")


@dataclass(frozen=True)
class Prompt:
    """A text for which every model makes music.

    Attributes:
        id: unique in its suite; letters, digits, ``.``, ``_`` and ``-``, since file names contain it.
        text: text for the model.
        genre: the stratum for intervals, such as ``jazz``, or None.
        level: descriptiveness, 1 (a few words) and up, or None if unknown.
        bpm: tempo stated in the text in quarter notes per minute, in (0, 400], or None if it states none.
        key: key stated in the text, such as ``F# minor`` or ``Bb major``, or None if it states none.
        lyrics: lyrics with line breaks, or None; only models that sing use them.

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
            raise DataError(f"prompt '{self.id}': bpm is {self.bpm}, must be above 0 and at most 400")
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise DataError(f"prompt '{self.id}': key is {self.key!r}, write it like 'F# minor' or 'Bb major'")


@dataclass(frozen=True)
class PromptSuite:
    """A named, versioned list of prompts; a changed text raises the version.

    Attributes:
        name, version: as in configurations.
        prompts: at least one, with unique ids.
        file_hash: SHA-256 of the file that it was read from, if that is a list of prompts rather than
            a suite file.
        splits: purpose by prompt id; a prompt not in it is for any purpose. It is not part of any
            identity.

    Raises:
        DataError: no prompts, two prompts with the same id, or an unknown split.
    """

    name: str
    version: int
    prompts: tuple[Prompt, ...]
    file_hash: str = ""
    splits: Mapping[str, Split] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.prompts:
            raise DataError(f"suite '{self.name}' has no prompts")
        repeated = [id for id, count in Counter(p.id for p in self.prompts).items() if count > 1]
        if repeated:
            raise DataError(f"suite '{self.name}': prompt id '{repeated[0]}' occurs more than once")
        if unknown := next((split for split in self.splits.values() if split not in get_args(Split)), None):
            raise DataError(f"suite '{self.name}': split is {unknown!r:.60}, must be development or test")

    @property
    def ref(self) -> str:
        """Name and version as written in configs and tables: ``genres@1``."""
        return f"{self.name}@{self.version}"

    @property
    def declared(self) -> frozenset[str]:
        """The splits that its prompts declare; ``""`` for prompts without any."""
        return frozenset(self.splits.get(prompt.id, "") for prompt in self.prompts)

    def part(self, split: Split | None) -> PromptSuite:
        """Return the prompts of a split as a suite ``name-development`` or ``name-test``; itself if that is all.

        Raises:
            UsageError: the split has no prompts.
        """
        if split is None or self.declared == {split}:
            return self
        prompts = tuple(prompt for prompt in self.prompts if self.splits.get(prompt.id) == split)
        if not prompts:
            raise UsageError(f"split: {split}: suite '{self.ref}' declares no {split} prompts")
        return replace(self, name=f"{self.name}-{split}", prompts=prompts)

    def to_tune_by(self) -> PromptSuite:
        """Return the part for tuning and choosing models: all prompts not declared as test, or, if all are test
        prompts, the whole suite."""
        prompts = tuple(prompt for prompt in self.prompts if self.splits.get(prompt.id) != "test")
        return self if len(prompts) in (0, len(self.prompts)) else replace(self, prompts=prompts)


def text_hash(text: str) -> str:
    """Return 16 hexadecimal digits that identify a text, ignoring case and white space.

    >>> text_hash("Slow  Blues ") == text_hash("slow blues")
    True
    """
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).hexdigest()[:16]
