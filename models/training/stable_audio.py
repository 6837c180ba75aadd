"""Stable Audio in training: its transformer learns velocities of Oobleck latents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench.errors import UsageError
from bench.quiet import quiet_libraries
from models.pipeline_parts import open_pipeline
from models.training.base import Batch, Latent, Trainee
from models.training.objectives import cosine_level, noised, squared_error, velocity, without
from models.training.waveform import fitted, padded
from models.training.windows import check_channels, encoded
from models.vocabulary import check_vocabulary, unread_tokens

if TYPE_CHECKING:
    from bench.contracts.audio import Audio
    from models.training.base import Condition
    from models.training.latent_files import StoredLatent

CHUNK = 256  # latent frames encoded at a time: 12 s as published, 1.4 GB


class StableAudioTrainee(Trainee):
    """Stable Audio Open and similar checkpoints, opened for training.

    Velocity objective at t uniform in (0, 1). Conditioned on T5's states of the caption, on the second at which the
    crop starts, and on the seconds of the whole example; where the condition is dropped, the transformer attends to
    zeros, as in the pipeline's unconditional half, and keeps its global condition. Crops have their real length; none
    is padded to the full window.

    Args:
        folder: a whole checkpoint.
        identity: as `models.base_checkpoint.identity` gives it.
        dtype: of the network's weights.

    Raises:
        UsageError: a checkpoint with another objective.

    Evans et al., "Stable Audio Open", 2024 (arXiv 2407.14358).
    """

    kind = "stable-audio"
    part = "transformer"

    def __init__(self, folder: Path, identity: Mapping[str, str], dtype: torch.dtype) -> None:
        pipeline = open_pipeline("StableAudioPipeline", folder, torch.float32)
        check_vocabulary(pipeline.tokenizer, pipeline.text_encoder, folder / "tokenizer")
        _check_objective(folder, pipeline.scheduler.config)
        vae, transformer = pipeline.vae, pipeline.transformer
        for part in (vae, pipeline.text_encoder, pipeline.projection_model):
            part.requires_grad_(False).eval()
        self.identity = identity
        self.network = transformer.to(dtype).eval()
        self.rate, self.channels = int(vae.config.sampling_rate), int(vae.config.audio_channels)
        self._hop = int(vae.hop_length)
        self.frame_seconds = self._hop / self.rate
        self.longest = int(transformer.config.sample_size)
        self._latent_channels = int(transformer.config.in_channels)
        self._dtype = dtype
        self._rotary_width = int(pipeline.rotary_embed_dim)
        self._tokens = int(pipeline.tokenizer.model_max_length)
        self._timing = pipeline.projection_model
        self._tokenizer = pipeline.tokenizer
        self._encoders = pipeline
        pipeline.transformer = None  # adapters are put into the network, and must not be visible through the pipeline

    def encode(self, audio: Audio) -> Latent:
        return oobleck_latent(self._encoders.vae, audio, self._latent_channels)

    def take(self, stored: StoredLatent) -> Latent:
        return taken(stored, self._latent_channels, self.rate, self._hop)

    def condition(self, caption: str) -> Condition:
        """Encode ``text``: T5's states of the caption's tokens, shape (1, tokens, dimension); padding is left out."""
        pipeline = self._encoders
        tokens = pipeline.tokenizer(caption, truncation=True, max_length=self._tokens).input_ids
        with torch.no_grad(), quiet_libraries():
            states = pipeline.encode_prompt(caption, pipeline.text_encoder.device, do_classifier_free_guidance=False)
        return {"text": states[:, : len(tokens)].float().cpu().contiguous()}

    def unread_tokens(self, caption: str) -> int:
        return unread_tokens(self._tokenizer, caption)

    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Join ``text``, shape (batch, tokens, dimension), padded with zeros to the tokenizer's length."""
        states = [condition["text"] for condition in conditions]
        return {
            "text": torch.cat([torch.nn.functional.pad(s, (0, 0, 0, self._tokens - s.shape[1])) for s in states]),
        }

    def losses(self, network: Any, batch: Batch) -> torch.Tensor:
        from diffusers.models.embeddings import get_1d_rotary_pos_embed

        level = cosine_level(batch.times)
        attended, overall = self._conditioning(batch)
        positions = batch.latents.shape[2] + overall.shape[1]
        predicted = network(
            noised(batch.latents, batch.noise, level).to(self._dtype),
            batch.times.to(self._dtype),
            encoder_hidden_states=attended.to(self._dtype),
            global_hidden_states=overall.to(self._dtype),
            rotary_embedding=get_1d_rotary_pos_embed(
                self._rotary_width, positions, use_real=True, repeat_interleave_real=False
            ),
            return_dict=False,
        )[0]
        return squared_error(predicted, velocity(batch.latents, batch.noise, level))

    def to(self, device: str) -> None:
        self.network.to(device)
        self._timing.to(device)
        if self._encoders is not None:
            self._encoders.vae.to(device)
            self._encoders.text_encoder.to(device)

    def _conditioning(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute what the transformer attends to and its global condition.

        Shapes (batch, tokens + 2, dimension) and (batch, 1, 2 · dimension).
        """
        with torch.no_grad():
            timing = self._timing(start_seconds=batch.starts.float(), end_seconds=batch.totals.float())
        start, total = timing.seconds_start_hidden_states, timing.seconds_end_hidden_states
        attended = torch.cat([batch.condition["text"], start, total], dim=1)
        return without(attended, batch.dropped), torch.cat([start, total], dim=2)


def oobleck_latent(vae: Any, audio: Audio, channels: int) -> Latent:
    """Encode the posterior that Oobleck's encoder gives for a whole file, in windows.

    Args:
        vae: an ``AutoencoderOobleck``.
        audio: of any length, rate and number of channels.
        channels: of the latents that the network takes.

    Raises:
        UsageError: the autoencoder makes latents of another number of channels.
    """
    config, hop = vae.config, int(vae.hop_length)
    samples = torch.from_numpy(padded(fitted(audio, int(config.sampling_rate), int(config.audio_channels)), hop))[None]
    reach = encoder_reach(config.downsampling_ratios)

    def posterior(begin: int, end: int) -> Any:
        return vae.encode(samples[:, :, begin * hop : end * hop].to(vae.device, vae.dtype)).latent_dist

    mean, std = encoded(posterior, samples.shape[2] // hop, CHUNK + 2 * reach, reach)
    check_channels(mean, channels)
    return Latent(mean, std, audio.duration)


def taken(stored: StoredLatent, channels: int, rate: int, hop: int) -> Latent:
    """Return what the publisher's tools drew from a posterior: it has no deviation to draw from again.

    Args:
        stored: as it was written.
        channels, rate, hop: of the checkpoint's autoencoder; Hz, and samples for each latent frame.

    Raises:
        UsageError: it is from another autoencoder.
    """
    found, own = (len(stored.values), stored.rate or rate), (channels, rate)
    frames, samples = stored.encoded or (1, hop)
    if found != own or abs(frames - samples / hop) > 1:  # a padded crop may end within a frame
        raise UsageError(
            f"data: latents of another autoencoder: {found[0]} channels at {found[1]:g} Hz, {samples / frames:g} "
            f"samples a frame; this checkpoint's has {own[0]} at {own[1]} Hz, {hop} samples a frame: encode with that, "
            "or give the audio"
        )
    mean = torch.from_numpy(stored.values)
    return Latent(mean, torch.zeros_like(mean), stored.seconds, stored.start)


def encoder_reach(ratios: Sequence[int]) -> int:
    """Compute how many latent frames beyond a frame's own samples the Oobleck encoder's output there can depend on.

    The encoder is a convolution of width 7, then for each downsampling ratio r three residual units of width 7 with
    dilations 1, 3 and 9 and a convolution of width 2r and stride r, then another one of width 3.
    """
    reach, scale = 3, 1
    for ratio in ratios:
        reach += (3 * (1 + 3 + 9) + math.ceil(ratio / 2)) * scale
        scale *= ratio
    return math.ceil((reach + scale) / scale)


def _check_objective(folder: Path, scheduler: Any) -> None:
    found = scheduler.get("prediction_type"), scheduler.get("sigma_data", 1.0)
    if found != ("v_prediction", 1.0):
        raise UsageError(
            f"{folder}: its scheduler says prediction_type {found[0]} and sigma_data {found[1]:g}; Stable Audio is "
            "trained with v_prediction and 1, use a checkpoint of that kind"
        )
