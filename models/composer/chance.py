"""The composer's random generators, each named by a string."""

from __future__ import annotations

import hashlib

import numpy as np


def named_generator(name: str) -> np.random.Generator:
    """Create a generator seeded by the SHA-256 of a name: one name, one sequence, whatever else was drawn."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big"))
