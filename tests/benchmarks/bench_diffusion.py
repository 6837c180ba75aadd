"""What batches and remembered conditions save over a loop of single calls to the plain diffusers pipeline."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from row import Row

from bench import GenerationRequest
from bench.quiet import quiet_libraries
from models import tiny
from models.stable_audio import StableAudio
from prompts import quick

CLIPS = 8
SECONDS = 2.0
STEPS = 25
ROUNDS = 3


def measure() -> Iterable[Row]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = tiny.make("stable-audio", Path(temporary) / "checkpoint")
        yield from _measure(folder)


def _measure(folder: Path) -> Iterable[Row]:
    from diffusers import StableAudioPipeline

    with quiet_libraries():
        plain = StableAudioPipeline.from_pretrained(folder)
    plain.set_progress_bar_config(disable=True)
    prompts = quick().prompts[: CLIPS // 2]
    requests = [GenerationRequest(prompt, seed, SECONDS) for prompt in prompts for seed in (0, 1)]
    model = StableAudio(str(folder), steps=STEPS, device="cpu", batch_size=CLIPS)

    def batch() -> None:
        model.generate(requests)

    def loop() -> None:
        for request in requests:
            plain(
                request.prompt.text,
                negative_prompt=model.negative_prompt,
                audio_end_in_s=SECONDS,
                num_inference_steps=STEPS,
                guidance_scale=model.guidance,
                generator=torch.Generator().manual_seed(request.seed),
            )

    calls: list[int] = []
    model._load()
    handle = model._network.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    batch()
    handle.remove()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loop()
        seconds = [(_seconds(loop), _seconds(batch)) for _ in range(ROUNDS)]  # in turn: the machine's mood is shared
    single, batched = (min(column) for column in zip(*seconds, strict=True))
    note = f"tiny Stable Audio, {CLIPS} clips, {STEPS} steps, {torch.get_num_threads()} thread, best of {ROUNDS}"
    yield Row("plain diffusers pipeline, a call for each clip", CLIPS / single, "clips/s", note=note)
    yield Row(f"stable-audio, batch of {CLIPS}", CLIPS / batched, "clips/s", note=note)
    yield Row("batch against plain calls", single / batched, "×", 1.0, note=note)
    yield Row(
        "text encoder runs",
        len(calls),
        "runs",
        len(prompts) + 1,
        "lower",
        f"{len(prompts)} prompts × 2 seeds and a negative prompt; plain calls run it {2 * CLIPS} times",
    )


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
