"""A tiny LongCat-AudioDiT: 8 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    LongCatAudioDiTPipeline,
    LongCatAudioDiTTransformer,
    LongCatAudioDiTVae,
)
from transformers import UMT5Config, UMT5EncoderModel

from models.tiny.vocabulary import t5_tokenizer
from models.tiny.weights import fill_module

RATE = 8000  # Hz
CHANNELS = 8
STRIDES = (4, 8)
OUTPUT_GAIN = 0.01  # brings the output of random weights below full scale


def build(seed: int) -> Iterator[Any]:
    """Yield the pipeline, with the weights that the seed stands for."""
    vae = LongCatAudioDiTVae(
        channels=16,
        c_mults=[1, 2],
        strides=list(STRIDES),
        latent_dim=CHANNELS,
        encoder_latent_dim=2 * CHANNELS,
        downsampling_ratio=32,
        sample_rate=RATE,
    )
    transformer = LongCatAudioDiTTransformer(
        dit_dim=32, dit_depth=2, dit_heads=4, dit_text_dim=32, latent_dim=CHANNELS, ff_mult=2.0
    )
    encoder = UMT5EncoderModel(
        UMT5Config(
            vocab_size=400, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, dropout_rate=0.0, use_cache=False
        )
    )
    for part in (vae, transformer, encoder):
        fill_module(part, seed)
    vae.decoder.layers[-2].weight_g.data.mul_(OUTPUT_GAIN)
    yield LongCatAudioDiTPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=t5_tokenizer(),
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0, invert_sigmas=True),
    )


def network(folder: Path) -> torch.nn.Module:
    """Return the network that LoRA adapts."""
    model: torch.nn.Module = LongCatAudioDiTTransformer.from_pretrained(folder / "transformer")
    return model
