"""Random numbers of a training: each from a generator of its own, named by its purpose and its place.

None of them depends on what was drawn before, so a training that is resumed, or shared by several processes, draws the
same ones.
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, what: str, *place: int) -> np.random.Generator:
    """Create the generator for one purpose at one place, such as ``generator(seed, "visit", epoch, example)``; all ≥
    0."""
    return np.random.default_rng([seed, zlib.crc32(what.encode()), *place])


def named_seed(seed: int, what: str, *place: int) -> int:
    """Return a seed for a library that takes one number, in [0, 2**63)."""
    return int(generator(seed, what, *place).integers(2**63 - 1))
