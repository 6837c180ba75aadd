"""Contracts for plugin authors: models, metrics, embedders, audio, notes and prompts."""
