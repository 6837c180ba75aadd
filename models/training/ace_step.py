"""ACE-Step 1.5 in training: its transformer learns the flow from Oobleck latents to noise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from models.ace_step import LONGEST, AceStep, Asked, condition_states, context_latents, unread_of
from models.batching import joined
from models.pipeline_parts import open_pipeline
from models.training.base import Batch, Latent, Trainee
from models.training.objectives import flow, noised, squared_error, straight_level, without
from models.training.stable_audio import oobleck_latent
from models.vocabulary import check_vocabulary

if TYPE_CHECKING:
    from bench.contracts.audio import Audio
    from models.training.base import Condition

INSTRUMENTAL, LANGUAGE = "[Instrumental]", "en"  # passed for recordings, which have captions and no lyrics
TURBO_STEPS, TURBO_SHIFT = 8, 3.0
LOGIT_MEAN, LOGIT_DEVIATION = -0.4, 1.0


class AceStepTrainee(Trainee):
    """ACE-Step 1.5 and similar checkpoints, opened for training.

    Flow matching: for x = (1 - t) · latent + t · noise the network predicts noise - latent. A time in (0, 1) of the
    loop is a quantile of the distribution of t: logit-normal with mean -0.4 and deviation 1, or for a distilled (turbo)
    checkpoint uniform over the 8 steps that it generates in. Conditioned, through the frozen condition encoder, on the
    caption and the seconds of the crop, without tempo, key and lyrics; where the condition is dropped, on the learned
    null embedding. Conditions of a batch are padded with zeros up to the longest, which the transformer has no mask
    for: a batch of one caption's length has none.

    Args:
        folder: a whole checkpoint, in diffusers' layout.
        identity: as `models.base_checkpoint.identity` gives it.
        dtype: of the transformer's weights.
        crop: most seconds of a recording that are trained on; None for all of it.

    Raises:
        UsageError: autoencoder and network do not match.

    ace-step/ACE-Step-1.5, ``acestep/training/trainer.py`` and its successor for checkpoints that are not distilled.
    """

    kind = "ace-step"
    part = "transformer"

    def __init__(
        self, folder: Path, identity: Mapping[str, str], dtype: torch.dtype, crop: float | None = None
    ) -> None:
        pipeline = open_pipeline(AceStep.pipeline, folder, torch.float32, **dict.fromkeys(AceStep.unused))
        check_vocabulary(pipeline.tokenizer, pipeline.text_encoder, folder / "tokenizer")
        vae = pipeline.vae
        for part in (vae, pipeline.text_encoder, pipeline.condition_encoder):
            part.requires_grad_(False).eval()
        self.identity = identity
        self.network = pipeline.transformer.to(dtype).eval()
        self.rate, self.channels = int(vae.config.sampling_rate), int(vae.config.audio_channels)
        self.frame_seconds = int(vae.hop_length) / self.rate
        self.longest = int(LONGEST / self.frame_seconds)
        self._latent_channels = int(self.network.config.audio_acoustic_hidden_dim)
        self._turbo = bool(pipeline.is_turbo)
        self._crop = min(crop or LONGEST, LONGEST)
        self._dtype = dtype
        self._encoders = pipeline
        # In addition to the encoders: the context of every crop, and the null embedding.
        self._still = pipeline.condition_encoder.silence_latent.clone()
        self._null = pipeline.condition_encoder.null_condition_emb.detach().clone()
        self._tokenizer = pipeline.tokenizer
        pipeline.transformer = None  # adapters are put into the network, and must not be visible through the pipeline

    def told(self, caption: str, seconds: float) -> str:
        return json.dumps([caption, int(min(seconds, self._crop))], ensure_ascii=False)

    def encode(self, audio: Audio) -> Latent:
        return oobleck_latent(self._encoders.vae, audio, self._latent_channels)

    def condition(self, caption: str) -> Condition:
        """Encode ``states``: what the transformer attends to, shape (1, length, width)."""
        with torch.no_grad():
            states = condition_states(self._encoders, _asked(caption), LANGUAGE)
        return {"states": states.float().cpu().contiguous()}

    def unread_tokens(self, caption: str) -> int:
        return unread_of(self._tokenizer, _asked(caption), LANGUAGE)

    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Join ``states``, shape (batch, length, width): shorter ones are padded with zeros to the longest."""
        return joined(conditions)

    def losses(self, network: Any, batch: Batch) -> torch.Tensor:
        times = flow_times(batch.times, self._turbo)
        latents, noise = batch.latents.transpose(1, 2), batch.noise.transpose(1, 2)
        states = batch.condition["states"]
        states = without(states, batch.dropped, self._null.to(states))
        silence = self._still.to(latents.device)
        predicted = network(
            hidden_states=noised(latents, noise, straight_level(times)).to(self._dtype),
            timestep=times.to(self._dtype),
            timestep_r=times.to(self._dtype),
            encoder_hidden_states=states.to(self._dtype),
            context_latents=context_latents(silence, *latents.shape[:2]).to(self._dtype),
            return_dict=False,
        )[0]
        return squared_error(predicted, flow(latents, noise))

    def to(self, device: str) -> None:
        self.network.to(device)
        if self._encoders is not None:
            for part in (self._encoders.vae, self._encoders.text_encoder, self._encoders.condition_encoder):
                part.to(device)


def flow_times(shares: torch.Tensor, turbo: bool) -> torch.Tensor:
    """Compute times t of the flow, 1 for noise, at quantiles of their distribution.

    Args:
        shares: the quantiles, in (0, 1), shape (batch,).
        turbo: whether times are uniform over the steps of the distilled schedule; otherwise they are logit-normal.

    Returns:
        float32, shape (batch,); the larger the quantile, the more noise.
    """
    shares = shares.float()
    if not turbo:
        return torch.sigmoid(LOGIT_MEAN + LOGIT_DEVIATION * torch.special.ndtri(shares))
    linear = ((shares * TURBO_STEPS).floor().clamp(0, TURBO_STEPS - 1) + 1) / TURBO_STEPS
    return TURBO_SHIFT * linear / (1 + (TURBO_SHIFT - 1) * linear)


def _asked(told: str) -> Asked:
    caption, seconds = json.loads(told)
    return Asked(caption, INSTRUMENTAL, max(float(seconds), 0.5), None, None)
