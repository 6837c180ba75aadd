"""Tiny text encoders: T5's, which three of the architectures share, and T5Gemma's."""

from __future__ import annotations

from transformers import T5Config, T5EncoderModel, T5GemmaConfig, T5GemmaEncoderModel, T5GemmaModuleConfig


def t5_encoder(width: int = 32) -> T5EncoderModel:
    """Build a T5 encoder for `models.tiny.vocabulary.t5_tokenizer`, whose states have ``width`` numbers."""
    config = T5Config(
        vocab_size=400,
        d_model=width,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        is_encoder_decoder=False,
        use_cache=False,
    )
    return T5EncoderModel(config)


def t5gemma_encoder(width: int = 32) -> T5GemmaEncoderModel:
    """Build a T5Gemma encoder for `models.tiny.vocabulary.gemma_tokenizer`, whose states have ``width`` numbers."""
    module = T5GemmaModuleConfig(
        vocab_size=640,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
        max_position_embeddings=256,
        sliding_window=256,
    )
    return T5GemmaEncoderModel(T5GemmaConfig(encoder=module, decoder=module, is_encoder_decoder=False, vocab_size=640))
