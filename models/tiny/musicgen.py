"""A tiny MusicGen: 8 kHz mono, 25 tokens a second in four codebooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import (
    EncodecConfig,
    EncodecFeatureExtractor,
    EncodecModel,
    GenerationConfig,
    MusicgenDecoderConfig,
    MusicgenForCausalLM,
    MusicgenForConditionalGeneration,
    MusicgenProcessor,
)

from models.tiny.text import t5_encoder
from models.tiny.vocabulary import t5_tokenizer
from models.tiny.weights import fill_module

RATE = 8000  # Hz
CODES = 64
TEXT_WIDTH = 48  # differs from the decoder's, so that a projection joins them, as in every published checkpoint


def build(seed: int) -> Iterator[Any]:
    """Yield the model, with the weights that the seed stands for, and its processor."""
    decoder = MusicgenForCausalLM(
        MusicgenDecoderConfig(
            vocab_size=CODES,
            max_position_embeddings=2048,
            num_hidden_layers=2,
            ffn_dim=64,
            num_attention_heads=4,
            hidden_size=32,
            dropout=0.0,
            num_codebooks=4,
            pad_token_id=CODES,
            bos_token_id=CODES,
        )
    )
    codec = EncodecModel(
        EncodecConfig(
            target_bandwidths=[0.6],  # kbit/s: four codebooks of 6 bits at 25 Hz
            sampling_rate=RATE,
            audio_channels=1,
            hidden_size=16,
            num_filters=4,
            num_residual_layers=1,
            upsampling_ratios=[8, 8, 5],
            num_lstm_layers=1,
            codebook_size=CODES,
            codebook_dim=16,
            use_causal_conv=False,
        )
    )
    model = MusicgenForConditionalGeneration(text_encoder=t5_encoder(TEXT_WIDTH), audio_encoder=codec, decoder=decoder)
    fill_module(model, seed)
    model.generation_config = GenerationConfig(
        do_sample=True,
        guidance_scale=3.0,
        max_length=250,
        bos_token_id=CODES,
        pad_token_id=CODES,
        decoder_start_token_id=CODES,
    )
    yield model
    features = EncodecFeatureExtractor(feature_size=1, sampling_rate=RATE)
    yield MusicgenProcessor(features, t5_tokenizer())


def network(folder: Path) -> torch.nn.Module:
    """Return the network that LoRA adapts."""
    model: torch.nn.Module = MusicgenForConditionalGeneration.from_pretrained(folder).decoder
    return model
