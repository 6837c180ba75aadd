"""AudioLDM 2: latent diffusion of a mel spectrogram, conditioned on CLAP, T5 and a language model between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from models.audioldm import AudioLDM
from models.batching import joined
from models.diffusers_pipeline import DiffusersModel

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

_LANGUAGE_TOKENS = 8  # of the published checkpoints, where the configuration does not say


@dataclass(eq=False)
class AudioLDM2(AudioLDM):
    """Text to audio by AudioLDM 2, from the diffusers checkpoint ``cvssp/audioldm2`` or one like it.

    ``cvssp/audioldm2-music`` is the checkpoint for music. Parameters are those of `AudioLDM` with this model's
    defaults. Each prompt is encoded alone: in a batch it would be padded, and the language model's output depends on
    the padding.

    Liu et al., "AudioLDM 2: Learning Holistic Audio Generation with Self-Supervised Pretraining", IEEE/ACM TASLP 32,
    2024; the defaults are those of ``text_to_audio`` in the authors' repository, haoheliu/AudioLDM2.
    """

    kind = "audioldm2"
    needs = (*DiffusersModel.needs, "diffusers:AudioLDM2Pipeline", "transformers:GPT2LMHeadModel")
    pipeline = "AudioLDM2Pipeline"
    encoders = {"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"}  # noqa: RUF012 - never changed
    # The published checkpoints name GPT2Model, which in newer transformers has none of the methods of generation.
    kinds = {"language_model": "GPT2LMHeadModel"}  # noqa: RUF012
    # It only serves the choice among several clips, which tunebench does not make.
    unused = ("feature_extractor",)
    beside = ("language_model",)

    checkpoint: str = "cvssp/audioldm2"
    _: KW_ONLY
    guidance: float = 3.5

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the models that condition it: CLAP and T5, which GPT-2 turns into a sequence that the network
        reads."""
        return ("clap-laion", "t5", "gpt2")

    def _check(self, pipeline: Any) -> None:
        super()._check(pipeline)
        if pipeline.text_encoder_2.config.model_type == "vits":
            raise UsageError(
                f"checkpoint '{self.checkpoint}' generates speech from transcripts and takes no prompt; use another one"
            )

    def _encode(self, text: str) -> Condition:
        # With the negative prompt, which the pipeline cuts and pads to the length of the prompt.
        parts = told(self._network, text, self.negative_prompt if self.guided else None)
        if not self.guided:
            return parts
        halves = {name: tensor.chunk(2) for name, tensor in parts.items()}
        return {
            **{name: given for name, (_, given) in halves.items()},
            **{f"negative_{name}": against for name, (against, _) in halves.items()},
        }

    def _conditioning(self, conditions: Sequence[Condition]) -> dict[str, torch.Tensor]:
        return joined(conditions)


def told(pipeline: Any, text: str, against: str | None = None) -> dict[str, torch.Tensor]:
    """Compute the UNet's condition for a text: T5's states with their mask, and what the language model generates.

    Args:
        pipeline: an ``AudioLDM2Pipeline``, or what holds its encoders.
        text: one text.
        against: a negative prompt, whose rows come first; None for none.

    Returns:
        ``prompt_embeds``, ``attention_mask`` and ``generated_prompt_embeds``, each with one row a text.
    """
    embeddings, mask, generated = pipeline.encode_prompt(
        text,
        pipeline.text_encoder.device,
        num_waveforms_per_prompt=1,
        do_classifier_free_guidance=against is not None,
        negative_prompt=against,
        max_new_tokens=getattr(pipeline.language_model.config, "max_new_tokens", None) or _LANGUAGE_TOKENS,
    )
    return {"prompt_embeds": embeddings, "attention_mask": mask, "generated_prompt_embeds": generated}
