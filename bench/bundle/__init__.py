"""Bundles: a run in one file, and verification from its audio."""
