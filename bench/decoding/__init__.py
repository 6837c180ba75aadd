"""Decode audio files completely, with the right decoder."""
