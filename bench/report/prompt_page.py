"""The page of one prompt: its clips, each with player, pictures and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bench.number_format import number
from bench.report.context import ClipEntry, ReportContext
from bench.report.number_format import digits
from bench.scores.aggregate import Column


@dataclass(frozen=True)
class ScoreText:
    """A score as text, or the reason if there is none; the other is empty."""

    column: Column
    text: str
    reason: str


@dataclass(frozen=True)
class ShownClip:
    """A clip as a row. ``audio`` and ``spectrogram`` are URLs relative to the prompt's page; ``outline`` an SVG path.

    Clips of the same ``take`` are shown side by side.
    """

    entry: ClipEntry
    take: str
    audio: str
    spectrogram: str
    outline: str
    loudness: str
    scores: tuple[ScoreText, ...]


def by_prompt(content: ReportContext) -> dict[str, list[ClipEntry]]:
    """Return the clips of each prompt, by seed and then in the order of the models."""
    order = {model.label: place for place, model in enumerate(content.models)}
    found: dict[str, list[ClipEntry]] = {prompt.id: [] for prompt in content.prompts}
    for clip in content.clips:
        found.setdefault(clip.prompt, []).append(clip)
    for clips in found.values():
        clips.sort(key=lambda clip: (clip.seed, order.get(clip.model, len(order))))
    return found


def with_decimals(content: ReportContext) -> list[tuple[Column, int]]:
    """Return the metrics of single clips, each with the decimals that show three digits of its largest score."""
    largest: dict[str, float] = {}
    for clip in content.clips:
        for ref, value in clip.scores.items():
            if isinstance(value, int | float):
                largest[ref] = max(largest.get(ref, 0.0), abs(value))
    return [(c, digits(largest.get(c.ref, 0.0))) for c in content.columns if not c.of_sets]


def shown_clips(clips: Sequence[ClipEntry], columns: Sequence[tuple[Column, int]]) -> list[ShownClip]:
    """Return the clips of one prompt, grouped by take, with waveforms on a common scale."""
    peak = max((max(clip.media.waveform, default=0.0) for clip in clips if clip.media), default=0.0)
    taken = takes(clips)
    order = sorted(range(len(clips)), key=lambda place: int(taken[place]))
    return [_shown_clip(clips[place], taken[place], columns, peak) for place in order]


def takes(clips: Sequence[ClipEntry]) -> list[str]:
    """Return the take of each clip of a prompt: its seed, or its position among its model's if seeds differ.

    Clips from files often have no seeds in common between models, and would never be side by side.
    """
    seeds: dict[str, list[int]] = {}
    for clip in clips:
        seeds.setdefault(clip.model, []).append(clip.seed)
    most = {seed for own in sorted(seeds.values(), key=len)[-1:] for seed in own}
    if all(most.issuperset(own) for own in seeds.values()):
        return [str(clip.seed) for clip in clips]
    return [str(1 + sorted(seeds[clip.model]).index(clip.seed)) for clip in clips]


def _shown_clip(clip: ClipEntry, take: str, columns: Sequence[tuple[Column, int]], peak: float) -> ShownClip:
    media = clip.media
    scores = tuple(_score(clip, column, decimals) for column, decimals in columns)
    if media is None:
        return ShownClip(clip, take, "", "", "", "", scores)
    loudness = "no loudness: silent or too short" if media.loudness is None else f"{number(media.loudness, 1)} LUFS"
    gain = f"{'+' if media.gain > 0 else ''}{number(media.gain, 1)} dB"
    return ShownClip(
        clip,
        take,
        f"../{quote(media.audio)}",
        f"../{quote(media.spectrogram)}" if media.spectrogram else "",
        outline(media.waveform, peak),
        f"{loudness}, gain {gain}",
        scores,
    )


def outline(waveform: Sequence[float], peak: float) -> str:
    """Return an SVG path of a waveform, mirrored vertically; x counts slices, y from 0 to 100 is scaled to ``peak``."""
    heights = [1 + round(47 * min(1.0, max(0.0, height / (peak or 1.0)))) for height in waveform]
    steps = [f"V{50 - height}h1" for height in heights]
    back = [f"V{50 + height}h-1" for height in reversed(heights)]
    return f"M0 50{''.join(steps)}{''.join(back)}Z" if heights else ""


def _score(clip: ClipEntry, column: Column, decimals: int) -> ScoreText:
    value = clip.scores.get(column.ref)
    if isinstance(value, int | float):
        return ScoreText(column, number(float(value), decimals), "")
    return ScoreText(column, "", value or "not scored")
