"""The protocol of a run: the conditions under which numbers are comparable."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.contracts.clip_view import View
from bench.contracts.identity import only_set, prompt_identity
from bench.contracts.prompt import Prompt
from bench.hashing import fingerprint, first_difference
from bench.number_format import counted, seconds_text
from bench.storage.read_metrics import shown_metrics
from bench.storage.store import Store

# `bench.contracts.audio.write_flac` lowers what would clip; embedders that normalise say so in their version.
LOUDNESS = "as-generated"
_LOUDNESSES = {LOUDNESS: "clips as generated (peaks over full scale lowered)"}


@dataclass(frozen=True)
class Protocol:
    """``id`` is 12 hexadecimal digits of the fingerprint of ``content``; ``line`` is its text in tables."""

    id: str
    content: Mapping[str, Any]
    line: str


@dataclass(frozen=True)
class ShownMetric:
    """A metric in tables, with everything that can change its numbers.

    Attributes:
        ref: name and version.
        params_hash: identity of its parameters.
        embedder: identity of its embedders, empty if it has none.
        view: the `bench.contracts.clip_view.View.key` of the part of the clips that is embedded; empty where nothing
            is.
        reference, reference_name: fingerprint and name of what it compares with; empty where that is nothing.
    """

    ref: str
    params_hash: str
    embedder: str = ""
    view: str = ""
    reference: str = ""
    reference_name: str = ""


def protocol_of(store: Store) -> Protocol:
    """Return the present protocol of a run's tables.

    Models, seeds, machine and orders are not part of it.
    """
    about, prompts = store.about(), store.prompts()
    return stated_protocol(about, prompts.values(), shown_in(store))


def stated_protocol(about: Mapping[str, str], prompts: Collection[Prompt], metrics: Iterable[ShownMetric]) -> Protocol:
    """Return the protocol of a run.

    Args:
        about: facts about it: ``suite``, ``duration`` in seconds and, if known, ``suite_size`` and ``suite_file``.
        prompts: all its prompts.
        metrics: metrics in its tables.
    """
    suite, duration = suite_text(about, len(prompts)), float(about["duration"])
    return make_protocol(suite, duration, prompts, metrics, suite_file=about.get("suite_file", ""))


def suite_text(about: Mapping[str, str], prompts: int) -> str:
    """Return the suite of a run as text for tables, with the part if not all prompts are used.

    Args:
        about: facts about the run.
        prompts: number of prompts used.

    >>> suite_text({"suite": "quick@1", "suite_size": "12"}, 4), suite_text({"suite": "quick@1"}, 12)
    ('the first 4 of 12 prompts of quick@1', 'quick@1')
    """
    size = suite_size(about, prompts)
    return f"the first {prompts} of {size} prompts of {about['suite']}" if prompts < size else about["suite"]


def suite_size(about: Mapping[str, str], prompts: int) -> int:
    """Return how many prompts the whole suite of a run has, which uses ``prompts`` of them."""
    size = about.get("suite_size", "")  # missing in older runs, which used whole suites
    return int(size) if size.isdecimal() and len(size) < 10 else prompts


def shown_in(store: Store) -> list[ShownMetric]:
    """Return the metrics that the tables of a run show now, in their order."""
    return [
        ShownMetric(m.ref, m.params_hash, m.embedder, m.view, m.reference, m.reference_name)
        for m in shown_metrics(store)
    ]


def make_protocol(
    suite: str,
    duration: float,
    prompts: Iterable[Prompt],
    metrics: Iterable[ShownMetric],
    loudness: str = LOUDNESS,
    suite_file: str = "",
) -> Protocol:
    """Create a protocol.

    Args:
        suite: for display; the prompts define the protocol.
        duration: requested length in seconds.
        prompts: every prompt.
        metrics: metrics in tables.
        loudness: code of the loudness of scored clips.
        suite_file: SHA-256 of the file of prompts, if the suite is a user's file.
    """
    metrics = list(metrics)
    content = {
        "prompts": {p.id: prompt_identity(p) for p in prompts},
        "duration": float(duration),
        "metrics": {m.ref: _metric(m) for m in metrics},
        "loudness": loudness,
        **only_set({"suite_file": suite_file}),
    }
    name = fingerprint(content)[:12]
    views = list(dict.fromkeys(View.of_key(m.view).text for m in metrics if m.view)) or [View().text]
    said = [suite, seconds_text(duration), " and ".join(views), _loudness(loudness), counted(len(metrics), "metric")]
    line = f"protocol {name}: {', '.join(said)}"
    return Protocol(name, content, "; ".join([line, *_references(metrics)]))


def difference(ours: Protocol, theirs: Protocol) -> str | None:
    """Return the first difference of two protocols in words; None if their numbers are comparable.

    Metrics in only one of them count as a difference; `shared_metrics` are comparable anyway.

    Raises:
        ValueError: the ids differ and the contents do not.
    """
    if ours.id == theirs.id:
        return None
    # Conditions of all numbers come first, and metrics in both before those in one.
    for part in ("duration", "loudness", "prompts", "metrics"):
        here, there = ours.content[part], theirs.content[part]
        if here == there:
            continue
        if not isinstance(here, Mapping):
            said = seconds_text if part == "duration" else _loudness
            return f"{part} is {said(here)} and {said(there)}"
        for name in here:
            if name in there and here[name] != there[name]:
                place, was, now = first_difference(here[name], there[name], name)
                return f"{part}: {place} is {_short(was)} and {_short(now)}"
        alone = next(name for name in [*here, *there] if (name in here) != (name in there))
        return f"{part}: only the {'first' if alone in here else 'second'} has {alone}"
    files = [_file(protocol.content.get("suite_file", "")) for protocol in (ours, theirs)]
    if files[0] != files[1]:
        return f"the same prompts come from {files[0]} and {files[1]}"
    raise ValueError(f"protocols {ours.id} and {theirs.id} hold the same")


def shared_metrics(ours: Protocol, theirs: Protocol) -> tuple[str, ...]:
    """Return the metrics comparable between two protocols, in our order; empty if clips are not comparable."""
    parts = ("prompts", "duration", "loudness", "suite_file")
    if any(ours.content.get(part) != theirs.content.get(part) for part in parts):
        return ()
    other = theirs.content["metrics"]
    return tuple(ref for ref, key in ours.content["metrics"].items() if other.get(ref) == key)


def _metric(metric: ShownMetric) -> dict[str, Any]:
    """Return everything that changes a metric's numbers, if set; its view as data."""
    view = {"view": json.loads(metric.view)} if metric.view else {}
    own = {"params": metric.params_hash, "embedder": metric.embedder, "reference": metric.reference}
    return {**only_set(own), **view}


def _file(sha256: str) -> str:
    return f"the file {sha256[:12]}" if sha256 else "a suite"


def _loudness(code: str) -> str:
    return _LOUDNESSES.get(code, code)


def _references(metrics: Iterable[ShownMetric]) -> list[str]:
    against: dict[tuple[str, str], list[str]] = {}
    for metric in metrics:
        if metric.reference:
            against.setdefault((metric.reference_name, metric.reference), []).append(metric.ref)
    return [f"{' and '.join(refs)} against '{name}' {mark[:8]}" for (name, mark), refs in against.items()]


def _short(value: str) -> str:
    """Return a JSON value, shortened if it is a hash or a long text."""
    return value if len(value) <= 60 else f"{value[:20]}…"
