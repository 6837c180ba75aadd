"""Microsoft's CLAP of 2023 as a PyTorch network: HTSAT and GPT-2 of transformers, and two projections.

Written after the modules ``models.clap`` and ``models.htsat`` of the package msclap 1.3.4. Its HTSAT is that of
transformers' `ClapAudioModel` under other names, with queries, keys and values in one matrix. It takes 44.1 kHz, and
its mel bands are those of 32 kHz: the filters in the checkpoint are the ones that count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metrics.networks.checkpoint import required

WINDOW, HOP, BANDS = 1024, 320, 64
PROJECTED = 1024
POSITIONS = 1024
"""Tokens that GPT-2 reads; the package does not cut texts, and cannot embed a longer one."""

_QUIETEST = 1e-10
_AUDIO, _TEXT = "audio_encoder.base.htsat.", "caption_encoder.base."
_UNUSED = re.compile(
    r"logit_scale|.*\.(attn_mask|masked_bias|relative_position_index)|caption_encoder\.base\.h\.\d+\.attn\.bias|"
    r"audio_encoder\.base\.htsat\.(tscam_conv|head)\..*"
)
"""Parts that only training and the classifier need, and constants that the networks compute themselves."""

_RENAMED = (
    (r"^spectrogram_extractor\.stft\.conv_(real|imag)\.", r"\1."),
    (r"^logmel_extractor\.melW$", "mel"),
    (r"^bn0\.", "htsat.audio_encoder.batch_norm."),
    (r"^(patch_embed|layers|norm)\.", r"htsat.audio_encoder.\1."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.self."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
)


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network that may be smaller in a test.

    Attributes:
        depths: blocks in each of HTSAT's four stages.
        heads: of attention in each.
        width: of its first stage; each has twice the last one's.
        words, layers: of GPT-2, whose width is that of HTSAT's last stage.
    """

    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    width: int = 96
    words: int = 50_257
    layers: int = 12

    @property
    def last(self) -> int:
        """Width of HTSAT's last stage."""
        return self.width << (len(self.depths) - 1)


def renamed(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of an msclap checkpoint under the names that `network` gives them."""
    found: dict[str, Any] = {}
    for name, tensor in state.items():
        if _UNUSED.fullmatch(name):
            continue
        if name.startswith(_TEXT):
            found[f"gpt2.{name.removeprefix(_TEXT)}"] = tensor
        elif name.startswith(_AUDIO):
            own = name.removeprefix(_AUDIO)
            for pattern, replacement in _RENAMED:
                own = re.sub(pattern, replacement, own)
            if ".self.qkv." in own:
                parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
                found |= {own.replace(".qkv.", f".{part}."): rows for part, rows in parts}
            else:
                found[own] = tensor
        else:
            found[name.replace("audio_encoder.", "audio_").replace("caption_encoder.", "text_")] = tensor
    return found


def network(sizes: Sizes) -> Any:
    """Build the network with random weights; its methods ``audio`` and ``text`` give vectors, shape (batch, 1024).

    ``audio`` takes waveforms at 44.1 kHz, shape (batch, frames ≤ 327,360), ``text`` token ids and attention mask.

    Raises:
        MissingError: PyTorch or transformers is not installed.
    """
    torch, transformers = required("torch", "diffusion"), required("transformers", "diffusion")
    module = torch.nn.Module

    class Projection(module):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.linear1 = torch.nn.Linear(sizes.last, PROJECTED, bias=False)
            self.linear2 = torch.nn.Linear(PROJECTED, PROJECTED, bias=False)
            self.layer_norm = torch.nn.LayerNorm(PROJECTED)

        def forward(self, features: Any) -> Any:
            first = self.linear1(features)
            return self.layer_norm(first + self.linear2(torch.nn.functional.gelu(first)))

    class Clap(module):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__()
            bins = WINDOW // 2 + 1
            self.real = torch.nn.Conv1d(1, bins, WINDOW, HOP, bias=False)
            self.imag = torch.nn.Conv1d(1, bins, WINDOW, HOP, bias=False)
            self.mel = torch.nn.Parameter(torch.zeros(bins, BANDS))
            self.htsat = transformers.ClapAudioModel(_htsat_config(transformers, sizes))
            self.gpt2 = transformers.GPT2Model(_gpt2_config(transformers, sizes))
            self.audio_projection, self.text_projection = Projection(), Projection()

        def audio(self, waveforms: Any) -> Any:
            padded = torch.nn.functional.pad(waveforms[:, None], (WINDOW // 2, WINDOW // 2), mode="reflect")
            power = self.real(padded) ** 2 + self.imag(padded) ** 2
            decibels = 10.0 * torch.log10(torch.clamp(power.transpose(1, 2) @ self.mel, min=_QUIETEST))
            return self.audio_projection(self.htsat(input_features=decibels[:, None]).pooler_output)

        def text(self, tokens: Any, mask: Any) -> Any:
            states = self.gpt2(input_ids=tokens, attention_mask=mask)[0]
            last = torch.ne(tokens, 0).sum(-1) - 1  # padding is token 0, which is also the exclamation mark
            return self.text_projection(states[torch.arange(len(tokens)), last])

    return Clap()


def _htsat_config(transformers: Any, sizes: Sizes) -> Any:
    return transformers.ClapAudioConfig(
        depths=list(sizes.depths),
        num_attention_heads=list(sizes.heads),
        patch_embeds_hidden_size=sizes.width,
        hidden_size=sizes.last,
        num_mel_bins=BANDS,
    )


def _gpt2_config(transformers: Any, sizes: Sizes) -> Any:
    return transformers.GPT2Config(
        vocab_size=sizes.words,
        n_embd=sizes.last,
        n_layer=sizes.layers,
        n_head=max(1, sizes.last // 64),
        bos_token_id=sizes.words - 1,
        eos_token_id=sizes.words - 1,
        use_cache=False,
    )
