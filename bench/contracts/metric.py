"""The contract of clip metrics: what they are given, and what they return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import numpy as np

from bench.contracts.audio import Audio, Samples
from bench.contracts.clip_view import View
from bench.contracts.embedder import Embedder, EmbedderRef, Vectors, load_embedder
from bench.contracts.notes import Notes
from bench.contracts.notice import Notice
from bench.contracts.plain_json import plain_json
from bench.contracts.prompt import Prompt
from bench.errors import DataError, Undefined, UsageError, one_line
from bench.plain_text import plain_line

if TYPE_CHECKING:
    from bench.contracts.reference import Reference

Direction = Literal["higher", "lower", "none"]
ReferenceUse = Literal["none", "set", "paired"]
"""What a clip metric compares with: nothing, a set of music, or the recording that goes with the clip's prompt."""

References = Callable[[ReferenceUse, EmbedderRef], "Reference"]
T = TypeVar("T")


@dataclass(frozen=True)
class Score:
    """A number, or the reason why there is none: exactly one of ``value`` and ``reason`` is set.

    ``details`` holds what explains the number (winning scales, tempo, confidence). Two keys have a meaning to the
    leaderboard: ``chance``, the value that music without structure would get here, and ``known``, the value on the
    notes that the audio was rendered from. They are kept as `bench.contracts.plain_json` makes them, the reason as one
    line.

    Raises:
        DataError: both or neither are set, a number in value or details is not finite, or the details are no JSON
            values or too many.
    """

    value: float | None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise DataError("a score needs either a value or a reason")
        if self.reason is not None and not (isinstance(self.reason, str) and self.reason.strip()):
            raise DataError(f"a score's reason is {self.reason!r:.60}, must say in words why there is no value")
        if self.reason is not None:
            object.__setattr__(self, "reason", plain_line(self.reason))
        if self.value is not None:
            object.__setattr__(self, "value", finite_number("value", self.value))
        details = dict(self.details)
        for name in {"chance", "known"} & details.keys():
            details[name] = finite_number(name, details[name])
        object.__setattr__(self, "details", plain_json(details, "the details of a score"))

    @classmethod
    def of(cls, value: float, **details: Any) -> Score:
        return cls(float(value), None, details)

    @classmethod
    def undefined(cls, reason: str, **details: Any) -> Score:
        """No number, with the reason in a few words: ``"12 notes, needs 20"``."""
        return cls(None, reason, details)


def finite_number(name: str, value: Any) -> float:
    """Return a finite float that sums of many cannot overflow, from whatever kind of number a metric computes with.

    Raises:
        DataError: it is something else.
    """
    # float() would take a string or True.
    real = isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool)
    number = float(value) if real and abs(value) < 1e100 else None
    if number is None:
        raise DataError(f"score {name} is {value!r:.60}: must be finite; use Score.undefined() where there is no value")
    return number


