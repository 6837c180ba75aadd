"""LongCat-AudioDiT: flow matching in the latents of a waveform autoencoder, conditioned on UMT5's reading of a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from bench.contracts.audio import Samples
from models.batching import alike_in_length, clip_generator, clip_noise
from models.diffusers_pipeline import DiffusersModel

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

LONGEST = 30.0  # seconds; the pipeline's limit


@dataclass(eq=False)
class LongCatAudio(DiffusersModel):
    """Text to audio by LongCat-AudioDiT, from ``ruixiangma/LongCat-AudioDiT-1B-Diffusers`` or one like it.

    Clips have the checkpoint's own rate (24 kHz as published), one channel, and exactly the requested length, at most
    30 s. Texts are read in lower case, as in the plain diffusers pipeline; clips whose texts have the same number of
    tokens share a pass.

    Args:
        checkpoint: a hub id, or a local folder; in diffusers' layout.
        revision: commit, tag or branch of the hub.
        adapter: folder, file or hub id of LoRA weights for the transformer, or a list of ``{path: …, weight: …}``.
        adapter_scale: their weight, finite, ≥ 0; 0 is the base model bit for bit.
        guidance: classifier-free guidance scale ≥ 0; up to 1 there is none, and the negative prompt has no effect.
        steps: denoising steps, ≥ 1.
        negative_prompt: what to steer away from; None for nothing in particular.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default what suits the device.
        batch_size: clips in one pass, ≥ 1; halved by itself where memory runs out.

    Raises:
        UsageError: a parameter out of its range.

    meituan-longcat/LongCat-AudioDiT, 2026; defaults are those of its diffusers pipeline.
    """

    kind = "longcat-audio"
    needs = (*DiffusersModel.needs, "diffusers:LongCatAudioDiTPipeline", "transformers:UMT5EncoderModel")
    pipeline = "LongCatAudioDiTPipeline"
    tuned = "transformer"
    max_duration = LONGEST

    checkpoint: str = "ruixiangma/LongCat-AudioDiT-1B-Diffusers"
    _: KW_ONLY
    guidance: float = 4.0
    steps: int = 16

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the models that condition it: UMT5 reads the text."""
        return ("umt5",)

    def _encode(self, text: str) -> Condition:
        """Encode ``states``: UMT5's states of the text, shape (1, tokens, width)."""
        from diffusers.pipelines.longcat_audio_dit.pipeline_longcat_audio_dit import _normalize_text

        return {"states": self._states(_normalize_text(text))}

    def _states(self, text: str) -> torch.Tensor:
        states: torch.Tensor = self._network.encode_prompt(text, self._network.device)[0]
        return states

    def _rate(self) -> int:
        return int(self._network.sample_rate)

    def _length(self, duration: float) -> int:
        hop = int(self._network.vae_scale_factor)
        return max(1, math.ceil(round(duration * self._rate()) / hop))

    def _clips(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> Samples:
        return alike_in_length(conditions, seeds, "states", lambda own, chosen: self._decoded(own, chosen, length))

    def _decoded(self, states: torch.Tensor, seeds: Sequence[int], length: int) -> Samples:
        latents = self._denoised(states, seeds, length)
        samples: Samples = self._network.vae.decode(latents.transpose(1, 2)).sample.float().cpu().numpy()
        return samples

    def _denoised(self, states: torch.Tensor, seeds: Sequence[int], length: int) -> torch.Tensor:
        """Denoise latents, shape (clips, frames, channels)."""
        import torch

        pipeline, clips = self._network, len(seeds)
        device, scheduler = states.device, pipeline.scheduler
        shape = (length, pipeline.latent_dim)
        latents = clip_noise([clip_generator(seed) for seed in seeds], shape, str(device), states.dtype)
        unwanted = self._unwanted(states) if self.guided else states
        scheduler.set_timesteps(sigmas=torch.linspace(1.0, 1.0 / self.steps, self.steps).tolist(), device=device)
        scheduler.set_begin_index(0)
        for time in scheduler.timesteps:
            share = time / scheduler.config.num_train_timesteps
            given = {"latents": latents, "times": share.expand(clips).to(states.dtype)}
            flow = self._flow(states, **given)
            if self.guided:
                free = self._flow(unwanted, **given)
                flow = free + self.guidance * (flow - free)
            latents = scheduler.step(flow, time, latents, return_dict=False)[0]
        return latents

    def _unwanted(self, states: torch.Tensor) -> torch.Tensor:
        """Return what the unconditional half attends to: the negative prompt, as it is written, or zeros."""
        import torch

        if self.negative_prompt is None:
            return torch.zeros_like(states)
        return self._states(self.negative_prompt).expand(len(states), -1, -1)

    def _flow(self, states: torch.Tensor, latents: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        import torch

        everything: Any = {"device": states.device, "dtype": torch.bool}
        flow: torch.Tensor = self._network.transformer(
            hidden_states=latents,
            encoder_hidden_states=states,
            encoder_attention_mask=torch.ones(states.shape[:2], **everything),
            timestep=times,
            attention_mask=torch.ones(latents.shape[:2], **everything),
            latent_cond=torch.zeros_like(latents),
        ).sample
        return flow
