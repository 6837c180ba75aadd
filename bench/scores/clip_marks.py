"""Marks on models: clips that differ from the request, and the model's own notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.contracts.audio import LENGTH_PRECISION
from bench.contracts.notice import Notice
from bench.storage.clip_sets import GROUPINGS
from bench.storage.read_clips import clip_forms
from bench.storage.read_models import read_models, read_notices
from bench.storage.store import Store

Group = tuple[str, str, str]
"""A model, the grouping of its clips (``all`` for all), and the name of the group."""


@dataclass
class _Forms:
    """Properties of the clips of one model and group."""

    clips: int = 0
    shorter: int = 0
    longer: int = 0
    rates: dict[int, int] = field(default_factory=dict)
    lengths: list[float] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)
    """Number of unread tokens by prompt."""


def clip_marks(store: Store, groupings: Sequence[str] = ("all",)) -> dict[Group, tuple[Notice, ...]]:
    """Return the warnings about a model and its clips for each of its numbers; empty if all is well.

    A clip is shorter or longer than the run's duration if the difference exceeds `LENGTH_PRECISION`, as in the
    conformance check. One that was cropped to the duration counts as longer.

    Args:
        store: store of the run.
        groupings: each ``genre``, ``level``, or ``all`` for all clips.
    """
    duration, prompts = float(store.about()["duration"]), store.prompts()
    declared = {model.label: model.rate for model in read_models(store)}
    found: dict[Group, _Forms] = {}
    for clip in clip_forms(store):
        prompt = prompts[clip.prompt]
        for grouping in groupings:
            group = getattr(prompt, grouping) if grouping in GROUPINGS else "all"
            if group is None:
                continue
            forms = found.setdefault((clip.model, grouping, str(group)), _Forms())
            forms.clips += 1
            forms.shorter += clip.seconds < duration - LENGTH_PRECISION
            forms.longer += clip.seconds > duration + LENGTH_PRECISION
            if abs(clip.seconds - duration) > LENGTH_PRECISION:
                forms.lengths.append(clip.seconds)
            forms.unread[clip.prompt] = clip.unread
            if declared[clip.model] not in (None, clip.rate):
                forms.rates[clip.rate] = forms.rates.get(clip.rate, 0) + 1
    said = read_notices(store)
    return {key: (*_notices(key[0], forms, duration, declared[key[0]]), *said[key[0]]) for key, forms in found.items()}


def _notices(model: str, forms: _Forms, duration: float, declared: int | None) -> list[Notice]:
    found = []
    if forms.lengths:
        counts = {"shorter": forms.shorter, "longer": forms.longer, "of": forms.clips}
        range_ = {"shortest": round(min(forms.lengths), 3), "longest": round(max(forms.lengths), 3)}
        found.append(Notice("W-CLIP-LENGTH", {"model": model, **counts, "asked": duration, **range_}))
    if forms.rates:
        wrong = {"clips": sum(forms.rates.values()), "of": forms.clips, "rates": sorted(forms.rates)}
        found.append(Notice("W-CLIP-RATE", {"model": model, **wrong, "declared": declared}))
    if cut := [tokens for tokens in forms.unread.values() if tokens]:
        counts = {"prompts": len(cut), "of": len(forms.unread), "tokens": max(cut)}
        found.append(Notice("W-PROMPT-CUT", {"model": model, **counts}))
    return found
