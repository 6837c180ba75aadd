"""AudioLDM 2 in training: as AudioLDM, conditioned on a caption by T5 and by a language model between CLAP and T5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from models.audioldm2 import AudioLDM2, told
from models.batching import joined
from models.training.audioldm import AudioLDMTrainee
from models.training.base import Batch
from models.training.objectives import without

if TYPE_CHECKING:
    from models.training.base import Condition


class AudioLDM2Trainee(AudioLDMTrainee):
    """AudioLDM 2 opened for training.

    Noise objective as `AudioLDMTrainee`. Conditioned on T5's states of the caption and on what GPT-2 generates from
    CLAP's and T5's encodings of it, which are kept for each caption and not trained; where the condition is dropped, on
    those of the empty text, as in the pipeline's unconditional half. Its autoencoder takes mels as AudioLDM's does.

    Liu et al., "AudioLDM 2: Learning Holistic Audio Generation with Self-Supervised Pretraining", IEEE/ACM TASLP 32,
    2024.
    """

    kind = "audioldm2"
    pipeline = AudioLDM2.pipeline
    encoders: ClassVar[Mapping[str, str]] = AudioLDM2.encoders
    kinds: ClassVar[Mapping[str, str]] = AudioLDM2.kinds
    unused = AudioLDM2.unused
    frozen = ("vae", "text_encoder", "text_encoder_2", "projection_model", "language_model")

    def condition(self, caption: str) -> Condition:
        """Encode ``prompt_embeds`` of T5 with its ``attention_mask``, and ``generated_prompt_embeds`` of GPT-2."""
        with torch.no_grad():
            parts = told(self._encoders, caption)
        return {name: part.float().cpu().contiguous() for name, part in parts.items()}

    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Join conditions as in `condition`; captions are padded with zeros to the longest, or to the empty text's
        length."""
        batch = joined([*conditions, self._nothing])
        return {name: part[:-1] for name, part in batch.items()}

    def _answer(self, network: Any, noisy: torch.Tensor, steps: torch.Tensor, batch: Batch) -> torch.Tensor:
        # As long as the batch's: `joined` made room for the empty text.
        nothing = joined([{name: value[:1].cpu() for name, value in batch.condition.items()}, self._nothing])
        parts = {
            name: without(value, batch.dropped, nothing[name][1:].to(value.device))
            for name, value in batch.condition.items()
        }
        answer: torch.Tensor = network(
            noisy,
            steps,
            encoder_hidden_states=parts["generated_prompt_embeds"].to(self._dtype),
            encoder_hidden_states_1=parts["prompt_embeds"].to(self._dtype),
            encoder_attention_mask_1=parts["attention_mask"],
            return_dict=False,
        )[0]
        return answer
