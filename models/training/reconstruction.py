"""Human music encoded and decoded by a base's autoencoder: what the codec alone costs, and so the best it can reach."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.contracts.audio import Audio, Samples
from bench.contracts.model import GenerationRequest, Json
from bench.errors import DataError, GenerationError, MissingError, TunebenchError, UsageError, one_line
from bench.network_weights import load_network
from bench.quiet import quiet_libraries
from bench.weights_file import read_object
from models.base_checkpoint import identity, locate, require_local
from models.batching import release_memory
from models.device import choose_device
from models.real_music import RealMusic
from models.shipped import local_path

if TYPE_CHECKING:
    import torch


class Codec(ABC):
    """An autoencoder of a checkpoint: from a waveform to its reconstruction.

    Attributes:
        rate: in Hz.
        channels: the number that it takes.
    """

    rate: int
    channels: int

    @abstractmethod
    def through(self, samples: torch.Tensor) -> torch.Tensor:
        """Encode and decode, shape (channels, frames); the end may differ by less than a latent frame.

        Args:
            samples: at the codec's rate and with its channels, on its device.
        """


class Oobleck(Codec):
    """Stable Audio's: the mean of the posterior, decoded."""

    def __init__(self, folder: Path, device: str) -> None:
        from diffusers import AutoencoderOobleck

        self._vae = load_network(AutoencoderOobleck, folder / "vae").float().eval().to(device)
        self.rate, self.channels = int(self._vae.config.sampling_rate), int(self._vae.config.audio_channels)

    def through(self, samples: torch.Tensor) -> torch.Tensor:
        import torch

        missing = -samples.shape[1] % self._vae.hop_length
        whole = torch.nn.functional.pad(samples, (0, missing))[None]
        decoded: torch.Tensor = self._vae.decode(self._vae.encode(whole).latent_dist.mean).sample[0]
        return decoded


class MelCodec(Codec):
    """AudioLDM's: a log-mel spectrogram, the mean of its posterior, and a vocoder, at the level of the original."""

    channels = 1

    def __init__(self, folder: Path, device: str) -> None:
        from diffusers import AutoencoderKL
        from transformers import SpeechT5HifiGan

        self._vae = load_network(AutoencoderKL, folder / "vae").float().eval().to(device)
        self._vocoder = load_network(SpeechT5HifiGan, folder / "vocoder").float().eval().to(device)
        vocoder = self._vocoder.config
        self.rate, self._bands = int(vocoder.sampling_rate), int(vocoder.model_in_dim)
        self._hop = math.prod(vocoder.upsample_rates)
        self._shrink = 2 ** (len(self._vae.config.block_out_channels) - 1)

    def through(self, samples: torch.Tensor) -> torch.Tensor:
        from models.training.mel import log_mel
        from models.training.waveform import levelled, padded

        level, gain = levelled(samples[0].cpu().numpy())
        mel = log_mel(padded(level, self._hop * self._shrink), self.rate, self._hop, self._bands)
        latent = self._vae.encode(mel[None, None].to(samples.device)).latent_dist.mean
        wave: torch.Tensor = self._vocoder(self._vae.decode(latent).sample[0])
        return wave.reshape(1, -1).div(gain)


class TokenCodec(Codec):
    """MusicGen's EnCodec: tokens of each channel and back."""

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import MusicgenForConditionalGeneration

        model = load_network(MusicgenForConditionalGeneration, folder).float()
        self._codec = model.audio_encoder.eval().to(device)
        self.rate = int(model.config.audio_encoder.sampling_rate)
        self.channels = int(model.config.decoder.audio_channels)

    def through(self, samples: torch.Tensor) -> torch.Tensor:
        import torch

        # In stereo each side has tokens of its own, as the model generates them.
        inside = int(self._codec.config.audio_channels)
        sides = samples.reshape(-1, inside, samples.shape[1])
        found = []
        for side in sides:
            encoded = self._codec.encode(side[None])
            found.append(self._codec.decode(encoded.audio_codes, encoded.audio_scales).audio_values[0])
        return torch.cat(found)


CODECS: Mapping[str, Callable[[Path, str], Codec]] = {
    "StableAudioPipeline": Oobleck,
    "AudioLDMPipeline": MelCodec,
    "AudioLDM2Pipeline": MelCodec,
    "MusicgenForConditionalGeneration": TokenCodec,
}
"""Codecs by the architecture that a checkpoint names."""

_NEEDS = ("torch", "diffusers:AutoencoderOobleck", "transformers:MusicgenForConditionalGeneration")


