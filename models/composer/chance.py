"""Where the composer's chance comes from: generators named by a string."""

from __future__ import annotations

import hashlib

import numpy as np


def named_generator(name: str) -> np.random.Generator:
    """A generator seeded by the SHA-256 of a name: one name, one sequence, whatever was drawn elsewhere."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big"))
