"""A tiny Stable Audio: 8 kHz stereo, up to 10.24 s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline
from diffusers.pipelines.stable_audio import StableAudioProjectionModel

from models.tiny.text import t5_encoder
from models.tiny.vocabulary import t5_tokenizer
from models.tiny.weights import fill_module

RATE = 8000  # Hz
HOP = 512  # samples for each latent frame
FRAMES = 160
VELOCITY_GAIN = 0.1  # keeps rounding errors from growing from step to step, as in a trained network
LATENT_GAIN = 0.05  # brings encodings by random weights to a size of about 1
OUTPUT_GAIN = 0.02  # brings the output of random weights below full scale


def build(seed: int) -> Iterator[Any]:
    """Yield the pipeline, with the weights that the seed stands for."""
    vae = AutoencoderOobleck(
        encoder_hidden_size=16,  # the posterior has half as many channels as the encoder is wide
        downsampling_ratios=[8, 8, 8],
        channel_multiples=[1, 2, 4],
        decoder_channels=8,
        decoder_input_channels=8,
        audio_channels=2,
        sampling_rate=RATE,
    )
    transformer = StableAudioDiTModel(
        sample_size=FRAMES,
        in_channels=8,
        out_channels=8,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        num_key_value_attention_heads=1,
        cross_attention_dim=32,
        cross_attention_input_dim=32,
        global_states_input_dim=64,
        time_proj_dim=32,
    )
    projection = StableAudioProjectionModel(text_encoder_dim=32, conditioning_dim=32, min_value=0, max_value=512)
    encoder = t5_encoder()
    for part in (vae, transformer, projection, encoder):
        fill_module(part, seed)
    transformer.proj_out.weight.data.mul_(VELOCITY_GAIN)
    vae.encoder.conv2.weight_g.data.mul_(LATENT_GAIN)
    vae.decoder.conv2.weight_g.data.mul_(OUTPUT_GAIN)
    scheduler = CosineDPMSolverMultistepScheduler(
        sigma_min=0.3,
        sigma_max=500,
        sigma_data=1.0,
        sigma_schedule="exponential",
        solver_order=2,
        prediction_type="v_prediction",
    )
    yield StableAudioPipeline(vae, encoder, projection, t5_tokenizer(), transformer, scheduler)


def network(folder: Path) -> torch.nn.Module:
    """Return the network that LoRA adapts."""
    model: torch.nn.Module = StableAudioDiTModel.from_pretrained(folder / "transformer")
    return model