class Reconstruction(RealMusic):
    """`RealMusic` encoded and decoded by a base checkpoint's autoencoder: the same recordings, as far as its codec
    preserves them. No tuning of that base can be closer to music than this row, except by chance.

    Stable Audio's autoencoder, that of AudioLDM and AudioLDM 2 with their vocoder, and MusicGen's EnCodec; nothing is
    drawn at random. Clips have the checkpoint's rate and channels and the requested length.

    Args:
        path, clips, every: as for `RealMusic`; use the same for both rows.
        checkpoint: a local folder or a hub id, as for the base's own row.
        revision: commit, tag or branch of the hub.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.

    Raises:
        UsageError: as for `RealMusic`.
    """

    typical_speed = None
    max_workers = 1
    version = 1
    provenance_params = frozenset({"path", "checkpoint", "revision", "device"})
    examples: ClassVar[Mapping[str, str]] = {"path": "music", "checkpoint": "cvssp/audioldm-s-full-v2"}
    _name = "reconstruction"

    def __init__(
        self,
        path: str | Path,
        checkpoint: str,
        clips: int = 1,
        every: float = 30.0,
        revision: str | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(path, clips, every)
        self._checkpoint, self._revision, self._device = checkpoint, revision, device
        self._codec: Codec | None = None

    @classmethod
    def require(cls) -> None:
        for name in _NEEDS:
            try:
                resolve_name(name)
            except Exception as error:  # incompatible versions of libraries may raise anything
                raise MissingError(
                    f"{cls._name} needs {name.partition(':')[0]} ({one_line(error)[:200]}): "
                    "pip install 'tunebench[diffusion]'"
                ) from error

    def check_weights(self) -> None:
        require_local(self._checkpoint, self._revision)

    def fingerprint(self) -> Mapping[str, Json]:
        return dict(identity(self._checkpoint, self._revision))

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        """Play and reconstruct a part of one recording for each request.

        Raises:
            UsageError: the checkpoint has no supported autoencoder.
            MissingError, DataError: weights or software are missing or damaged.
        """
        if self._codec is None:
            self._codec = self._open()
        return [
            clip if isinstance(clip, GenerationError) else self._reconstructed(clip, self._codec)
            for clip in super().generate(requests)
        ]

    def close(self) -> None:
        if self._codec is not None:
            self._codec = None
            release_memory()

    def _open(self) -> Codec:
        self.require()
        return open_codec(self._checkpoint, self._revision, self._device)

    def _reconstructed(self, clip: Audio, codec: Codec) -> Audio:
        return through(clip, codec, self._device)


def open_codec(checkpoint: str, revision: str | None, device: str | None) -> Codec:
    """Open the autoencoder of a checkpoint.

    Args:
        checkpoint: a local folder or a hub id.
        revision: commit, tag or branch of the hub; None for the default.
        device: as PyTorch writes it; None for the fastest present.

    Raises:
        UsageError: the checkpoint has no supported autoencoder.
        MissingError, DataError: weights are missing or damaged.
    """
    kind = architecture(checkpoint, revision)
    folder, place = locate(checkpoint, revision, kind), choose_device(device)
    try:
        with quiet_libraries():
            return CODECS[kind](folder, place)
    except TunebenchError:
        raise
    except Exception as error:  # the libraries raise a dozen classes for a damaged checkpoint
        raise DataError(
            f"checkpoint '{checkpoint}': its autoencoder cannot be loaded ({one_line(error)[:200]}); "
            f"{folder} is damaged, or not of these libraries' versions: download it again"
        ) from error


def through(clip: Audio, codec: Codec, device: str | None) -> Audio:
    """Reconstruct a clip with an autoencoder, at its rate and channels and with the clip's length.

    Args:
        clip: of any rate and number of channels.
        codec: the autoencoder.
        device: that it was opened on.
    """
    import torch

    from models.training.waveform import fitted

    samples = torch.from_numpy(fitted(clip, codec.rate, codec.channels).copy()).to(choose_device(device))
    with torch.inference_mode(), quiet_libraries():
        heard: Samples = codec.through(samples).float().cpu().numpy()
    frames = samples.shape[1]
    missing = max(0, frames - heard.shape[1])
    return Audio(np.pad(heard[:, :frames], ((0, 0), (0, missing))), codec.rate)


def architecture(checkpoint: str, revision: str | None) -> str:
    """Return the class that a checkpoint names, which says what autoencoder it has.

    Raises:
        UsageError: there is no such checkpoint, or it has no supported autoencoder.
        MissingError: it is on the hub and not on this machine.
        DataError: its configuration is damaged.
    """
    from models.hub import cached_snapshot

    folder: Path | None = local_path(checkpoint)
    if folder is None or not folder.is_dir():
        require_local(checkpoint, revision)
        folder = cached_snapshot(checkpoint, revision)
    found: Any = None
    for name, key in (("model_index.json", "_class_name"), ("config.json", "architectures")):
        if folder is not None and (folder / name).is_file():
            found = read_object(folder / name).get(key)
            break
    kind = found[0] if isinstance(found, list) and found else found
    if kind not in CODECS:
        raise UsageError(
            f"reconstruction: checkpoint '{checkpoint}' is a {kind or 'checkpoint of unknown kind'}, whose autoencoder "
            f"is not supported; those of {', '.join(CODECS)} are"
        )
    return str(kind)
