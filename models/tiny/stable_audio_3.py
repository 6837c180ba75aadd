"""A tiny Stable Audio 3 of the medium kind, before its distillation: 8 kHz stereo, up to 32 s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderSAME, FlowMatchEulerDiscreteScheduler, StableAudio3DiTModel, StableAudio3Pipeline
from diffusers.pipelines.stable_audio_3 import StableAudio3DurationEmbedder

from models.tiny.text import t5gemma_encoder
from models.tiny.vocabulary import gemma_tokenizer
from models.tiny.weights import fill_module

RATE = 8000  # Hz
PATCH, STRIDE = 64, 8  # their product is the samples for each latent frame
LATENT_CHANNELS = 8
WIDTH = 32
LONGEST = 32.0  # seconds
VELOCITY_GAIN = 0.1  # keeps rounding errors from growing from step to step, as in a trained network
OUTPUT_GAIN = 0.1  # brings the output of random weights below full scale


def build(seed: int) -> Iterator[Any]:
    """Yield the pipeline, with the weights that the seed stands for."""
    yield pipeline(seed)


def pipeline(seed: int, distilled: bool = False, differential: bool = True) -> StableAudio3Pipeline:
    """Build the pipeline of another kind, too.

    Args:
        seed: of the weights.
        distilled: whether its scheduler is that of the distilled checkpoints.
        differential: whether its attention is the difference of two, as in the medium checkpoints.
    """
    vae = AutoencoderSAME(
        audio_channels=2,
        patch_size=PATCH,
        encoder_channels=8,
        encoder_c_mults=[4],
        encoder_strides=[STRIDE],
        encoder_transformer_depths=[2],
        latent_dim=LATENT_CHANNELS,
        dim_heads=8,
        ff_mult=2,
        decoder_sinusoidal_blocks=[1],
        sampling_rate=RATE,
    )
    transformer = StableAudio3DiTModel(
        io_channels=LATENT_CHANNELS,
        embed_dim=WIDTH,
        depth=2,
        num_heads=4,
        cond_token_dim=WIDTH,
        global_cond_dim=WIDTH,
        local_add_cond_dim=LATENT_CHANNELS + 1,
        timestep_features_dim=16,
        ff_mult=2.0,
        num_memory_tokens=4,
        use_differential_attention=differential,
    )
    duration = StableAudio3DurationEmbedder(output_dim=WIDTH, fourier_dim=16, max_val=LONGEST)
    encoder = t5gemma_encoder(WIDTH)
    for part in (vae, transformer, duration, encoder):
        fill_module(part, seed)
    transformer.proj_out.weight.data.mul_(VELOCITY_GAIN)
    vae.decoder.blocks[-1].mapping.weight_g.data.mul_(OUTPUT_GAIN)
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0, stochastic_sampling=distilled)
    return StableAudio3Pipeline(vae, encoder, gemma_tokenizer(), duration, transformer, scheduler)


def network(folder: Path) -> torch.nn.Module:
    """Return the network that LoRA adapts."""
    model: torch.nn.Module = StableAudio3DiTModel.from_pretrained(folder / "transformer")
    return model
