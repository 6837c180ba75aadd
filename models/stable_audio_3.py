"""Stable Audio 3: rectified flow in SAME's latents, conditioned on T5Gemma's reading of the text and on the length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.contracts.audio import Samples
from bench.errors import UsageError
from models.batching import clip_generator, clip_noise, joined
from models.diffusers_pipeline import DiffusersModel
from models.windows import windows

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

LOG_SNR = -6.2, 2.0  # range over which the sampler's noise levels are spread evenly, from noise to music
TEXT_TOKENS = 256  # most tokens of a text that the pipeline reads
LONGEST = 384.0  # seconds that the published checkpoints' length condition can express
_WINDOW = 256  # latent frames decoded at a time: 24 s as published; the attention's mask grows with the square


@dataclass(eq=False)
class StableAudio3(DiffusersModel):
    """Text to audio by Stable Audio 3, small, medium or their bases, from a checkpoint in diffusers' form.

    The publisher's files (``stabilityai/stable-audio-3-medium-base`` and others) are converted by
    ``scripts/convert_stable_audio_3_to_diffusers.py`` of diffusers. A checkpoint's scheduler says whether it is a
    distilled one: those are sampled in 8 steps that each add new noise ("ping-pong") and have their guidance in the
    weights, bases in 100 without. A clip's initial noise and that of its steps come from its own seed, and are those of
    the plain diffusers pipeline on a CPU. Clips have the checkpoint's own rate and channels (44.1 kHz stereo as
    published), are exactly as long as requested, and lie within ±1.

    Args:
        checkpoint: a local folder, or a hub id.
        revision: commit, tag or branch of the hub.
        adapter: folder, file or hub id of LoRA or DoRA weights for the transformer, in the format of Stable Audio 3's
            trainer, peft's or another; or a list of ``{path: …, weight: …}``.
        adapter_scale: their weight, finite, ≥ 0; 0 is the base model bit for bit.
        steps: denoising steps, ≥ 1; by default 8 for a distilled checkpoint and 100 for a base.
        guidance: classifier-free guidance scale ≥ 0 of a base, by default 7; up to 1 there is none, and the negative
            prompt has no effect. A distilled checkpoint only takes 1.
        negative_prompt: what to steer away from; None for nothing in particular. Not for a distilled checkpoint.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default what suits the device.
        batch_size: clips in one pass, ≥ 1; halved by itself where memory runs out.

    Raises:
        UsageError: a parameter out of its range, or one that the checkpoint does not have.

    Stability AI, "Stable Audio 3", 2026 (arXiv 2605.17991); steps and noise levels as in diffusers'
    ``StableAudio3Pipeline``, guidance as the publisher's guide to inference recommends.
    """

    kind = "stable-audio-3"
    needs = (*DiffusersModel.needs, "diffusers:StableAudio3Pipeline")
    pipeline = "StableAudio3Pipeline"
    tuned = "transformer"
    beside = ("duration_embedder",)
    text_tokens = TEXT_TOKENS
    max_duration = LONGEST
    examples: ClassVar[Mapping[str, str]] = {"checkpoint": "converted/stable-audio-3-medium-base"}

    _: KW_ONLY
    guidance: float | None = None  # type: ignore[assignment]  # the checkpoint's own
    steps: int | None = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._guidance, self._steps = 1.0, 1  # the checkpoint's, once it is open

    @property
    def guided(self) -> bool:
        return self._guidance > 1

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the models that condition it: T5Gemma reads the text."""
        return ("t5gemma",)

    def _check(self, pipeline: Any) -> None:
        distilled = bool(pipeline.scheduler.config.get("stochastic_sampling"))
        self._steps = self.steps or (8 if distilled else 100)
        if not distilled:
            self._guidance = 7.0 if self.guidance is None else self.guidance
            return
        given = {"guidance": (self.guidance or 1) > 1, "negative_prompt": self.negative_prompt is not None}
        for name in (name for name, is_given in given.items() if is_given):
            raise UsageError(
                f"{self.kind}: {name} cannot be set, since checkpoint '{self.checkpoint}' is distilled and has its "
                f"guidance in its weights; leave {name} out, or use a base checkpoint"
            )

    def _encode(self, text: str) -> Condition:
        states, mask = self._network.encode_prompt(text, self._network.device, 1)
        return {"text": states, "mask": mask}

    def _rate(self) -> int:
        return int(self._network.vae.config.sampling_rate)

    def _length(self, duration: float) -> int:
        longest = float(self._network.duration_embedder.config.max_val)
        if duration > longest:
            raise UsageError(
                f"{self.kind}: {duration:g} s asked for; checkpoint '{self.checkpoint}' makes at most {longest:g} s, "
                "shorten the duration"
            )
        return max(1, round(duration * self._rate()))

    def _clips(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> Samples:
        latents = self._denoised(*self._conditioning(conditions, length), seeds, length)
        return decoded(self._network.vae, latents)[:, :, :length].clip(-1, 1)

    def _conditioning(self, conditions: Sequence[Condition], length: int) -> tuple[Condition, torch.Tensor]:
        """Compute what the transformer attends to and the length's embedding, per clip, after the unconditional halves.

        The first has ``text``, shape (clips, tokens + 1, dimension), and its ``mask``, the other (clips, dimension).
        """
        import torch

        assert self._condition is not None
        pipeline, count = self._network, len(conditions)
        duration = pipeline.encode_duration(length / self._rate(), pipeline.device, 1, count)

        def attended(given: Sequence[Condition]) -> Condition:
            texts = joined(given)
            text, mask = pipeline.prepare_cross_attention(texts["text"], texts["mask"], duration)
            return {"text": text, "mask": mask}

        wanted = attended(conditions)
        if not self.guided:
            return wanted, duration
        unwanted = attended([self._condition(self.negative_prompt or "")] * count)
        both = {name: torch.cat([unwanted[name], wanted[name]]) for name in wanted}
        return both, torch.cat([duration, duration])

    def _denoised(self, attended: Condition, duration: torch.Tensor, seeds: Sequence[int], length: int) -> torch.Tensor:
        """Denoise latents, shape (clips, channels, frames); float32 between the steps, whatever the network computes
        in."""
        import torch
        from diffusers.pipelines.stable_audio_3.pipeline_stable_audio_3 import logsnr_sigma_schedule

        pipeline = self._network
        transformer, scheduler = pipeline.transformer, pipeline.scheduler
        shape = (pipeline.vae.config.latent_dim, math.ceil(length / pipeline.vae.downsampling_ratio))
        generators = [clip_generator(seed) for seed in seeds]
        scheduler.set_timesteps(sigmas=logsnr_sigma_schedule(self._steps, *LOG_SNR), device=duration.device)
        latents = clip_noise(generators, shape, str(duration.device))
        for time in scheduler.timesteps:
            given = latents.to(attended["text"].dtype)
            predicted = transformer(
                torch.cat([given, given]) if self.guided else given,
                time.expand(len(duration)),
                encoder_hidden_states=attended["text"],
                encoder_attention_mask=attended["mask"],
                global_hidden_states=duration,
                return_dict=False,
            )[0].float()
            if self.guided:
                unwanted, wanted = predicted.chunk(2)
                predicted = unwanted + self._guidance * (wanted - unwanted)
            latents = scheduler.step(predicted, time, latents, generator=generators, return_dict=False)[0]
        return latents


def decoded(vae: Any, latents: torch.Tensor) -> Samples:
    """Decode latents with SAME's decoder, window by window; shape (clips, channels, samples), float32.

    Args:
        vae: an ``AutoencoderSAME``.
        latents: shape (clips, channels, frames).
    """
    import numpy as np

    frames, hop = latents.shape[2], int(vae.downsampling_ratio)
    reach = codec_reach(vae.config)
    parts = []
    for begin, end, kept_from, kept_to in windows(frames, _WINDOW + 2 * reach, reach):
        part = vae.decode(latents[:, :, begin:end].to(vae.dtype)).sample.float().cpu().numpy()
        parts.append(part[:, :, (kept_from - begin) * hop : (kept_to - begin) * hop])
    samples: Samples = np.concatenate(parts, axis=2)
    return samples


def codec_reach(config: Mapping[str, Any]) -> int:
    """Compute how many latent frames on either side SAME's encoding, or decoding, of a latent frame can depend on.

    In each block of layers a frame is a segment, and every layer attends to ``sliding_window`` segments on either side;
    each block turns one segment into ``stride`` segments of the next. The encoder's blocks are the decoder's in the
    order.

    Args:
        config: of an ``AutoencoderSAME``.
    """
    reach, scale = 0.0, 1
    blocks = zip(config["encoder_transformer_depths"], config["encoder_strides"], strict=True)
    for depth, stride in reversed(list(blocks)):
        reach += depth * config["sliding_window"] / scale
        scale *= stride
    return math.ceil(reach)