@dataclass(frozen=True)
class Estimate:
    """A mean or a distance with its interval.

    ``value``, ``low`` and ``high`` are in the metric's unit; ``n`` counts the clips behind it. ``value`` is None when
    nothing counted, ``low`` and ``high`` are None when there is too little to say how sure it is; ``reason`` says why.
    ``warnings`` are what tables show beside the number.

    Raises:
        DataError: the details are no JSON values, or too many.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None
    warnings: tuple[Notice, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.reason, str):
            object.__setattr__(self, "reason", plain_line(self.reason))
        if self.details:
            object.__setattr__(self, "details", plain_json(self.details, "the details of an estimate"))


class DecodedClip:
    """One decoding of one clip's file, shared by every metric and embedder that looks at it.

    Args:
        audio: what the file holds.
        prompt: what was asked for.
        notes: what was played, where somebody knows; ``notes.origin`` says how to use it.
        embedders: loads an embedder; by default through the registry, keeping none.
        view: the part of the clip that embeddings are made of.
        vectors: embeddings that are known already, by `EmbedderRef.share_name`, or the reason why there is none.
        file: where the audio lies, if it was read from a file.
        references: gives the music to compare with, as an embedder embedded it.
    """

    def __init__(
        self,
        audio: Audio,
        prompt: Prompt,
        notes: Notes | None = None,
        embedders: Callable[[EmbedderRef], Embedder] = load_embedder,
        view: View | None = None,
        vectors: Mapping[str, Vectors | str] | None = None,
        file: Path | None = None,
        references: References | None = None,
    ) -> None:
        self.audio = audio
        self.file = file
        self.prompt = prompt
        self.notes = notes
        self._embedders = embedders
        self._references = references
        self._view = view or View()
        self._vectors: dict[str, Vectors | str | Exception] = dict(vectors or {})
        self._shared: dict[str, Any] = {}

    def share(self, name: str, compute: Callable[[], T]) -> T:
        """Compute once for this clip whatever several metrics need; ``name`` carries a version: ``basic-pitch@1``."""
        if name not in self._shared:
            self._shared[name] = compute()
        result: T = self._shared[name]
        return result

    def mono(self, rate: int | None = None) -> Samples:
        """Return `Audio.mono`, computed once for each rate."""
        return self.share(f"mono:{rate}", lambda: self.audio.mono(rate))

    def embedder(self, ref: EmbedderRef) -> Embedder:
        """Return the loaded embedder, for what it knows beside this clip (its text side, the weights of windows)."""
        return self._embedders(ref)

    def embedding(self, ref: EmbedderRef) -> Vectors:
        """The clip's vectors by that embedder, shape (windows, dimension), computed once or taken from the store.

        Raises:
            Undefined: the clip cannot be embedded, with the reason (it is silent).
        """
        if ref.share_name not in self._vectors:
            try:
                self._vectors[ref.share_name] = self.embedder(ref).embed(self.viewed)
            except Undefined as none:
                self._vectors[ref.share_name] = one_line(none)
        known = self._vectors[ref.share_name]
        if isinstance(known, str):
            raise Undefined(known)
        if isinstance(known, Exception):
            raise known
        return known

    def reference(self, ref: EmbedderRef) -> Reference:
        """Return the music that a metric with ``reference = "set"`` compares with, as that embedder embedded it.

        The same object for all clips of a worker: what is computed of it alone can be kept by its fingerprint. Its part
        of the clip's genre is ``clip.reference(ref).of_genre(clip.prompt.genre)``.

        Raises:
            UsageError: the metric does not say that it compares with music in this embedder.
        """
        return self._compared("set", ref)

    def paired(self, ref: EmbedderRef) -> Vectors:
        """Return the vectors of the recording that goes with the clip's prompt, shape (windows, dimension).

        For a metric with ``reference = "paired"``.

        Raises:
            Undefined: there is none for this prompt, with the reason.
            UsageError: as `reference`.
        """
        return self._compared("paired", ref).of_prompt(self.prompt.id)

    def compare_with(self, references: References) -> None:
        """Take the music to compare with from now on, as the metric that is next declares it."""
        self._references = references

    def _compared(self, use: ReferenceUse, ref: EmbedderRef) -> Reference:
        if self._references is None:
            raise UsageError("there is no music to compare this clip with; name it with 'reference' or 'pairs'")
        return self._references(use, ref)

    def knows(self, ref: EmbedderRef) -> bool:
        """Return whether `embedding` computes nothing."""
        return ref.share_name in self._vectors

    def learn(self, ref: EmbedderRef, found: Vectors | Exception) -> None:
        """Take the clip's vectors, or why there are none, from an embedder that embedded it with others."""
        self._vectors[ref.share_name] = one_line(found) if isinstance(found, Undefined) else found

    @property
    def viewed(self) -> Audio:
        """The part of the audio that embeddings are made of.

        Raises:
            DataError: no frame is left of it.
        """
        viewed = self.share("view", lambda: self._view.of(self.audio))
        if not viewed.frames:
            raise DataError(f"no frame of the clip lies in the part that is compared ({self._view.text})")
        return viewed


class ClipMetric(ABC):
    """One number for each clip, or a reason why there is none.

    Parameters are keyword arguments of ``__init__``, with defaults, as for models.

    Class attributes:
        version: raised whenever the same clip would get another number.
        unit: such as ``%``; empty for a plain number.
        direction: which values are better, ``higher`` or ``lower``; ``none`` for a number that is never ranked.
        bounds: the smallest and the largest possible value, if there are such; intervals stay within them.
        hit_or_miss: whether every value is one of the two bounds.
        embedders: the embedders it asks a clip for; an instance attribute where they depend on parameters.
        reference: what it compares clips with, in its first embedder: ``none``, a ``set`` of music
            (`DecodedClip.reference`), or the recording ``paired`` with the prompt (`DecodedClip.paired`). Which music
            it was is a part of what a score is stored under.
        examples: as for models.
        cannot_tell: what its value does not say, as words after "cannot tell:", shown wherever the metric is defined.
        provenance_params: parameters that cannot change a score (time limits, paths, batch size).
        family: what its values are derived from, as `bench.contracts.family` has it; without it, the families of its
            embedders, and if these have none, unknown.
        named: whether a configuration names its column with ``as``; its instances then have a version, unit, direction
            and bounds of their own.
        clips_per_call: how many clips `score_together` is given at once; an instance attribute where that is a
            parameter.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "none"
    bounds: ClassVar[tuple[float, float] | None] = None
    hit_or_miss: ClassVar[bool] = False
    examples: ClassVar[Mapping[str, str]] = {}
    cannot_tell: ClassVar[str] = ""
    provenance_params: ClassVar[frozenset[str]] = frozenset()
    named: ClassVar[bool] = False
    family: str | tuple[str, ...] = ""
    clips_per_call: int = 1
    embedders: tuple[EmbedderRef, ...] = ()
    reference: ReferenceUse = "none"

    @classmethod  # noqa: B027
    def require(cls) -> None:
        """Check that what the metric needs is installed; raises `MissingError` as `MusicModel.require` does."""

    @abstractmethod
    def score(self, clip: DecodedClip) -> Score:
        """Score one clip. Silence or too few notes is a `Score.undefined` (or `bench.Undefined` raised)."""

    def score_together(self, clips: Sequence[DecodedClip]) -> Sequence[Score | Exception]:
        """Score up to ``clips_per_call`` clips, each with what `score` would give or raise, in their order."""
        found: list[Score | Exception] = []
        for clip in clips:
            try:
                found.append(self.score(clip))
            except Exception as error:
                found.append(error)
        return found

    def fingerprint(self) -> Mapping[str, Any]:
        """What else identifies its scores beside class, version and parameters: the hash of a file that it uses."""
        return {}
