"""The contract of clip metrics: their input and output."""

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
"""What a clip metric compares with: nothing, a set of music, or the recording of the clip's prompt."""

References = Callable[[ReferenceUse, EmbedderRef], "Reference"]
T = TypeVar("T")


@dataclass(frozen=True)
class Score:
    """A number, or the reason why there is none: exactly one of ``value`` and ``reason`` is set.

    ``details`` explains the number (winning scales, tempo, confidence). Two keys have a meaning for the
    leaderboard: ``chance``, the value for music without structure, and ``known``, the value on the
    notes that the audio was rendered from. They are stored as by `bench.contracts.plain_json`, the reason as one
    line.

    Raises:
        DataError: both or neither are set, a number in value or details is not finite, or the details are not JSON
            values or too many.
    """

    value: float | None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise DataError("a score needs either a value or a reason")
        if self.reason is not None and not (isinstance(self.reason, str) and self.reason.strip()):
            raise DataError(f"a score's reason is {self.reason!r:.60}, must be text that says why there is no value")
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
        """Return a score with a value; the keyword arguments are its details.

        Raises:
            DataError: as the class.
        """
        return cls(float(value), None, details)

    @classmethod
    def undefined(cls, reason: str, **details: Any) -> Score:
        """Return a score without a value, with a short reason: ``"12 notes, needs 20"``."""
        return cls(None, reason, details)


def finite_number(name: str, value: Any) -> float:
    """Return a finite float, small enough for sums, from any numeric type.

    Raises:
        DataError: it is not such a number; the message has ``name``.
    """
    # float() would accept a string or True.
    real = isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool)
    number = float(value) if real and abs(value) < 1e100 else None
    if number is None:
        raise DataError(f"score {name} is {value!r:.60}: must be finite; use Score.undefined() if there is no value")
    return number


@dataclass(frozen=True)
class Estimate:
    """A mean or a distance with its interval.

    ``value``, ``low`` and ``high`` are in the metric's unit; ``n`` counts the clips behind it. ``value`` is None when
    there is no data, ``low`` and ``high`` are None when there is too little for an interval; ``reason`` says why.
    ``warnings`` are shown with the number in tables.

    Raises:
        DataError: the details are not JSON values, or too large.
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
    """A decoded clip, shared by all its metrics and embedders.

    Args:
        audio: content of the file.
        prompt: the prompt.
        notes: the notes played, if known; ``notes.origin`` says how to use them.
        embedders: loads an embedder; by default by name, without caching.
        view: the part of the clip that is embedded.
        vectors: known embeddings, by `EmbedderRef.share_name`, or the reason why there is none.
        file: path of the audio, if it was read from a file.
        references: function that gives the music to compare with, in an embedding.
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
        """Compute a value once per clip for several metrics; ``name`` includes a version: ``basic-pitch@1``."""
        if name not in self._shared:
            self._shared[name] = compute()
        result: T = self._shared[name]
        return result

    def mono(self, rate: int | None = None) -> Samples:
        """Return `Audio.mono`, computed once for each rate."""
        return self.share(f"mono:{rate}", lambda: self.audio.mono(rate))

    def embedder(self, ref: EmbedderRef) -> Embedder:
        """Return the loaded embedder, for other uses than this clip (embedding text, weights of windows)."""
        return self._embedders(ref)

    def embedding(self, ref: EmbedderRef) -> Vectors:
        """Return the clip's vectors of an embedder, shape (windows, dimension), computed once or read from the store.

        Raises:
            Undefined: the clip cannot be embedded, with the reason (such as silence).
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
        """Return the music that a metric with ``reference = "set"`` compares with, in that embedding.

        The same object for all clips of a worker: what is computed of it alone can be kept by its fingerprint. Its part
        of the clip's genre is ``clip.reference(ref).of_genre(clip.prompt.genre)``.

        Raises:
            UsageError: the metric does not declare that it compares with music in this embedding.
        """
        return self._compared("set", ref)

    def paired(self, ref: EmbedderRef) -> Vectors:
        """Return the vectors of the recording of the clip's prompt, shape (windows, dimension).

        For a metric with ``reference = "paired"``.

        Raises:
            Undefined: there is none for this prompt, with the reason.
            UsageError: as `reference`.
        """
        return self._compared("paired", ref).of_prompt(self.prompt.id)

    def compare_with(self, references: References) -> None:
        """Set the music to compare with, as declared by the next metric."""
        self._references = references

    def _compared(self, use: ReferenceUse, ref: EmbedderRef) -> Reference:
        if self._references is None:
            raise UsageError("there is no music to compare this clip with; name it with 'reference' or 'pairs'")
        return self._references(use, ref)

    def knows(self, ref: EmbedderRef) -> bool:
        """Return whether the embedding is known already."""
        return ref.share_name in self._vectors

    def learn(self, ref: EmbedderRef, found: Vectors | Exception) -> None:
        """Store the clip's vectors, or why there are none, from a batch embedding."""
        self._vectors[ref.share_name] = one_line(found) if isinstance(found, Undefined) else found

    @property
    def viewed(self) -> Audio:
        """The part of the audio that is embedded.

        Raises:
            DataError: no frames are left.
        """
        viewed = self.share("view", lambda: self._view.of(self.audio))
        if not viewed.frames:
            raise DataError(f"no frame of the clip is in the compared part ({self._view.text})")
        return viewed


class ClipMetric(ABC):
    """Base class of clip metrics: one number per clip, or a reason why there is none.

    Parameters are keyword arguments of ``__init__``, with defaults, as for models.

    Class attributes:
        version: raised whenever the same clip would get a different number.
        unit: such as ``%``; empty if dimensionless.
        direction: which values are better, ``higher`` or ``lower``; ``none`` for a number that is never ranked.
        bounds: the smallest and the largest possible value, if bounded; intervals stay within them.
        hit_or_miss: whether every value is one of the two bounds.
        embedders: the embedders it uses; an instance attribute if they depend on parameters.
        reference: what it compares clips with, in its first embedder: ``none``, a ``set`` of music
            (`DecodedClip.reference`), or the recording ``paired`` with the prompt (`DecodedClip.paired`). The music
            is part of the key of a score.
        examples: as for models.
        cannot_tell: what its value does not show, as text after "cannot tell:", shown with the metric's definition.
        provenance_params: parameters that cannot change a score (time limits, paths, batch size).
        family: what its values are derived from, see `bench.contracts.family`; by default the families of its
            embedders, or unknown if these have none.
        named: whether a configuration names its column with ``as``; its instances then have a version, unit, direction
            and bounds.
        clips_per_call: number of clips per call of `score_together`; an instance attribute if that is a
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
        """Score up to ``clips_per_call`` clips, each with the result or exception of `score`, in order."""
        found: list[Score | Exception] = []
        for clip in clips:
            try:
                found.append(self.score(clip))
            except Exception as error:
                found.append(error)
        return found

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what identifies its scores besides class, version and parameters: the hash of a file that it uses."""
        return {}
