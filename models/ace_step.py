"""ACE-Step 1.5: flow matching by a transformer, conditioned on a caption, lyrics, and tempo and key as arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bench.contracts.audio import Samples
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.quiet import quiet_libraries
from models.batching import alike_in_length, clip_generator, clip_noise
from models.diffusers_pipeline import DiffusersModel

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

LONGEST = 600.0  # seconds, of ACE-Step's own programs
TEXT_TOKENS, LYRIC_TOKENS = 256, 2048  # the most that are read, of the caption within its template and of the lyrics
REFERENCE_SECONDS = 30.0  # of silence, in place of a reference recording
PEAK = 10 ** (-1 / 20)  # peak of every clip


class Asked(NamedTuple):
    """Everything in a request that the condition depends on."""

    caption: str
    lyrics: str
    duration: float
    bpm: int | None
    key: str | None


@dataclass(eq=False)
class AceStep(DiffusersModel):
    """Text and lyrics to music by ACE-Step 1.5, from ``ACE-Step/acestep-v15-xl-turbo-diffusers`` or one like it.

    XL and the smaller models are of one architecture. Clips have the checkpoint's own rate and channels (48 kHz stereo
    as published), the requested length, and a peak of -1 dB, as the plain diffusers pipeline gives them. Conditions
    have their own length and are not padded: clips whose conditions are of one length share a pass. Distilled
    checkpoints (turbo) have no guidance. The language model that writes lyrics and metadata in ACE-Step's own programs
    is not used.

    Args:
        checkpoint: a hub id, or a local folder; in diffusers' layout.
        revision: commit, tag or branch of the hub.
        adapter: folder, file or hub id of LoRA or LoKr weights for the transformer, or a list of
            ``{path: …, weight: …}``.
        adapter_scale: their weight, finite, ≥ 0; 0 is the base model bit for bit.
        control: how a prompt's tempo and key are passed, where it has them: in its ``text`` only, or also as
            ``arguments`` (``bpm`` and ``keyscale``). The text itself is the same.
        steps: denoising steps, ≥ 1; 8 for turbo, and about 50 for the others.
        guidance: scale of adaptive projected guidance ≥ 0; up to 1 there is none. Turbo checkpoints have none at all.
        shift: of the schedule towards noise, > 0.
        language: of the lyrics, as a code.
        instrumental: the lyrics of a prompt without any.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default what suits the device.
        batch_size: clips in one pass, ≥ 1; halved by itself where memory runs out.

    Raises:
        UsageError: a parameter out of its range, or a negative prompt, which the model does not take.

    Gong et al., "ACE-Step 1.5", 2026, and ace-step/ACE-Step-1.5; guidance: Sadat et al., "Eliminating Oversaturation
    and Artifacts of High Guidance Scales in Diffusion Models", ICLR 2025.
    """

    kind = "ace-step"
    needs = (*DiffusersModel.needs, "diffusers:AceStepPipeline", "transformers:Qwen3Model")
    pipeline = "AceStepPipeline"
    tuned = "transformer"
    # They serve tasks that start from a recording.
    unused = ("audio_tokenizer", "audio_token_detokenizer")
    beside = ("condition_encoder",)
    max_duration = LONGEST

    checkpoint: str = "ACE-Step/acestep-v15-xl-turbo-diffusers"
    _: KW_ONLY
    control: Literal["text", "arguments"] = "text"
    guidance: float = 7.0
    steps: int = 8
    shift: float = 3.0
    language: str = "en"
    instrumental: str = "[Instrumental]"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("shift", self.shift, above=0)
        if self.control not in ("text", "arguments"):
            raise UsageError(f"{self.kind}: control is {self.control!r}, must be text or arguments")
        if self.negative_prompt is not None:
            raise UsageError(f"{self.kind}: negative_prompt is not taken by this model; leave it out")

    @property
    def guided(self) -> bool:
        return super().guided and not (self._network is not None and self._network.is_turbo)

    def unread_tokens(self, prompt: Prompt) -> int:
        if self._network is None:
            self._load()
        return unread_of(self._network.tokenizer, self._asked_of(prompt, LONGEST), self.language)

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the models that condition it: Qwen3's embedding model reads text and lyrics."""
        return ("qwen3",)

    def _check(self, pipeline: Any) -> None:
        scheduler = pipeline.scheduler
        if type(scheduler).__name__ != "FlowMatchEulerDiscreteScheduler" or scheduler.config.stochastic_sampling:
            raise UsageError(
                f"{self.kind}: checkpoint '{self.checkpoint}' needs a FlowMatchEulerDiscreteScheduler without "
                "stochastic_sampling; put the published one into its folder"
            )

    def _told(self, request: GenerationRequest) -> Asked:
        return self._asked_of(request.prompt, request.duration)

    def _asked_of(self, prompt: Prompt, duration: float) -> Asked:
        lyrics = self.instrumental if prompt.lyrics is None else prompt.lyrics
        if self.control == "text":
            return Asked(prompt.text, lyrics, duration, None, None)
        bpm = None if prompt.bpm is None else max(1, round(prompt.bpm))
        return Asked(prompt.text, lyrics, duration, bpm, prompt.key)

    def _encode(self, asked: Asked) -> Condition:
        """Encode ``states``: what the transformer attends to, of the lyrics, an empty reference and the caption."""
        return {"states": condition_states(self._network, asked, self.language)}

    def _rate(self) -> int:
        return int(self._network.sample_rate)

    def _length(self, duration: float) -> int:
        hop = int(self._network.vae.hop_length)
        return max(1, math.ceil(round(duration * self._rate()) / hop))

    def _clips(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> Samples:
        return alike_in_length(conditions, seeds, "states", lambda own, chosen: self._decoded(own, chosen, length))

    def _decoded(self, states: torch.Tensor, seeds: Sequence[int], length: int) -> Samples:
        wave = self._network.vae.decode(self._denoised(states, seeds, length).transpose(1, 2)).sample.float()
        wave = wave / wave.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1.0)
        wave = wave * (PEAK / wave.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-6))
        samples: Samples = wave.cpu().numpy()
        return samples

    def _denoised(self, states: torch.Tensor, seeds: Sequence[int], length: int) -> torch.Tensor:
        """Denoise latents, shape (clips, frames, channels)."""
        import torch
        from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance

        pipeline, clips = self._network, len(seeds)
        transformer, scheduler = pipeline.transformer, pipeline.scheduler
        device, dtype = states.device, transformer.dtype
        shape = (length, transformer.config.audio_acoustic_hidden_dim)
        latents = clip_noise([clip_generator(seed) for seed in seeds], shape, str(device), dtype)
        context = context_latents(pipeline.condition_encoder.silence_latent, clips, length).to(dtype)
        if self.guided:
            states = torch.cat([states, unconditional(pipeline.condition_encoder, states)])
            context = torch.cat([context, context])
        schedule = pipeline._get_timestep_schedule(self.steps, self.shift, device, torch.float32)
        scheduler.set_timesteps(sigmas=schedule.tolist(), device=device)
        momentum = MomentumBuffer(momentum=-0.75)
        for time in scheduler.timesteps:
            times = torch.full((len(states),), float(time), device=device, dtype=dtype)
            flow = transformer(
                hidden_states=torch.cat([latents, latents]) if self.guided else latents,
                timestep=times,
                timestep_r=times,
                encoder_hidden_states=states,
                context_latents=context,
                return_dict=False,
            )[0]
            if self.guided:
                flow = normalized_guidance(
                    *flow.chunk(2),
                    guidance_scale=self.guidance - 1,
                    momentum_buffer=momentum,
                    eta=0.0,
                    norm_threshold=2.5,
                    use_original_formulation=True,
                    norm_dim=(1,),
                )
            latents = scheduler.step(flow, time, latents, return_dict=False)[0]
        return latents


