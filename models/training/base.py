"""The contract between the training loop and a network that it trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bench.errors import UsageError

if TYPE_CHECKING:
    import torch

    from bench.contracts.audio import Audio
    from models.training.latent_files import StoredLatent

    Condition = Mapping[str, torch.Tensor]  # an encoded caption, each tensor with a batch dimension of 1


@dataclass(frozen=True)
class Latent:
    """The posterior that the autoencoder gives one example, on the CPU in float32, scaled as the network takes it.

    Attributes:
        mean, std: shape (channels, frames, …); time is the second axis. Draws are mean + std · noise.
        seconds: length of the example's audio, without padding; for a crop of a recording, that of the whole recording.
        start: where a crop begins in its recording, in seconds.
    """

    mean: torch.Tensor
    std: torch.Tensor
    seconds: float
    start: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Examples of one pass, on the network's device.

    Attributes:
        latents: drawn from the posterior, shape (batch, channels, frames, …).
        condition: each tensor (batch, …).
        starts: where each crop begins in its example, in seconds, shape (batch,).
        totals: length of each example in seconds, shape (batch,).
        times: diffusion time in (0, 1), shape (batch,): 0 is the music, 1 is noise.
        noise: standard normal, as the latents.
        dropped: bool, shape (batch,): examples that are trained without their condition.
    """

    latents: torch.Tensor
    condition: Condition
    starts: torch.Tensor
    totals: torch.Tensor
    times: torch.Tensor
    noise: torch.Tensor
    dropped: torch.Tensor


class Trainee(ABC):
    """A checkpoint opened for training: its autoencoder, its text encoder, and the network that is tuned.

    It is opened on the CPU; `to` moves it. The network is in evaluation mode and in float32, or in bfloat16 where it
    stays frozen below an adapter and the configuration asks for that precision; everything else is in float32.

    Attributes:
        conditioned_on: what the network is conditioned on: an example's caption (`condition`) or its sound
            (`condition_of_audio`).
        network: what is tuned; the loop puts adapters into it. The objective calls it through ``forward`` below,
            so that a wrapped one (for several processes) can stand in.
        identity: as `models.base_checkpoint.identity` gives it.
        rate, channels: what audio the autoencoder takes, in Hz.
        frame_seconds: length of one latent frame.
        longest: most latent frames that the network takes.
        timed: whether the objective depends on diffusion time.
        objective: what is learned, if the checkpoint decides it and not its kind; otherwise empty.
        encoding: version of how latents and conditions are made; stored ones of another version are made again.
    """

    kind: ClassVar[str]
    part: ClassVar[str]  # the network's name in the pipeline, ``transformer`` or ``unet``
    objective: str = ""
    conditioned_on: Literal["text", "audio"] = "text"
    timed: ClassVar[bool] = True
    encoding: ClassVar[int] = 1
    network: Any
    identity: Mapping[str, str]
    rate: int
    channels: int
    frame_seconds: float
    longest: int
    _encoders: Any  # autoencoder and text encoder; None once they are released

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Return what latents and conditions depend on: the checkpoint's identity and the version of how they are
        made."""
        return {"kind": self.kind, **self.identity, "encoding": self.encoding}

    @property
    def condition_fingerprint(self) -> Mapping[str, Any]:
        """Return what conditions depend on in addition to `fingerprint`."""
        return self.fingerprint

    def time(self, quantile: float, seconds: float) -> float:  # noqa: ARG002 - for a subclass
        """Return the diffusion time below which a share ``quantile`` in (0, 1) of the training's times lie.

        Uniform unless a subclass overrides it.

        Args:
            quantile: drawn uniformly.
            seconds: length of the example's audio, as `Latent` has it.
        """
        return quantile

    @abstractmethod
    def encode(self, audio: Audio) -> Latent:
        """Encode the posterior of a whole file, of any length, rate and number of channels. Deterministic."""

    def take(self, stored: StoredLatent) -> Latent:
        """Return a pre-encoded latent, if this checkpoint's autoencoder is of the kind that encoded it.

        Raises:
            UsageError: it is not.
        """
        raise UsageError(
            f"data: pre-encoded latents of {stored.values.shape[0]} channels are for Stable Audio, but base.kind is "
            f"{self.kind}; name the audio instead"
        )

    def told(self, caption: str, seconds: float) -> str:
        """Return what `condition` gets for an example of so many seconds: its caption, unless the base uses more."""
        del seconds
        return caption

    @abstractmethod
    def condition(self, caption: str) -> Condition:
        """Encode the network's condition for a caption, as `told` gives it; deterministic, float32, on the CPU.

        Returns:
            Tensors by name, each with a batch dimension of 1.
        """

    @abstractmethod
    def unread_tokens(self, caption: str) -> int:
        """Count the tokens at the end of a caption, as `told` gives it, that `condition` does not read; also works once
        the encoders are released."""

    def condition_of_audio(self, audio: Audio) -> Condition:
        """Encode the network's condition for a sound, if `conditioned_on` says so; as `condition`.

        Raises:
            NotImplementedError: the network is conditioned on text.
        """
        raise NotImplementedError(f"{type(self).__name__} is conditioned on text")

    @abstractmethod
    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Join several conditions into a batch, on their device.

        Args:
            conditions: at least one, as `condition` gives them.

        Returns:
            Tensors by name, each (batch, …).
        """

    @abstractmethod
    def losses(self, network: Any, batch: Batch) -> torch.Tensor:
        """Compute the objective of each example, float32, shape (batch,): its mean over the latent.

        ``network`` is `network`, or a wrapper of it.
        """

    def release_encoders(self) -> None:
        """Release autoencoder and text encoder, once everything is encoded; the network stays."""
        self._encoders = None

    @abstractmethod
    def to(self, device: str) -> None:
        """Move the network and, until they are released, the encoders to a device."""
