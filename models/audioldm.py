"""AudioLDM: latent diffusion of a mel spectrogram, conditioned on CLAP's embedding of the text."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from bench.contracts.audio import Samples
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.errors import DataError, UsageError
from models.batching import clip_generator, clip_noise, joined
from models.diffusers_pipeline import DiffusersModel
from models.pretrained import PretrainedModel

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

TRAINED_SECONDS = 10.24  # length of the clips that all published checkpoints were trained on
_LONGEST_TEXT = 1_000_000  # tokens


@dataclass(eq=False)
class AudioLDM(DiffusersModel):
    """Text to audio by AudioLDM, from the diffusers checkpoint ``cvssp/audioldm-s-full-v2`` or one like it.

    Clips have the vocoder's rate (16 kHz as published), one channel, and exactly the requested length. Steps and
    guidance are those of the authors' own sampler. The first sample is used; none is chosen by its CLAP score. A text
    is read up to its tokenizer's limit: 512 tokens as published.

    Args:
        checkpoint: a hub id, or a local folder.
        revision: commit, tag or branch of the hub.
        adapter: folder, file or hub id of LoRA weights for the UNet, or a list of ``{path: …, weight: …}``.
        adapter_scale: their weight, finite, ≥ 0; 0 is the base model bit for bit.
        guidance: classifier-free guidance scale ≥ 0; up to 1 there is none, and the negative prompt has no effect.
        steps: denoising steps, ≥ 1.
        negative_prompt: what to steer away from; empty as published.
        prompt_prefix: words put before every prompt, unchanged; None for none.
        eta: fresh noise in each step, from 0, none (DDIM), to 1 (DDPM); Song et al., "Denoising Diffusion Implicit
            Models", ICLR 2021.
        max_duration: longest clip in s. 10.24 is what the model was trained on; the network takes more.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default what suits the device.
        batch_size: clips in one pass, ≥ 1; halved by itself where memory runs out.

    Raises:
        UsageError: a parameter out of its range.

    Liu et al., "AudioLDM: Text-to-Audio Generation with Latent Diffusion Models", ICML 2023; the defaults of guidance
    and steps are those of ``text_to_audio`` in the authors' repository, haoheliu/AudioLDM.
    """

    kind = "audioldm"
    needs = (*DiffusersModel.needs, "diffusers:AudioLDMPipeline")
    pipeline = "AudioLDMPipeline"
    tuned = "unet"
    provenance_params = PretrainedModel.provenance_params | {"max_duration"}

    checkpoint: str = "cvssp/audioldm-s-full-v2"
    _: KW_ONLY
    guidance: float = 2.5
    steps: int = 200
    negative_prompt: str = ""
    prompt_prefix: str | None = None
    eta: float = 0.0
    max_duration: float = TRAINED_SECONDS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("eta", self.eta, low=0, high=1)
        self.require_range("max_duration", self.max_duration, above=0)

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the models that condition it: the authors build on LAION-AI/CLAP, whose network the pipeline loads."""
        return ("clap-laion",)

    def _maximum(self) -> str:
        return f"{super()._maximum()}, or raise max_duration above the {TRAINED_SECONDS:g} s of its training"

    def _check(self, pipeline: Any) -> None:
        if pipeline.tokenizer.model_max_length > _LONGEST_TEXT:  # transformers' value for an unknown length
            raise DataError(
                f"checkpoint '{self.checkpoint}': its tokenizer/tokenizer_config.json does not say how long texts are "
                "(model_max_length); download it again"
            )
        scheduler = pipeline.scheduler
        if hasattr(scheduler, "noise_sampler"):  # one Brownian path for the whole batch
            problem = "draws one noise for all clips of a batch"
        elif self.eta > 0 and "eta" not in inspect.signature(scheduler.step).parameters:
            problem = "has no eta"
        else:
            return
        raise UsageError(
            f"{self.kind}: the scheduler of checkpoint '{self.checkpoint}', {type(scheduler).__name__}, {problem}; "
            "put a DDIMScheduler into its folder, as published"
        )

    def unread_tokens(self, prompt: Prompt) -> int:
        return super().unread_tokens(replace(prompt, text=self._text(prompt)))

    def _text(self, prompt: Prompt) -> str:
        return f"{self.prompt_prefix or ''}{prompt.text}"

    def _told(self, request: GenerationRequest) -> str:
        return self._text(request.prompt)

    def _encode(self, text: str) -> Condition:
        """Encode the text by CLAP, of unit length, shape (1, dimension)."""
        import torch

        return {"prompt_embeds": torch.nn.functional.normalize(text_embedding(self._network, text), dim=-1)}

    def _conditioning(self, conditions: Sequence[Condition]) -> dict[str, torch.Tensor]:
        """Return the pipeline's inputs in place of texts, one row per clip."""
        assert self._condition is not None
        wanted = joined(conditions)
        if self.guided:
            unwanted = self._condition(self.negative_prompt)["prompt_embeds"]
            wanted["negative_prompt_embeds"] = unwanted.expand_as(wanted["prompt_embeds"])
        return wanted

    def _rate(self) -> int:
        return int(self._network.vocoder.config.sampling_rate)

    def _length(self, duration: float) -> int:
        pipeline = self._network
        samples_a_frame = int(math.prod(pipeline.vocoder.config.upsample_rates) * pipeline.vae_scale_factor)
        return max(1, math.ceil(round(duration * self._rate()) / samples_a_frame))

    def _clips(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> Samples:
        pipeline = self._network
        generators = [clip_generator(seed) for seed in seeds]
        bands = pipeline.vocoder.config.model_in_dim // pipeline.vae_scale_factor
        shape = (pipeline.unet.config.in_channels, length, bands)
        waves: Samples = pipeline(
            **self._conditioning(conditions),
            latents=clip_noise(generators, shape, str(pipeline.device), pipeline.unet.dtype),
            generator=generators,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            eta=self.eta,
            # The latents' shape sets the length; the pipeline only cuts at this length, and rounds it down.
            audio_length_in_s=self.max_duration + 1,
        ).audios
        return waves[:, None]


class AudioLDMLora(AudioLDM):
    """`AudioLDM` under a name that asks for an ``adapter``."""

    identity_name = "audioldm"
    required_params = ("adapter",)
    examples: ClassVar[Mapping[str, str]] = {"adapter": "trained/adapter"}


@dataclass(eq=False)
class AudioLDMNano(AudioLDM):
    """`AudioLDM` with the small checkpoint that comes with tunebench, which runs on two cores.

    Its network was trained on music of five genres by the composer, without pop; ``adapter: audioldm-nano-pop`` is
    its LoRA on that. Its results say nothing about music in general.
    """

    identity_name = "audioldm"

    checkpoint: str = "audioldm-nano"
    _: KW_ONLY
    guidance: float = 6.0
    steps: int = 14

    def conditioned_on(self) -> tuple[str, ...]:
        """Return no models that also judge: its text encoder was trained by tunebench, on descriptions alone."""
        return ()


def text_embedding(pipeline: Any, text: str) -> torch.Tensor:
    """Compute CLAP's embedding of a text by a pipeline's encoder, not yet of unit length, shape (1, dimension)."""
    tokens = pipeline.tokenizer(
        text,
        padding="max_length",
        max_length=pipeline.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    embedding: torch.Tensor = pipeline.text_encoder(**tokens.to(pipeline.text_encoder.device)).text_embeds
    return embedding
