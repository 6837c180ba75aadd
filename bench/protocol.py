"""The protocol of a run: what two papers' numbers must share to be comparable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.canonical import fingerprint, first_difference
from bench.prompt import Prompt
from bench.store import Store

# `bench.audio.write_flac` lowers what would clip; embedders that normalise say so in their version.
LOUDNESS = "clips as generated (peaks over full scale lowered)"

_WHOLE = "whole clips"


@dataclass(frozen=True)
class Protocol:
    """``id`` is 12 hexadecimal digits of the fingerprint of ``content``; ``line`` is how tables print it."""

    id: str
    content: Mapping[str, Any]
    line: str


@dataclass(frozen=True)
class ShownMetric:
    """A metric that tables show, with all that can move its numbers.

    Attributes:
        ref: name and version.
        params_hash: identity of its parameters.
        embedder: identity of its embedders, empty where it has none.
        view: the part of the clips that is embedded, in words; empty where nothing is.
        reference, reference_name: fingerprint and name of what it compares with; empty where that is nothing.
    """

    ref: str
    params_hash: str
    embedder: str = ""
    view: str = ""
    reference: str = ""
    reference_name: str = ""


def protocol_of(store: Store) -> Protocol:
    """The protocol that the tables of a run follow now.

    Models, seeds and machine are no part of it, nor is the order of anything.
    """
    rows = store.rows(
        "SELECT name || '@' || version, params_hash, embedder, view, reference, reference_name "
        "FROM metrics WHERE shown ORDER BY position"
    )
    about = store.about()
    return make_protocol(
        about["suite"], about["duration"], store.prompts().values(), [ShownMetric(*row) for row in rows]
    )


def make_protocol(
    suite: str, duration: str, prompts: Iterable[Prompt], metrics: Iterable[ShownMetric], loudness: str = LOUDNESS
) -> Protocol:
    """Name a protocol.

    Args:
        suite: for the reader; what counts is the prompts.
        duration: what was asked for, such as ``20 s``.
        prompts: every prompt.
        metrics: what tables show.
        loudness: how loud the clips are that are scored.
    """
    metrics = list(metrics)
    content = {
        "prompts": {
            p.id: {"text": p.text, "genre": p.genre, "level": p.level, "bpm": p.bpm, "key": p.key} for p in prompts
        },
        "duration": duration,
        "metrics": {
            m.ref: {"params": m.params_hash, "view": m.view, "embedder": m.embedder, "reference": m.reference}
            for m in metrics
        },
        "loudness": loudness,
    }
    name = fingerprint(content)[:12]
    views = list(dict.fromkeys(m.view for m in metrics if m.view)) or [_WHOLE]
    count = f"{len(metrics)} metric{'' if len(metrics) == 1 else 's'}"
    line = f"protocol {name}: {suite}, {duration}, {' and '.join(views)}, {loudness}, {count}"
    return Protocol(name, content, "; ".join([line, *_references(metrics)]))


def difference(ours: Protocol, theirs: Protocol) -> str | None:
    """The first thing in which two protocols differ, in words; None where numbers of the two are comparable.

    Metrics that only one of them shows are such a thing; `shared_metrics` are comparable all the same.
    """
    if ours.id == theirs.id:
        return None
    # What all numbers hang on comes first, and what both show before what one does not.
    for part in ("duration", "loudness", "prompts", "metrics"):
        here, there = ours.content[part], theirs.content[part]
        if here == there:
            continue
        if not isinstance(here, Mapping):
            return f"{part} is {here} and {there}"
        for name in here:
            if name in there and here[name] != there[name]:
                place, was, now = first_difference(here[name], there[name], name)
                return f"{part}: {place} is {_short(was)} and {_short(now)}"
        alone = next(name for name in [*here, *there] if (name in here) != (name in there))
        return f"{part}: only the {'first' if alone in here else 'second'} has {alone}"
    raise ValueError(f"protocols {ours.id} and {theirs.id} hold the same")


def shared_metrics(ours: Protocol, theirs: Protocol) -> tuple[str, ...]:
    """The metrics whose numbers are comparable between two protocols, in our order; none where the clips are not."""
    if any(ours.content[part] != theirs.content[part] for part in ("prompts", "duration", "loudness")):
        return ()
    other = theirs.content["metrics"]
    return tuple(ref for ref, key in ours.content["metrics"].items() if other.get(ref) == key)


def _references(metrics: Iterable[ShownMetric]) -> list[str]:
    against: dict[tuple[str, str], list[str]] = {}
    for metric in metrics:
        if metric.reference:
            against.setdefault((metric.reference_name, metric.reference), []).append(metric.ref)
    return [f"{' and '.join(refs)} against '{name}' {mark[:8]}" for (name, mark), refs in against.items()]


def _short(value: str) -> str:
    """A JSON value, cut where it is a hash or a long text."""
    return value if len(value) <= 60 else f"{value[:20]}…"
