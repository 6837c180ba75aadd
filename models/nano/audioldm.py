"""AudioLDM at a hundredth of its size: its own classes, at 16 kHz, with an untrained network."""

from __future__ import annotations

from typing import Any

from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from transformers import ClapTextConfig, ClapTextModelWithProjection, SpeechT5HifiGan, SpeechT5HifiGanConfig

RATE = 16_000  # Hz
BANDS = 128  # of the mel spectrogram
UPSAMPLE = (8, 5, 4, 4)
HOP = 640  # samples from one frame of the spectrogram to the next: the product of the above
LATENT_CHANNELS = 16
EMBEDDING = 128  # numbers that stand for a text


def autoencoder() -> AutoencoderKL:
    """Build the autoencoder: log-mel spectrogram (1, frames, 128) ↔ latent (16, frames / 8, 16); .97 M weights.

    The published autoencoders halve both axes twice; this one does it a third time, into twice the channels. The
    network then has a quarter of the places to compute, which is what a training on two cores has to save.
    """
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        mid_block_add_attention=False,
    )


def vocoder() -> SpeechT5HifiGan:
    """Build the vocoder: log-mel spectrogram, a frame each 40 ms, → samples at 16 kHz; 1.07 M weights.

    A tone that is held has nearly the same spectrum in every frame, and what convolutions make of equal frames repeats
    with each of them: its pitch falls on a multiple of the rate of frames. The published 100 frames a second leave that
    to be undone by fifty times as many weights; 25 put the multiples nearer together than semitones, from A3 on.
    """
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=BANDS,
            sampling_rate=RATE,
            upsample_initial_channel=176,
            upsample_rates=list(UPSAMPLE),
            upsample_kernel_sizes=[16, 11, 8, 8],
            resblock_kernel_sizes=[3, 7],
            resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5]],
            normalize_before=False,
        )
    )


def text_encoder(vocabulary: int) -> ClapTextModelWithProjection:
    """Build the text encoder: tokens → an embedding of 128 numbers.

    Args:
        vocabulary: number of tokens of the tokenizer.
    """
    return ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=vocabulary,
            hidden_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=192,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            max_position_embeddings=80,
            projection_dim=EMBEDDING,
        )
    )


def network() -> UNet2DConditionModel:
    """Build the UNet: convolutions at the latent's own scale, attention over all of a clip at half of it."""
    widths = (64, 112)
    return UNet2DConditionModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=16,
        attention_head_dim=4,
        cross_attention_dim=widths,  # each block's own width: with no text states, attn2 attends to itself
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=EMBEDDING,
        class_embeddings_concat=True,
    )


def scheduler() -> Any:
    """Build the scheduler: AudioLDM's noise levels, from which the network predicts the velocity; a solver that needs
    few steps."""
    return DPMSolverMultistepScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )
