"""The composer's clip of each prompt behind an autoencoder: the best that a base with it could play of that music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from bench.contracts.audio import Audio
from bench.contracts.model import GenerationRequest, Json
from models.base_checkpoint import identity, require_local
from models.batching import release_memory
from models.composer import Composer
from models.training.reconstruction import Codec, Reconstruction, open_codec, through


class ComposerReconstruction(Composer):
    """The composer, encoded and decoded by a checkpoint's autoencoder; metrics read its notes from the sound.

    Args:
        checkpoint: a local folder, the name of one that is shipped, or a hub id.
        repertoire: as for the composer.
        revision: commit, tag or branch of the hub.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.

    Raises:
        UsageError: another repertoire.
    """

    version = 1
    max_workers = 1
    typical_speed = 8.0
    sample_rate = None  # type: ignore[assignment]  # the checkpoint's
    provenance_params: ClassVar[frozenset[str]] = frozenset({"checkpoint", "revision", "device"})
    examples: ClassVar[Mapping[str, str]] = {"checkpoint": "audioldm-nano"}

    def __init__(
        self,
        checkpoint: str = "audioldm-nano",
        repertoire: str | None = None,
        revision: str | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(repertoire)
        self._checkpoint, self._revision, self._device = checkpoint, revision, device
        self._codec: Codec | None = None

    @classmethod
    def require(cls) -> None:
        super().require()
        Reconstruction.require()

    def check_weights(self) -> None:
        require_local(self._checkpoint, self._revision)

    def fingerprint(self) -> Mapping[str, Json]:
        return dict(identity(self._checkpoint, self._revision))

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Audio]:
        if self._codec is None:
            self._codec = open_codec(self._checkpoint, self._revision, self._device)
        played = super().generate(requests)
        return [through(clip, self._codec, self._device) for clip in played]

    def close(self) -> None:
        if self._codec is not None:
            self._codec = None
            release_memory()
