"""Embedders: networks that turn fixed windows of loudness-normalised audio into vectors."""
