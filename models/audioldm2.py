"""AudioLDM 2: latent diffusion of a mel spectrogram, conditioned on CLAP, T5 and a language model between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.library_setup import set_up_libraries
from models.audioldm import TRAINED_SECONDS, AudioLDM
from models.pretrained import check_vocabulary, joined

if TYPE_CHECKING:
    import torch

    from models.pretrained import Condition

_LANGUAGE_TOKENS = 8  # of the published checkpoints, where the configuration does not say


class AudioLDM2(AudioLDM):
    """Text to audio by AudioLDM 2, from the diffusers checkpoint ``cvssp/audioldm2`` or one like it.

    ``cvssp/audioldm2-music`` is the checkpoint for music. Parameters are those of `AudioLDM` with this model's
    defaults. Each prompt is encoded alone: encoded with others it would be padded, and the language model's answer
    depends on the padding.

    Liu et al., "AudioLDM 2: Learning Holistic Audio Generation with Self-Supervised Pretraining", IEEE/ACM TASLP 32,
    2024; the defaults are those of ``text_to_audio`` in the authors' repository, haoheliu/AudioLDM2.
    """

    kind = "audioldm2"

    def __init__(
        self,
        checkpoint: str = "cvssp/audioldm2",
        revision: str | None = None,
        adapter: str | None = None,
        adapter_scale: float = 1.0,
        guidance: float = 3.5,
        steps: int = 200,
        negative_prompt: str = "",
        eta: float = 0.0,
        max_duration: float = TRAINED_SECONDS,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
    ) -> None:
        super().__init__(
            checkpoint,
            revision,
            adapter,
            adapter_scale,
            guidance,
            steps,
            negative_prompt,
            eta,
            max_duration,
            device,
            dtype,
            batch_size,
        )

    def _pipeline(self, folder: Path, dtype: torch.dtype) -> Any:
        set_up_libraries()  # diffusers imports librosa for it, where that is installed
        from diffusers import AudioLDM2Pipeline
        from transformers import GPT2LMHeadModel

        # The published checkpoints name GPT2Model, which in newer transformers has none of the methods of generation.
        language = GPT2LMHeadModel.from_pretrained(folder / "language_model", local_files_only=True).to(dtype)
        pipeline = AudioLDM2Pipeline.from_pretrained(
            str(folder),
            language_model=language,
            feature_extractor=None,  # serves the choice among several clips only, which is not made
            torch_dtype=dtype,
            local_files_only=True,
        )
        if pipeline.text_encoder_2.config.model_type == "vits":
            raise UsageError(f"checkpoint '{self.checkpoint}' speaks transcripts and takes no prompt; use another one")
        check_vocabulary(pipeline.tokenizer, pipeline.text_encoder, folder / "tokenizer")
        check_vocabulary(pipeline.tokenizer_2, pipeline.text_encoder_2, folder / "tokenizer_2")
        return pipeline

    def _encode(self, text: str) -> Condition:
        # With the negative prompt, which the pipeline cuts and pads to the length of the prompt.
        pipeline = self._network
        guided = self.guidance > 1
        embeddings, mask, generated = pipeline.encode_prompt(
            text,
            pipeline.device,
            num_waveforms_per_prompt=1,
            do_classifier_free_guidance=guided,
            negative_prompt=self.negative_prompt,
            max_new_tokens=getattr(pipeline.language_model.config, "max_new_tokens", None) or _LANGUAGE_TOKENS,
        )
        parts = {"prompt_embeds": embeddings, "attention_mask": mask, "generated_prompt_embeds": generated}
        if not guided:
            return parts
        halves = {name: tensor.chunk(2) for name, tensor in parts.items()}
        return {
            **{name: given for name, (_, given) in halves.items()},
            **{f"negative_{name}": against for name, (against, _) in halves.items()},
        }

    def _conditioning(self, conditions: Sequence[Condition]) -> dict[str, torch.Tensor]:
        return joined(conditions)
