"""The tiny text encoder that three of the architectures share."""

from __future__ import annotations

from transformers import T5Config, T5EncoderModel


def t5_encoder(width: int = 32) -> T5EncoderModel:
    """A T5 encoder for `models.tiny.vocabulary.t5_tokenizer`."""
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