def condition_states(pipeline: Any, asked: Asked, language: str) -> torch.Tensor:
    """Compute what the transformer attends to for one clip, shape (1, length, width).

    Args:
        pipeline: an ``AceStepPipeline``.
        asked: caption, lyrics and metadata.
        language: of the lyrics.
    """
    import torch

    text, text_mask, lyrics, lyric_mask = pipeline.encode_prompt(
        asked.caption,
        asked.lyrics,
        pipeline.text_encoder.device,
        vocal_language=language,
        audio_duration=asked.duration,
        bpm=asked.bpm,
        keyscale=asked.key,
        max_text_length=TEXT_TOKENS,
        max_lyric_length=LYRIC_TOKENS,
    )
    encoder = pipeline.condition_encoder
    reference = encoder.silence_latent[:, : math.ceil(REFERENCE_SECONDS * pipeline.latents_per_second)]
    states: torch.Tensor = encoder(
        text_hidden_states=text,
        text_attention_mask=text_mask,
        lyric_hidden_states=lyrics,
        lyric_attention_mask=lyric_mask,
        refer_audio_acoustic_hidden_states_packed=reference.to(text.dtype),
        refer_audio_order_mask=torch.zeros(1, dtype=torch.long, device=text.device),
    )[0]
    return states


def unread_of(tokenizer: Any, asked: Asked, language: str) -> int:
    """Count the tokens of caption and lyrics, each within its template, beyond what the pipeline reads.

    Args:
        tokenizer: the pipeline's.
        asked: caption, lyrics and metadata.
        language: of the lyrics, as a code.
    """
    from diffusers import AceStepPipeline

    texts = AceStepPipeline._format_prompt(
        AceStepPipeline, asked.caption, asked.lyrics, language, asked.duration, bpm=asked.bpm, keyscale=asked.key
    )
    with quiet_libraries():
        lengths = [len(tokenizer(text).input_ids) for text in texts]
    return sum(max(0, length - most) for length, most in zip(lengths, (TEXT_TOKENS, LYRIC_TOKENS), strict=True))


def context_latents(silence: torch.Tensor, clips: int, frames: int) -> torch.Tensor:
    """Return the transformer's context: silence as the existing music, and a mask that asks for music everywhere.

    Args:
        silence: latents of silence, shape (1, any frames, channels).
        clips, frames: how many.

    Returns:
        Shape (clips, frames, 2 · channels).
    """
    import torch

    silence = silence.repeat(1, -(-frames // silence.shape[1]), 1)[:, :frames]
    return torch.cat([silence, torch.ones_like(silence)], dim=-1).expand(clips, -1, -1)


def unconditional(condition_encoder: Any, states: torch.Tensor) -> torch.Tensor:
    """Return what the transformer attends to without a condition, in the shape of ``states``."""
    nothing: torch.Tensor = condition_encoder.null_condition_emb
    return nothing.to(states).expand_as(states)
