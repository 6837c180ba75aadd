"""Stable Audio Open: latent diffusion by a transformer, conditioned on T5's reading of the text and on the length."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.contracts.audio import Samples
from bench.errors import UsageError
from models.batching import BrownianNoise, clip_generator, clip_noise
from models.diffusers_pipeline import DiffusersModel

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

LONGEST = 512.0  # seconds that the timing condition can express


@dataclass(eq=False)
class StableAudio(DiffusersModel):
    """Text to audio by Stable Audio Open, from ``stabilityai/stable-audio-open-1.0`` or another diffusers checkpoint.

    Clips have the checkpoint's own rate and channels (44.1 kHz stereo as published) and exactly the requested length:
    the network always generates its full window (47.55 s), told that the music ends there, and the rest is cut. A
    clip's initial noise and the noise of the sampler's steps come from its own seed, and are those of the plain
    diffusers pipeline on a CPU.

    Args:
        checkpoint: a hub id, or a local folder. The default one is gated: its license is accepted on its page.
        revision: commit, tag or branch of the hub; for the default checkpoint a fixed commit.
        adapter: folder, file or hub id of LoRA weights for the transformer, or a list of ``{path: …, weight: …}``.
        adapter_scale: their weight, finite, ≥ 0; 0 is the base model bit for bit.
        steps: denoising steps, ≥ 1.
        guidance: classifier-free guidance scale ≥ 0; up to 1 there is none, and the negative prompt has no effect.
        negative_prompt: what to steer away from; None for nothing in particular.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default what suits the device.
        batch_size: clips in one pass, ≥ 1; halved by itself where memory runs out.

    Raises:
        UsageError: a parameter out of its range.

    Evans et al., "Stable Audio Open", 2024 (arXiv 2407.14358); defaults as on the checkpoint's model card.
    """

    kind = "stable-audio"
    needs = (*DiffusersModel.needs, "diffusers:StableAudioPipeline", "torchsde")
    pipeline = "StableAudioPipeline"
    tuned = "transformer"
    max_duration = LONGEST

    checkpoint: str = "stabilityai/stable-audio-open-1.0"
    _: KW_ONLY
    guidance: float = 7.0
    negative_prompt: str | None = "Low quality."

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the models that condition it: T5 reads the text, which the open checkpoints use instead of CLAP."""
        return ("t5",)

    def _encode(self, text: str) -> Condition:
        return {"text": self._network.encode_prompt(text, self._network.device, do_classifier_free_guidance=False)}

    def _rate(self) -> int:
        return int(self._network.vae.config.sampling_rate)

    def _length(self, duration: float) -> int:
        samples = round(duration * self._rate())
        most = self._network.transformer.config.sample_size * self._network.vae.hop_length
        if samples > most:
            raise UsageError(
                f"{self.kind}: {duration:g} s asked for; checkpoint '{self.checkpoint}' makes at most "
                f"{math.floor(most / self._rate() * 100) / 100:g} s, shorten the duration"
            )
        return samples

    def _clips(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> Samples:
        latents = self._denoised(*self._conditioning(conditions, length), seeds)
        vae = self._network.vae
        frames = math.ceil(length / vae.hop_length) + decoder_reach(vae.config.downsampling_ratios[::-1])
        samples: Samples = vae.decode(latents[:, :, :frames].to(vae.dtype)).sample.float().cpu().numpy()
        return samples

    def _conditioning(self, conditions: Sequence[Condition], length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute what the transformer attends to and its global condition, per clip, after the unconditional halves if
        any.

        Shapes (clips, tokens + 2, dimension) and (clips, 1, 2 · dimension), or twice as many clips.
        """
        import torch

        assert self._condition is not None
        text = torch.cat([condition["text"] for condition in conditions])
        start, total = self._network.encode_duration(0.0, length / self._rate(), text.device, False, len(text))
        attended = torch.cat([text, start, total], dim=1)
        overall = torch.cat([start, total], dim=2)
        if not self.guided:
            return attended, overall
        if self.negative_prompt is None:
            unwanted = torch.zeros_like(attended)
        else:
            negative = self._condition(self.negative_prompt)["text"]
            unwanted = torch.cat([negative.expand_as(text), start, total], dim=1)
        return torch.cat([unwanted, attended]), torch.cat([overall, overall])

    def _denoised(self, attended: torch.Tensor, overall: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """Denoise latents, shape (clips, channels, frames); float32 between the steps, whatever the network computes
        in."""
        import torch
        from diffusers.models.embeddings import get_1d_rotary_pos_embed

        transformer, scheduler = self._network.transformer, self._network.scheduler
        shape = (transformer.config.in_channels, transformer.config.sample_size)
        generators = [clip_generator(seed) for seed in seeds]
        scheduler.set_timesteps(self.steps, device=attended.device)
        if hasattr(scheduler, "noise_sampler"):
            levels = scheduler.config.sigma_min, scheduler.config.sigma_max
            scheduler.noise_sampler = BrownianNoise(seeds, shape, *levels)
        extra = {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
        rotary = get_1d_rotary_pos_embed(
            self._network.rotary_embed_dim, shape[1] + overall.shape[1], use_real=True, repeat_interleave_real=False
        )
        latents: torch.Tensor = clip_noise(generators, shape, str(attended.device)) * scheduler.init_noise_sigma
        for time in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, time).to(attended.dtype)
            predicted = transformer(
                torch.cat([scaled, scaled]) if self.guided else scaled,
                time.unsqueeze(0),
                encoder_hidden_states=attended,
                global_hidden_states=overall,
                rotary_embedding=rotary,
                return_dict=False,
            )[0].float()
            if self.guided:
                unwanted, wanted = predicted.chunk(2)
                predicted = unwanted + self.guidance * (wanted - unwanted)
            latents = scheduler.step(predicted, time, latents, **extra, return_dict=False)[0]
        return latents


class StableAudioLora(StableAudio):
    """`StableAudio` under a name that asks for an ``adapter``."""

    identity_name = "stable-audio"
    required_params = ("adapter",)
    examples: ClassVar[Mapping[str, str]] = {"adapter": "trained/adapter"}


def decoder_reach(ratios: Sequence[int]) -> int:
    """Compute how many latent frames beyond a point in time the Oobleck decoder's output at that point can depend on.

    The decoder is a convolution of width 7, then for each upsampling ratio r a transposed one of width 2r and three
    residual units of width 7 with dilations 1, 3 and 9, then another one of width 7.

    Args:
        ratios: of the upsampling, in the decoder's order.
    """
    reach, scale = 3.0, 1
    for ratio in ratios:
        reach += 1 / scale
        scale *= ratio
        reach += 3 * (1 + 3 + 9) / scale
    return math.ceil(reach + 3 / scale)
