"""The small shipped checkpoint: its size and speed, and what it was promised to sound like."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from nano import measure_generated, measure_reconstructions, measure_tuning
from row import Row

from bench import GenerationRequest, Prompt
from models.audioldm import AudioLDMNano
from models.nano.make import HELD_OUT
from models.shipped import FOLDER

NAME = "audioldm-nano"


def measure() -> Iterable[Row]:
    import torch

    size = sum(file.stat().st_size for file in (FOLDER / NAME).rglob("*.safetensors"))
    yield Row("audioldm-nano, weights", size / 1e6, "MB", 12, "lower", "half precision")
    torch.set_num_threads(2)
    model = AudioLDMNano(device="cpu")
    request = GenerationRequest(Prompt("p", "Calm jazz at 120 bpm"), 0, 10.0)
    model.generate([request])
    began = time.perf_counter()
    model.generate([request])
    yield Row("audioldm-nano, a clip of 10 s", time.perf_counter() - began, "s", 4, "lower", "2 threads, one clip")
    kept = measure_reconstructions(NAME)
    note = f"{kept.clips} held-out pieces of six genres"
    yield Row("reconstructions nearest to their genre", kept.own_genre, "%", 75, note=note)
    yield Row("reconstructions, harmonic accuracy within 5 points", kept.harmony, "%", 80, note=note)
    yield Row("reconstructions, tempo within 4 %", kept.tempo, "%", 80, note=note)
    made = measure_generated(model)
    note = f"{made.clips} clips, prompts of the suite nano"
    for genre, (margin, low, high) in made.margins.items():
        said = f"KAD to the nearest wrong genre less that to its own, [{low:.1f}, {high:.1f}]"
        yield Row(f"generated {genre}: lower end of the margin", low, "", 0, note=f"{margin:.1f}: {said}")
    yield Row("generated clips nearest to their genre", made.top_1, "%", 60, note=note)
    yield Row("tempo adherence", made.tempo, "%", made.tempo_chance, note=f"target is chance; {note}")
    yield Row("key adherence", made.key, "%", made.key_chance, note=f"target is chance; {note}")
    with tempfile.TemporaryDirectory() as folder:
        found = measure_tuning(Path(folder), f"{NAME}-{HELD_OUT}")
    for metric, end, direction in (("kad", 2, "lower"), ("genre-fit", 1, "higher")):
        change, low, high = found[metric]
        note = f"{change:.2f}, [{low:.2f}, {high:.2f}]; 24 prompts, one training"
        yield Row(f"tuned less base, {metric} of {HELD_OUT}: nearer end", found[metric][end], "", 0, direction, note)
