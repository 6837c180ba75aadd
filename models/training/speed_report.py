"""A comparison of speed as a table, and as JSON, beside published figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bench.text_table import Layout, paragraph, text_table
from models.training.speed import ArmSpeed, SpeedComparison
from models.training.speed_arm import METHODS

# Li, Liu and Mehra: Stable Audio Open 1.0 tuned on MusicCaps. Batch, rank and steps are not reported.
PUBLISHED = {
    "source": "Li, Liu and Mehra",
    "what": "Stable Audio Open 1.0 on MusicCaps, one A100, 5,357 clips",
    "epochs_per_hour": {"lora": 1.9375, "full": 0.9},
    "ratio": 2.153,
    "comparable": False,
    "why": "another machine, dataset, batch and length; theirs leaves batch, rank and steps unreported",
}


def report(comparison: SpeedComparison) -> dict[str, Any]:
    """Return the comparison as plain values. Ratios say how many times better LoRA is: faster, or smaller."""
    arms = {method: _arm(comparison, arm) for method, arm in comparison.arms.items()}
    lora, full = (arms[method] for method in METHODS)

    def ratio(name: str, smaller_is_better: bool) -> float | None:
        better, worse = (full[name], lora[name]) if smaller_is_better else (lora[name], full[name])
        return better / worse if better is not None and worse else None

    return {
        "checkpoint": comparison.checkpoint,
        "machine": comparison.device,
        "precision": comparison.precision,
        "examples": comparison.examples,
        "memory_limit_bytes": comparison.limit,
        "batch_asked": comparison.asked,
        "arms": arms,
        "ratios": {
            "step": ratio("step_seconds", True),
            "throughput": ratio("best_examples_per_second", False),
            "epochs_per_hour": ratio("best_epochs_per_hour", False),
            "peak_memory": ratio("peak_memory_bytes", True),
            "optimizer": ratio("optimizer_bytes", True),
        },
        "published": PUBLISHED,
    }


def table(comparison: SpeedComparison, layout: Layout | None = None) -> str:
    """Render the comparison for a terminal, a pipe or a text file; by default for one without a limit of width."""
    told = report(comparison)
    arms, ratios = told["arms"], told["ratios"]
    limit = comparison.limit
    batch = arms["lora"]["batch"]
    of = arms["lora"]["memory_of"]
    same = f"batch {batch}" if batch else "one batch"
    rows: list[tuple[str, str, Callable[[Any], str], str | None]] = [
        (f"step, {same}", "step_seconds", _seconds, "step"),
        (f"epochs/hour, {same}", "epochs_per_hour", _four, None),
        (f"peak memory, {same}", "peak_memory_bytes", _bytes, "peak_memory"),
        ("best batch", "best_batch", str, None),
        ("examples/s, best batch", "best_examples_per_second", _four, "throughput"),
        ("epochs/hour, best batch", "best_epochs_per_hour", _four, "epochs_per_hour"),
        ("peak memory, best batch", "best_peak_memory_bytes", _bytes, None),
        ("optimizer's state", "optimizer_bytes", _bytes, "optimizer"),
        ("weights trained", "trainable", lambda n: f"{n:,}", None),
    ]
    header, cells = ["", "LoRA", "full", "LoRA's gain"], []
    for title, name, shown, ratio in rows:
        values = [arms[method][name] for method in METHODS]
        times = ratios[ratio] if ratio else None
        cells.append(
            [title, *("–" if v is None else shown(v) for v in values), "" if times is None else f"{times:.3g}×"]
        )
    rates = PUBLISHED["epochs_per_hour"]
    assert isinstance(rates, dict)
    cells.append(["epochs/hour, published*", *(f"{rates[m]:g}" for m in METHODS), f"{PUBLISHED['ratio']:g}×"])
    machine = comparison.device
    notes = [
        f"{comparison.checkpoint}, {comparison.precision}, on {machine['device']} ({machine['cpu']}); "
        f"{comparison.examples:,} examples in an epoch, latents cached",
        f"Memory of the {of}, limit {_bytes(limit)}. Steps: medians, the arms taking turns.",
        f"* {PUBLISHED['source']}: {PUBLISHED['what']}. Not comparable: {PUBLISHED['why']}.",
        "A frozen weight needs no gradient of its own, which alone makes a step at most 1.5 times as fast; what is "
        "beyond that comes from the optimizer and from memory.",
    ]
    if batch is not None and batch != comparison.asked:
        notes.insert(2, f"The configuration's batch of {comparison.asked} does not fit for both arms.")
    for method in METHODS:
        if comparison.arms[method].best is None:
            notes.insert(2, f"{method}: not even one example fits into the limit; raise --memory-limit.")
    return "\n".join([text_table(header, cells, layout=layout), "", *(paragraph(note, layout) for note in notes)])


def _arm(comparison: SpeedComparison, arm: ArmSpeed) -> dict[str, Any]:
    same, best = arm.same, arm.best

    def epochs_per_hour(rate: float) -> float:
        return rate * 3600 / comparison.examples

    return {
        **{name: value for name, value in asdict(arm.size).items() if name in ("trainable", "parameters", "memory_of")},
        "optimizer_bytes": arm.size.optimizer,
        "batch": same and same.batch,
        "step_seconds": same and same.median,
        "epochs_per_hour": same and epochs_per_hour(same.rate),
        "peak_memory_bytes": same and same.peak,
        "best_batch": best and best.batch,
        "best_examples_per_second": best and best.rate,
        "best_epochs_per_hour": best and epochs_per_hour(best.rate),
        "best_peak_memory_bytes": best and best.peak,
    }


def _seconds(value: float) -> str:
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def _bytes(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e3:.3g} kB"


def _four(value: float) -> str:
    return f"{value:.4g}"
