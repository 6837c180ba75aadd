"""Stable Audio 3 in training: its transformer learns the straight paths from SAME's latents to noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from bench.errors import UsageError
from bench.quiet import quiet_libraries
from models.pipeline_parts import open_pipeline
from models.stable_audio_3 import TEXT_TOKENS, codec_reach
from models.training.base import Batch, Latent, Trainee
from models.training.objectives import (
    flow,
    noised,
    shifted_time,
    squared_error,
    straight_level,
    truncated_logistic_normal,
    without,
)
from models.training.stable_audio import taken
from models.training.waveform import fitted, padded
from models.training.windows import check_channels, encoded
from models.vocabulary import check_vocabulary, unread_tokens

if TYPE_CHECKING:
    from bench.contracts.audio import Audio
    from models.training.base import Condition
    from models.training.latent_files import StoredLatent

CHUNK = 256  # latent frames encoded at a time: 24 s as published; the attention's mask grows with the square


class StableAudio3Trainee(Trainee):
    """A base checkpoint of Stable Audio 3, opened for training.

    Rectified flow, at times as the publisher's trainer draws them: a truncated logistic-normal distribution, shifted
    towards noise for long music. Conditioned on T5Gemma's states of the caption and on the whole seconds of the
    example; where the condition is dropped, the transformer attends to zeros and keeps its global condition. Crops have
    their real length; the condition has the length of their whole example, as in the publisher's trainer.

    The publisher's trainer also fills gaps in music (inpainting), pairs music and noise within a batch by optimal
    transport, and adapts the embedding of the length. Here the network is only trained to generate music from a text,
    and a step depends neither on the number of processes nor on the other examples of its batch.

    Args:
        folder: a whole checkpoint.
        identity: as `models.base_checkpoint.identity` gives it.
        dtype: of the network's weights.

    Raises:
        UsageError: a distilled checkpoint.

    Stability AI, "Stable Audio 3", 2026 (arXiv 2605.17991); ``training/diffusion.py`` of Stability-AI/stable-audio-3.
    """

    kind = "stable-audio-3"
    part = "transformer"

    def __init__(self, folder: Path, identity: Mapping[str, str], dtype: torch.dtype) -> None:
        pipeline = open_pipeline("StableAudio3Pipeline", folder, torch.float32)
        check_vocabulary(pipeline.tokenizer, pipeline.text_encoder, folder / "tokenizer")
        if pipeline.scheduler.config.get("stochastic_sampling"):
            raise UsageError(
                f"{folder}: a distilled checkpoint has no training objective; train its base, whose adapters also work "
                "on the distilled one"
            )
        vae, transformer = pipeline.vae, pipeline.transformer
        for part in (vae, pipeline.text_encoder, pipeline.duration_embedder):
            part.requires_grad_(False).eval()
        self.identity = identity
        self.network = transformer.to(dtype).eval()
        self.rate, self.channels = int(vae.config.sampling_rate), int(vae.config.audio_channels)
        self._hop, self._reach = int(vae.downsampling_ratio), codec_reach(vae.config)
        self.frame_seconds = self._hop / self.rate
        self.longest = int(pipeline.duration_embedder.config.max_val / self.frame_seconds)
        self._latent_channels = int(transformer.config.io_channels)
        self._dtype = dtype
        self._tokens = min(int(pipeline.tokenizer.model_max_length), TEXT_TOKENS)
        self._duration = pipeline.duration_embedder
        self._tokenizer = pipeline.tokenizer
        self._encoders = pipeline
        pipeline.transformer = None  # adapters are put into the network, and must not be visible through the pipeline

    def time(self, quantile: float, seconds: float) -> float:
        frames = math.ceil(int(math.ceil(seconds) * self.rate) / self._hop)
        return shifted_time(truncated_logistic_normal(quantile), frames)

    def encode(self, audio: Audio) -> Latent:
        """Encode a file, without a deviation: SAME encodes into one latent, not into a distribution."""
        samples = torch.from_numpy(padded(fitted(audio, self.rate, self.channels), self._hop))[None]
        vae, hop = self._encoders.vae, self._hop

        def latent(begin: int, end: int) -> Any:
            mean = vae.encode(samples[:, :, begin * hop : end * hop].to(vae.device, vae.dtype)).latents
            return SimpleNamespace(mean=mean, std=torch.zeros_like(mean))

        mean, std = encoded(latent, samples.shape[2] // hop, CHUNK + 2 * self._reach, self._reach)
        check_channels(mean, self._latent_channels)
        return Latent(mean, std, audio.duration)

    def take(self, stored: StoredLatent) -> Latent:
        return taken(stored, self._latent_channels, self.rate, self._hop)

    def condition(self, caption: str) -> Condition:
        """Encode ``text``: T5Gemma's states of the caption's tokens, shape (1, tokens, dimension); padding is left
        out."""
        pipeline = self._encoders
        with torch.no_grad(), quiet_libraries():
            states, mask = pipeline.encode_prompt(caption, pipeline.text_encoder.device, 1)
        return {"text": states[:, mask[0].bool()].float().cpu().contiguous()}

    def unread_tokens(self, caption: str) -> int:
        return unread_tokens(self._tokenizer, caption, TEXT_TOKENS)

    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Join ``text``, shape (batch, tokens, dimension), padded as by the pipeline, and its ``mask`` (batch,
        tokens)."""
        states = [condition["text"] for condition in conditions]
        left = self._tokenizer.padding_side == "left"
        text = torch.zeros((len(states), self._tokens, states[0].shape[2]))
        mask = torch.zeros((len(states), self._tokens), dtype=torch.bool)
        for row, state in enumerate(states):
            end = self._tokens if left else state.shape[1]
            text[row, end - state.shape[1] : end] = state[0]
            mask[row, end - state.shape[1] : end] = True
        return {"text": text, "mask": mask}

    def losses(self, network: Any, batch: Batch) -> torch.Tensor:
        attended, mask, duration = self._conditioning(batch)
        predicted = network(
            noised(batch.latents, batch.noise, straight_level(batch.times)).to(self._dtype),
            batch.times,
            encoder_hidden_states=attended.to(self._dtype),
            encoder_attention_mask=mask,
            global_hidden_states=duration.to(self._dtype),
            return_dict=False,
        )[0]
        return squared_error(predicted, flow(batch.latents, batch.noise))

    def to(self, device: str) -> None:
        self.network.to(device)
        self._duration.to(device)
        if self._encoders is not None:
            self._encoders.vae.to(device)
            self._encoders.text_encoder.to(device)

    def _conditioning(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute what the transformer attends to, where that is no padding, and the length's embedding.

        Shapes (batch, tokens + 1, dimension), (batch, tokens + 1) and (batch, dimension).
        """
        with torch.no_grad():
            duration = self._duration(batch.totals.float().ceil())
        attended = torch.cat([batch.condition["text"], duration.unsqueeze(1)], dim=1)
        mask = torch.nn.functional.pad(batch.condition["mask"], (0, 1), value=True)
        # A dropped condition is nothing at all, not what the network has learned to read for padding.
        return without(attended, batch.dropped), mask | batch.dropped[:, None], duration
