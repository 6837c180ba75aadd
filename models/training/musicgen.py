"""MusicGen in training: its language model learns the tokens of an audio codec."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from bench.errors import UsageError
from bench.network_weights import load_network
from models.batching import joined
from models.musicgen import MAX_SECONDS
from models.training.base import Batch, Latent, Trainee
from models.training.objectives import without
from models.training.waveform import fitted, padded
from models.training.windows import encoded
from models.vocabulary import check_vocabulary

if TYPE_CHECKING:
    from bench.contracts.audio import Audio
    from models.training.base import Condition

CONTEXT_SECONDS = 1.0  # from a cut in a long file to the first token that is kept


class MusicGenTrainee(Trainee):
    """MusicGen opened for training.

    Cross-entropy of every codebook's tokens, mean over positions and then over codebooks, where codebook k of a frame
    is predicted k steps after codebook 0 and the first k steps of each are not counted: the delay pattern without its
    end. Conditioned on T5's states of the caption, projected to the decoder's width; where the condition is dropped,
    the decoder attends to zeros, as in the unconditional half of generation. Diffusion time and noise are not used.

    An example is stored as its tokens, as whole numbers in float32: mean without deviation. In a stereo model,
    codebooks of left and right alternate. The decoder's dropout is that of its configuration.

    Args:
        folder: a whole checkpoint, in transformers' layout.
        identity: as `models.base_checkpoint.identity` gives it.
        dtype: of the decoder's weights.

    Raises:
        UsageError: its codec gives another number of codebooks than its decoder takes.

    Copet et al., "Simple and Controllable Music Generation", NeurIPS 2023; facebookresearch/audiocraft,
    ``solvers/musicgen.py`` and ``models/lm.py``.
    """

    kind = "musicgen"
    part = "decoder"
    timed = False

    def __init__(self, folder: Path, identity: Mapping[str, str], dtype: torch.dtype) -> None:
        from transformers import AutoTokenizer, MusicgenForConditionalGeneration

        model = load_network(MusicgenForConditionalGeneration, folder).float()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        check_vocabulary(self._tokenizer, model.text_encoder, folder)
        model.requires_grad_(False).eval()
        codec = model.config.audio_encoder
        self.identity = identity
        self.network = model.decoder.to(dtype).eval()
        config = self.network.config
        self.rate, self.channels = int(codec.sampling_rate), int(config.audio_channels)
        self._books, self._pad = int(config.num_codebooks), int(config.pad_token_id)
        self._hop = int(math.prod(codec.upsampling_ratios))
        self.frame_seconds = self._hop / self.rate
        self.longest = round(MAX_SECONDS / self.frame_seconds)
        self._dtype = dtype
        self._encoders = SimpleNamespace(
            codec=model.audio_encoder,
            text=model.text_encoder,
            projection=getattr(model, "enc_to_dec_proj", torch.nn.Identity()),
        )

    def encode(self, audio: Audio) -> Latent:
        """Encode a file as the codec's tokens; a file longer than the network takes, in windows of that length."""
        samples = torch.from_numpy(padded(fitted(audio, self.rate, self.channels), self._hop))
        hop, context = self._hop, min(round(CONTEXT_SECONDS / self.frame_seconds), self.longest // 8)

        def tokens(begin: int, end: int) -> Any:
            codes = self._tokens(samples[:, begin * hop : end * hop]).float()
            return SimpleNamespace(mean=codes, std=torch.zeros_like(codes))

        mean, std = encoded(tokens, samples.shape[1] // hop, self.longest, context)
        return Latent(mean, std, audio.duration)

    def _tokens(self, samples: torch.Tensor) -> torch.Tensor:
        """Encode samples, shape (channels, samples), as tokens, shape (1, codebooks, frames)."""
        codec = self._encoders.codec
        sides = codec.encode(samples[:, None].to(codec.device)).audio_codes[0]
        if sides.shape[1] * self.channels != self._books:
            raise UsageError(
                f"the checkpoint's codec gives {sides.shape[1] * self.channels} codebooks and its decoder takes "
                f"{self._books}; they do not match, use another checkpoint"
            )
        tokens: torch.Tensor = sides.transpose(0, 1).flatten(0, 1)[None]
        return tokens

    def condition(self, caption: str) -> Condition:
        """Encode ``states``: T5's of the caption, projected, shape (1, tokens, width); ``mask``: ones, shape (1,
        tokens)."""
        encoders = self._encoders
        tokens = self._tokenizer(caption, return_tensors="pt").to(encoders.text.device)
        with torch.no_grad():
            states = encoders.projection(encoders.text(**tokens).last_hidden_state)
        return {"states": states.float().cpu().contiguous(), "mask": tokens["attention_mask"].float().cpu()}

    def unread_tokens(self, caption: str) -> int:
        del caption  # T5 reads texts of any length
        return 0

    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Join conditions as in `condition`; captions are padded with zeros to the longest."""
        return joined(conditions)

    def losses(self, network: Any, batch: Batch) -> torch.Tensor:
        tokens = batch.latents.round().long()
        inputs, targets, counted = delayed(tokens, self.channels, self._pad)
        states, mask = batch.condition["states"], batch.condition["mask"]
        logits = network(
            input_ids=inputs.flatten(0, 1),
            encoder_hidden_states=without(states, batch.dropped).to(self._dtype),
            encoder_attention_mask=mask,
            use_cache=False,
        ).logits
        logits = logits.float().reshape(*targets.shape, logits.shape[-1])
        return cross_entropy(logits, targets, counted)

    def to(self, device: str) -> None:
        self.network.to(device)
        for part in vars(self._encoders).values() if self._encoders is not None else ():
            part.to(device)


def delayed(tokens: torch.Tensor, channels: int, pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a decoder's inputs and targets, step by step, in the delay pattern of MusicGen.

    Args:
        tokens: int64, shape (batch, codebooks, frames).
        channels: of the audio; this many consecutive codebooks share a delay.
        pad: the token in places without one.

    Returns:
        Inputs and targets, shape (batch, codebooks, frames), and which targets count, bool, shape (codebooks, frames):
        those of codebook k from step k // channels on.
    """
    delays = (torch.arange(tokens.shape[1], device=tokens.device) // channels)[:, None]
    steps = torch.arange(tokens.shape[2], device=tokens.device)
    places = steps - delays
    counted = places >= 0
    targets = tokens.gather(2, places.clamp(min=0).expand_as(tokens)).masked_fill(~counted, pad)
    inputs = torch.cat([torch.full_like(targets[..., :1], pad), targets[..., :-1]], dim=2)
    return inputs, targets, counted


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Compute the mean over codebooks of the mean over what counts, in nats, float32, shape (batch,).

    Args:
        logits: float32, shape (batch, codebooks, steps, vocabulary).
        targets: int64, shape (batch, codebooks, steps).
        counted: bool, shape (codebooks, steps). A codebook without any that counts is left out of the mean.
    """
    chosen = torch.where(counted, targets, 0)
    each = -torch.log_softmax(logits, dim=-1).gather(-1, chosen[..., None])[..., 0]
    numbers = counted.sum(dim=1)
    means = (each * counted).sum(dim=2)[:, numbers > 0] / numbers[numbers > 0]
    return means.mean(dim=1)
