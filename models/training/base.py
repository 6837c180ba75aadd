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

    Condition = Mapping[str, torch.Tensor]  # what one caption became, each tensor with a batch dimension of 1


@dataclass(frozen=True)
class Latent:
    """The posterior that the autoencoder gives one example, on the CPU in float32, scaled as the network takes it.

    Attributes:
        mean, std: shape (channels, frames, …); time is the second axis. What is drawn from them is mean + std · noise.
        seconds: length of the example's audio, without padding; where it is a crop of a recording, of all of that.
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
        dropped: bool, shape (batch,): which are trained without their condition.
    """

    latents: torch.Tensor
    condition: Condition
    starts: torch.Tensor
    totals: torch.Tensor
    times: torch.Tensor
    noise: torch.Tensor
    dropped: torch.Tensor


class Trainee(ABC):
    """A checkpoint opened for training: its autoencoder, its reading of texts, and the network that is tuned.

    It is opened on the CPU; `to` moves it. The network is in evaluation mode and in float32, or in bfloat16 where it
    stays frozen below an adapter and the configuration asks for that precision; everything else is in float32.

    Attributes:
        conditioned_on: what the network is told of an example: its caption (`condition`) or its sound
            (`condition_of_audio`).
        network: what is tuned; adapters are put into it by the loop. The objective calls it through ``forward`` below,
            so that a wrapped one (for several processes) can stand in.
        identity: as `models.base_checkpoint.identity` gives it.
        rate, channels: what audio the autoencoder takes, in Hz.
        frame_seconds: length of one latent frame.
        longest: most latent frames that the network takes.
        timed: whether diffusion time has a part in the objective.
        objective: what is learned, where the checkpoint decides and not its kind; empty otherwise.
        encoding: version of how latents and conditions are made; kept ones of another are made again.
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
    _encoders: Any  # what holds autoencoder and text encoder; None once they are let go of

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What latents and conditions depend on: the checkpoint's identity and the version of how they are made."""
        return {"kind": self.kind, **self.identity, "encoding": self.encoding}

    @property
    def condition_fingerprint(self) -> Mapping[str, Any]:
        """What conditions depend on, where that is more than `fingerprint` says."""
        return self.fingerprint

    def time(self, quantile: float, seconds: float) -> float:  # noqa: ARG002 - for a subclass
        """The diffusion time below which a share ``quantile`` in (0, 1) of the training's times lie.

        Uniform where a subclass says nothing else.

        Args:
            quantile: drawn uniformly.
            seconds: length of the example's audio, as `Latent` has it.
        """
        return quantile

    @abstractmethod
    def encode(self, audio: Audio) -> Latent:
        """The posterior of a whole file, of any length, rate and number of channels. Deterministic."""

    def take(self, stored: StoredLatent) -> Latent:
        """A latent that was encoded beforehand, where this checkpoint's autoencoder is of the kind that encoded it.

        Raises:
            UsageError: it is not.
        """
        raise UsageError(
            f"data: latents of {stored.values.shape[0]} channels that were encoded beforehand, as Stable Audio takes "
            f"them, and base.kind is {self.kind}; give the audio"
        )

    def told(self, caption: str, seconds: float) -> str:
        """What `condition` is asked about an example of so many seconds: its caption, unless it takes more."""
        del seconds
        return caption

    @abstractmethod
    def condition(self, caption: str) -> Condition:
        """What the network is told of a caption, as `told` gives it; deterministic, float32, on the CPU."""

    @abstractmethod
    def unread_tokens(self, caption: str) -> int:
        """How many tokens at the end of a caption, as `told` gives it, `condition` does not read; also once the
        encoders are let go of."""

    def condition_of_audio(self, audio: Audio) -> Condition:
        """What the network is told of a sound, where `conditioned_on` says so; as `condition`."""
        raise NotImplementedError(f"{type(self).__name__} is conditioned on text")

    @abstractmethod
    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Several conditions as one batch, on their device."""

    @abstractmethod
    def losses(self, network: Any, batch: Batch) -> torch.Tensor:
        """The objective of each example, float32, shape (batch,): its mean over the latent.

        ``network`` is `network`, or what stands in for it.
        """

    def release_encoders(self) -> None:
        """Let go of autoencoder and text encoder, once everything is encoded; the network stays."""
        self._encoders = None

    @abstractmethod
    def to(self, device: str) -> None:
        """Move the network and, while they are held, the encoders to a device."""
