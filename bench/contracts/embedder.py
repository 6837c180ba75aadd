"""The contract of embedders: audio to one vector per window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Audio
from bench.contracts.front_end import OWN, FrontEnd
from bench.contracts.identity import identity_of
from bench.contracts.parameters import bind
from bench.contracts.plugins import create, find, plain_name
from bench.errors import UsageError, suggestion
from bench.hashing import fingerprint

Vectors = npt.NDArray[np.float32]


class Embedder(ABC):
    """Base class of embedders: audio to one vector per window.

    Parameters are keyword arguments of ``__init__``, with defaults, as for models; the constructor loads nothing.
    Preparation of the audio (loudness, rate, channels) is done by the embedder and covered by its
    version. An embedder that can also prepare audio in published ways takes their name, or a mapping of settings,
    as the parameter ``front_end``, lists them in ``front_ends``, and includes the chosen one in its identity.

    Class attributes:
        version: raised whenever the same audio would give different vectors.
        provenance_params: parameters that cannot change a vector (device, paths, batch size).
        dimension: length of a vector; an instance attribute if it depends on the checkpoint.
        examples: as for models.
        own_front_end: how it prepares audio by itself, where it says so; may depend on the instance.
        front_end: the front end that it was asked for: a published one by name, or a table of
            `bench.contracts.front_end_settings.FrontEndSettings`.
        decided_front_end: what the network decides of every front end, by setting: its value, such as a window in
            seconds, the values that it takes (a tuple), or None where there is no choice.
        clips_per_call: how many clips `embed_together` is given at once; an instance attribute where that is a
            parameter.
        family: what it is derived from, see `bench.contracts.family`; empty if unknown.
    """

    own_front_end: FrontEnd | None = None
    front_end: str | Mapping[str, Any] | None = None
    decided_front_end: Mapping[str, Any] = {}
    version: ClassVar[int] = 1
    provenance_params: ClassVar[frozenset[str]] = frozenset({"device", "batch_size"})
    examples: ClassVar[Mapping[str, str]] = {}
    clips_per_call: int = 1
    family: str | tuple[str, ...] = ""
    dimension: int

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        """The published front ends that it supports, by name."""
        return {}

    @property
    def published_front_end(self) -> FrontEnd | None:
        """The requested published front end; None for its own.

        Raises:
            UsageError: the name is unknown, or the settings are invalid.
        """
        if self.front_end is None or not self.front_ends:
            return None
        if isinstance(self.front_end, Mapping):
            from bench.contracts.front_end_settings import front_end_of  # plugins import this module, and not pydantic

            return front_end_of(self.front_end, type(self).__name__, self.decided_front_end, self.front_ends)
        if self.front_end not in self.front_ends:
            known = ", ".join(self.front_ends)
            hint = "leave it out for its own" if self.front_end == OWN else f"known: {known}"
            raise UsageError(
                f"{type(self).__name__} has no front end '{self.front_end}'"
                f"{suggestion(str(self.front_end), self.front_ends)}; {hint}"
            )
        return self.front_ends[self.front_end]

    @classmethod  # noqa: B027
    def require(cls) -> None:
        """Check that what the embedder needs is installed; raises `MissingError` as `MusicModel.require` does."""

    def check_weights(self) -> None:  # noqa: B027 - shipped weights are always there
        """Check that the weights are on this machine, as `MusicModel.check_weights` does."""

    @abstractmethod
    def embed(self, audio: Audio) -> Vectors:
        """Return finite float32 of shape (windows ≥ 1, dimension); windows depend only on the audio.

        Raises:
            Undefined: this audio has no embedding, with the reason (such as silence).
            MissingError: the weights are missing.
        """

    def embed_together(self, audio: Sequence[Audio]) -> Sequence[Vectors | Exception]:
        """Embed up to ``clips_per_call`` clips, each with the result or exception of `embed`, in order."""
        found: list[Vectors | Exception] = []
        for one in audio:
            try:
                found.append(self.embed(one))
            except Exception as error:
                found.append(error)
        return found

    def weights(self, audio: Audio) -> Vectors:
        """Return the share of audio (not padding) in each window, shape (windows,), in (0, 1]; for weighted means."""
        return np.ones(len(self.embed(audio)), dtype=np.float32)

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of texts in the same space, shape (texts, dimension).

        Raises:
            UsageError: the embedder does not embed text.
        """
        raise UsageError(f"the embedder {type(self).__name__} cannot embed text ({len(texts)} texts given); use clap")

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what identifies the embedder besides class, version and parameters: the weights' hash.

        Called when a run is planned, and by each worker before and after embedding, as for a model.
        """
        return {}

    def close(self) -> None:  # noqa: B027 - most embedders hold nothing
        """Release memory and devices."""


@dataclass(frozen=True)
class EmbedderRef:
    """An embedder by name, with or without version, and parameters, as required by a metric."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def share_name(self) -> str:
        """The key under which a clip shares its vectors among metrics."""
        return f"embedding:{fingerprint([plain_name(self.name), dict(self.params)])}"


def load_embedder(ref: EmbedderRef) -> Embedder:
    """Create the embedder of an `EmbedderRef`.

    Raises:
        UsageError: an unknown name, version or parameter.
        MissingError: a dependency is not installed.
    """
    embedder: Embedder = create(find("embedder", ref.name), ref.params, Embedder)
    embedder.published_front_end  # noqa: B018 - refuses an unknown one
    return embedder


def embedder_identity(ref: EmbedderRef, embedder: Embedder) -> dict[str, Any]:
    """Return everything that can change a vector: plugin, version, parameters and weights.

    Its fingerprint is the key of cached vectors.

    Args:
        ref: name and parameters.
        embedder: what `load_embedder` made of it.

    Raises:
        UsageError: as `load_embedder`.
        MissingError: the weights are missing.
    """
    plugin = find("embedder", ref.name)
    kind = type(embedder)
    params = bind(plugin, kind, ref.params)
    deciding = {name: value for name, value in params.items() if name not in kind.provenance_params}
    published = embedder.published_front_end
    if published and isinstance(deciding.get("front_end"), Mapping):  # its identity has it, with defaults filled in
        del deciding["front_end"]
    front_end = {"front_end": published.identity()} if published else {}
    return identity_of(plugin, kind.version, deciding, {**embedder.fingerprint(), **front_end})
