"""A tiny AudioLDM 2: 8 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import AudioLDM2Pipeline, AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel
from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel, GPT2Config, GPT2LMHeadModel

from models.tiny.audioldm import (
    LATENT_CHANNELS,
    RATE,
    clap_text_config,
    ddim_scheduler,
    mel_autoencoder,
    mel_vocoder,
)
from models.tiny.text import t5_encoder
from models.tiny.vocabulary import roberta_tokenizer, t5_tokenizer
from models.tiny.weights import fill_module


def build(seed: int) -> Iterator[Any]:
    """Yield the pipeline, with the weights that the seed stands for."""
    unet = AudioLDM2UNet2DConditionModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=((None, 32, 32), (None, 32, 32)),  # self-attention, GPT-2 states, T5 states
    )
    language = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=8,  # it continues states, never tokens
            n_positions=256,
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_inner=64,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
            max_new_tokens=8,
        )
    )
    projection = AudioLDM2ProjectionModel(text_encoder_dim=32, text_encoder_1_dim=32, langauge_model_dim=32)
    clap, t5, vae, vocoder = _clap(), t5_encoder(), mel_autoencoder(), mel_vocoder()
    for part in (unet, language, projection, clap, t5, vae, vocoder):
        fill_module(part, seed)
    yield AudioLDM2Pipeline(
        vae=vae,
        text_encoder=clap,
        text_encoder_2=t5,
        projection_model=projection,
        language_model=language,
        tokenizer=roberta_tokenizer(),
        tokenizer_2=t5_tokenizer(),
        feature_extractor=ClapFeatureExtractor(sampling_rate=RATE, hop_length=80, feature_size=16, frequency_max=4000),
        unet=unet,
        scheduler=ddim_scheduler(),
        vocoder=vocoder,
    )


def network(folder: Path) -> torch.nn.Module:
    """Return the network that LoRA adapts."""
    model: torch.nn.Module = AudioLDM2UNet2DConditionModel.from_pretrained(folder / "unet")
    return model


def _clap() -> ClapModel:
    audio = ClapAudioConfig(
        spec_size=64,
        num_mel_bins=16,
        hidden_size=32,
        patch_embeds_hidden_size=16,
        depths=[1, 1],
        num_attention_heads=[2, 2],
        window_size=4,
        projection_dim=32,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )
    return ClapModel(
        ClapConfig(text_config=clap_text_config().to_dict(), audio_config=audio.to_dict(), projection_dim=32)
    )
