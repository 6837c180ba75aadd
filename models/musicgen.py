"""MusicGen: a language model over the tokens of an audio codec, conditioned on T5's reading of the text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.audio import Samples
from bench.network_weights import load_network
from models.batching import clip_generator, joined
from models.pretrained import PretrainedModel
from models.vocabulary import check_vocabulary

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

MAX_SECONDS = 30.0  # length of the clips it was trained on


def choose_tokens(
    logits: torch.Tensor, generators: Sequence[torch.Generator], temperature: float, top_k: int | None
) -> torch.Tensor:
    """Sample one token for each codebook of each clip, shape (clips, codebooks), int64.

    Clip i only draws from generator i, and the same amount whatever the logits are. By the Gumbel-max trick (Gumbel,
    1954): the index of the largest of logit + Gumbel noise is distributed as the softmax of the logits.

    Args:
        logits: shape (clips, codebooks, vocabulary).
        generators: one a clip, on the CPU.
        temperature: > 0.
        top_k: only the k most likely tokens are chosen from, k ≥ 1; None for all.
    """
    import torch

    logits = logits.float() / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        least = logits.topk(top_k).values[..., -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    shape = logits.shape[1:]
    # float64: in float32 one draw in 2**24 is an exact 0, that is, infinite noise; a clip draws about ten million.
    waits = [torch.empty(shape, dtype=torch.float64).exponential_(generator=g) for g in generators]
    noise = -torch.stack(waits).clamp_min(torch.finfo(torch.float64).tiny).log()
    return (logits + noise.float().to(logits.device)).argmax(-1)


def sample_tokens(
    decoder: Any,
    condition: torch.Tensor,
    mask: torch.Tensor,
    frames: int,
    choose: Callable[[torch.Tensor], torch.Tensor],
    guidance: float,
) -> torch.Tensor:
    """Sample codec tokens, shape (clips, codebooks, frames), int64.

    Codebook k of a frame is chosen k steps after codebook 0, the delay pattern of Copet et al., section 2.2; the two
    channels of a stereo model go side by side.

    Args:
        decoder: a ``MusicgenForCausalLM``.
        condition: the text, projected to the decoder's width, shape (clips, length, width); 0 where ``mask`` is 0.
        mask: shape (clips, length), 1 where there is text.
        frames: codec frames ≥ 1.
        choose: logits (clips, codebooks, vocabulary) → tokens (clips, codebooks).
        guidance: classifier-free guidance scale; up to 1 there is none.
    """
    import torch

    config = decoder.config
    clips, books = len(condition), config.num_codebooks
    guided = guidance > 1
    if guided:  # the unconditional half attends to zeros
        condition, mask = torch.cat([condition, torch.zeros_like(condition)]), torch.cat([mask, mask])
    delays = torch.arange(books, device=condition.device) // config.audio_channels
    steps = frames + int(delays.max())
    tokens = torch.full((clips, books, steps + 1), config.pad_token_id, device=condition.device)
    cache = None
    for step in range(steps):
        last = tokens[..., step].reshape(-1, 1)
        output = decoder(
            input_ids=last.repeat(2, 1) if guided else last,
            encoder_hidden_states=condition,
            encoder_attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        cache = output.past_key_values
        logits = output.logits[:, -1].float().reshape(-1, books, output.logits.shape[-1])
        if guided:
            given, free = logits.chunk(2)
            logits = free + guidance * (given - free)
        due = (delays <= step) & (step < frames + delays)
        tokens[..., step + 1] = torch.where(due, choose(logits), config.pad_token_id)
    begins = (delays + 1).tolist()
    return torch.stack([tokens[:, book, begin : begin + frames] for book, begin in enumerate(begins)], dim=1)


@dataclass(eq=False)
class MusicGen(PretrainedModel):
    """Text to music by MusicGen, from the transformers checkpoint ``facebook/musicgen-small`` or one like it.

    Clips have the codec's rate (32 kHz as published), one channel or, from a stereo checkpoint, two, and exactly the
    requested length, at most 30 s.

    Args:
        checkpoint: a hub id, or a local folder.
        revision: commit, tag or branch of the hub.
        adapter: folder, file or hub id of LoRA weights for the decoder, or a list of ``{path: …, weight: …}``.
        adapter_scale: their weight, finite, ≥ 0; 0 is the base model bit for bit.
        guidance: classifier-free guidance scale ≥ 0; up to 1 there is none.
        temperature: > 0; the lower, the more predictable.
        top_k: tokens are drawn from the k most likely ones, k ≥ 1; None for all.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default what suits the device.
        batch_size: clips in one pass, ≥ 1; halved by itself where memory runs out.

    Raises:
        UsageError: a parameter out of its range.

    Copet et al., "Simple and Controllable Music Generation", NeurIPS 2023: guidance 3, top-k 250, temperature 1.
    """

    kind = "musicgen"
    needs = (*PretrainedModel.needs, "transformers:MusicgenForConditionalGeneration")
    max_duration = MAX_SECONDS

    checkpoint: str = "facebook/musicgen-small"
    _: KW_ONLY
    guidance: float = 3.0
    temperature: float = 1.0
    top_k: int | None = 250

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("guidance", self.guidance, low=0)
        self.require_range("temperature", self.temperature, above=0)
        if self.top_k is not None:
            self.require_range("top_k", self.top_k, low=1, whole=True)
        self._tokenizer: Any = None

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the models that condition it: T5 reads the text."""
        return ("t5",)

    def close(self) -> None:
        self._tokenizer = None
        super().close()

    def _open(self, folder: Path, device: str, dtype: torch.dtype) -> Any:
        from transformers import AutoTokenizer, MusicgenForConditionalGeneration

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = load_network(MusicgenForConditionalGeneration, folder).to(dtype)
        for part, network in self._given.items():
            setattr(model, part, network)
        check_vocabulary(self._tokenizer, model.text_encoder, folder)
        self._adapt({"model": model, "text_encoder": model.text_encoder})
        return model.eval().to(device)

    def _encode(self, text: str) -> Condition:
        model = self._network
        tokens = self._tokenizer(text, return_tensors="pt").to(model.device)
        states = model.text_encoder(**tokens).last_hidden_state
        if hasattr(model, "enc_to_dec_proj"):
            states = model.enc_to_dec_proj(states)
        return {"states": states, "mask": tokens["attention_mask"]}

    def _rate(self) -> int:
        return int(self._network.config.audio_encoder.sampling_rate)

    def _length(self, duration: float) -> int:
        hop = int(math.prod(self._network.config.audio_encoder.upsampling_ratios))
        return max(1, math.ceil(round(duration * self._rate()) / hop))

    def _clips(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> Samples:
        tokens = self._tokens(conditions, seeds, length)
        waves: Samples = self._decoded(tokens).float().cpu().numpy()
        return waves

    def _tokens(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> torch.Tensor:
        choose = partial(
            choose_tokens,
            generators=[clip_generator(seed) for seed in seeds],
            temperature=self.temperature,
            top_k=self.top_k,
        )
        text = joined(conditions)
        return sample_tokens(self._network.decoder, text["states"], text["mask"], length, choose, self.guidance)

    def _decoded(self, tokens: torch.Tensor) -> torch.Tensor:
        """Decode tokens to the codec's sound, shape (clips, channels, samples)."""
        import torch

        codec = self._network.audio_encoder
        channels = self._network.decoder.config.audio_channels
        # Codebooks of left and right alternate, and the codec takes a leading dimension of chunks, of which there is 1.
        sides = [tokens[None, :, side::channels] for side in range(channels)]
        scales = [None] * len(tokens)
        return torch.cat([codec.decode(side, audio_scales=scales).audio_values for side in sides], dim=1)
