"""A tiny AudioLDM: 8 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import ClapTextConfig, ClapTextModelWithProjection, SpeechT5HifiGan, SpeechT5HifiGanConfig

from models.tiny.vocabulary import roberta_tokenizer
from models.tiny.weights import fill_module

RATE = 8000  # Hz
MELS = 16
LATENT_CHANNELS = 4


def build(seed: int) -> Iterator[Any]:
    """Yield the pipeline, with the weights that the seed stands for."""
    unet = UNet2DConditionModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=(8, 16),  # each block's own width: with no text states, attn2 attends to itself
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=32,
        class_embeddings_concat=True,
    )
    vae, vocoder, encoder = mel_autoencoder(), mel_vocoder(), ClapTextModelWithProjection(clap_text_config())
    for part in (unet, vae, vocoder, encoder):
        fill_module(part, seed)
    yield AudioLDMPipeline(vae, encoder, roberta_tokenizer(), unet, ddim_scheduler(), vocoder)


def network(folder: Path) -> torch.nn.Module:
    """Return the network that LoRA adapts."""
    model: torch.nn.Module = UNet2DConditionModel.from_pretrained(folder / "unet")
    return model


def mel_autoencoder() -> AutoencoderKL:
    """Build the autoencoder: log-mel spectrogram (1, frames, 16) ↔ latent (4, frames / 4, 4)."""
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        scaling_factor=0.9,
    )


def mel_vocoder() -> SpeechT5HifiGan:
    """Build the vocoder: log-mel spectrogram with a frame every 10 ms → samples at 8 kHz."""
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=MELS,
            sampling_rate=RATE,
            upsample_initial_channel=32,
            upsample_rates=[5, 4, 4],
            upsample_kernel_sizes=[11, 8, 8],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            normalize_before=False,
        )
    )


def clap_text_config() -> ClapTextConfig:
    """Build the configuration of CLAP's text encoder: 511 tokens, an embedding of 32 numbers."""
    return ClapTextConfig(
        vocab_size=511,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=80,
        projection_dim=32,
    )


def ddim_scheduler() -> DDIMScheduler:
    """Build the schedule of the published checkpoints."""
    return DDIMScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
