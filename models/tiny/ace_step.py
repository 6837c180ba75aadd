"""A tiny ACE-Step 1.5: 8 kHz stereo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AceStepConditionEncoder,
    AceStepPipeline,
    AceStepTransformer1DModel,
    AutoencoderOobleck,
    FlowMatchEulerDiscreteScheduler,
)
from transformers import Qwen3Config, Qwen3Model

from models.tiny.vocabulary import qwen_tokenizer
from models.tiny.weights import fill, fill_module

RATE = 8000  # Hz
CHANNELS = 4
FLOW_GAIN = 0.1  # keeps rounding errors from growing from step to step, as in a trained network
LATENT_GAIN = 0.05  # brings encodings by random weights to a size of about 1


def build(seed: int) -> Iterator[Any]:
    """Yield the pipeline, with the weights that the seed stands for."""
    vae = AutoencoderOobleck(
        encoder_hidden_size=2 * CHANNELS,  # the posterior has half as many channels as the encoder is wide
        downsampling_ratios=[8, 8, 8],
        channel_multiples=[1, 2, 4],
        decoder_channels=8,
        decoder_input_channels=CHANNELS,
        audio_channels=2,
        sampling_rate=RATE,
    )
    transformer = AceStepTransformer1DModel(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        in_channels=3 * CHANNELS,  # existing music, where to generate, noise
        audio_acoustic_hidden_dim=CHANNELS,
        sliding_window=16,
        encoder_hidden_size=16,
        model_version="base",
    )
    condition = AceStepConditionEncoder(
        hidden_size=16,
        intermediate_size=32,
        text_hidden_dim=24,
        timbre_hidden_dim=CHANNELS,
        num_lyric_encoder_hidden_layers=2,
        num_timbre_encoder_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=16,
    )
    encoder = _text_encoder()
    for part in (vae, transformer, condition, encoder):
        fill_module(part, seed)
    fill({"silence_latent": condition.silence_latent}, seed)
    transformer.proj_out_conv.weight.data.mul_(FLOW_GAIN)
    vae.encoder.conv2.weight_g.data.mul_(LATENT_GAIN)
    yield AceStepPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=qwen_tokenizer(),
        transformer=transformer,
        condition_encoder=condition,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )


def _text_encoder() -> Qwen3Model:
    return Qwen3Model(
        Qwen3Config(
            vocab_size=640,
            hidden_size=24,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=12,
            max_position_embeddings=4096,
        )
    )


def network(folder: Path) -> torch.nn.Module:
    """Return the network that LoRA adapts."""
    model: torch.nn.Module = AceStepTransformer1DModel.from_pretrained(folder / "transformer")
    return model
