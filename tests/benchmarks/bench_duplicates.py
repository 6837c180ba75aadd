"""Near-duplicates by sound: making fingerprints, and 5,000 recordings against 5,000 on one thread."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from row import Row

from bench.contracts.audio import Audio
from bench.contracts.sound_fingerprint import Fingerprint, sound_fingerprints
from bench.references.near_duplicates import near_duplicates

RECORDINGS = 5_000
COPIES = 250  # of the queries, each with errors of 4 % of the bits
NUMBERS = 220  # of 30 s


def measure() -> Iterator[Row]:
    yield making()
    yield from comparing()


def making() -> Row:
    rng = np.random.default_rng(1)
    audio = Audio(rng.normal(0, 0.1, (2, 30 * 44_100)).astype(np.float32), 44_100)
    sound_fingerprints(audio)
    began = time.perf_counter()
    for _ in range(5):
        sound_fingerprints(audio)
    taken = (time.perf_counter() - began) / 5
    return Row(
        "fingerprints of a recording", 30 / taken, "× real time", 100, note="30 s of stereo at 44.1 kHz, decoded"
    )


def comparing() -> Iterator[Row]:
    rng = np.random.default_rng(2)
    common = rng.integers(0, 2**32, 500, dtype=np.uint32)
    known = [[_music(rng, common), _music(rng, common)] for _ in range(RECORDINGS)]
    queries = [[_music(rng, common), _music(rng, common)] for _ in range(RECORDINGS)]
    for place in range(COPIES):
        queries[place] = [_with_errors(rng, one) for one in known[7 * place]]
    began = time.perf_counter()
    found = {(pair.query, pair.known) for pair in near_duplicates(queries, known)}
    taken = time.perf_counter() - began
    right = {(place, 7 * place) for place in range(COPIES)}
    note = f"two fingerprints of 30 s each; {len(found & right)} of {COPIES} copies, {len(found - right)} others"
    yield Row(f"{RECORDINGS:,} recordings against {RECORDINGS:,}", taken, "s", 120, "lower", note)
    yield Row("copies found", 100 * len(found & right) / COPIES, "%", 99, note="4 % of the bits are wrong")


def _music(rng: np.random.Generator, common: Fingerprint) -> Fingerprint:
    """Numbers as music has them: one differs from the next in some bits, and one in five is common."""
    flips = np.packbits(rng.random((NUMBERS, 32)) < 0.1, axis=1).view(np.uint32)[:, 0]
    numbers: Fingerprint = np.bitwise_xor.accumulate(flips ^ (np.arange(NUMBERS) == 0) * rng.integers(0, 2**32))
    usual = rng.random(NUMBERS) < 0.2
    numbers = numbers.astype(np.uint32)
    numbers[usual] = rng.choice(common, int(usual.sum()))
    return numbers


def _with_errors(rng: np.random.Generator, numbers: Fingerprint) -> Fingerprint:
    flips = np.packbits(rng.random((len(numbers), 32)) < 0.04, axis=1).view(np.uint32)[:, 0]
    changed: Fingerprint = numbers ^ flips
    return changed
