"""Bundles: a run in one file, and its verification from the audio."""
