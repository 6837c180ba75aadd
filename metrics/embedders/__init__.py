"""Embedders: networks that turn fixed windows of loudness-normalized audio into vectors."""
