"""What a bundle says of its run beside the tables: does its description and its configuration fit the run?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bench.bundle.submitter import SUBMITTER
from bench.config.run_config import RunConfig
from bench.contracts.plugins import is_declared
from bench.contracts.prompt import PromptSuite
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import TunebenchError, UsageError
from bench.hashing import fingerprint
from bench.number_format import seconds_text
from bench.scores.protocol import suite_size
from bench.storage.layout import CONFIG, DATABASE, INDEX
from bench.storage.store import Store


def wrong_description(index: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each thing in ``bundle.json`` that is not what packing this run would write there.

    Args:
        index: what stands there; its files are compared elsewhere, its versions are those of another machine, and a
            submitter is not verified.
        described: what packing would write.
    """
    for name in sorted({*index, *described} - {"files", "versions", SUBMITTER}):
        if not (name in index and name in described):
            yield f"{INDEX}: {'has' if name in index else 'lacks'} {name[:80]!r}"
            continue
        was, now_is = index[name], described[name]
        inside = isinstance(was, dict) and isinstance(now_is, dict)
        for part in sorted({*was, *now_is}) if inside else ():
            if was.get(part) != now_is.get(part):
                yield f"{INDEX}: {name}.{part[:80]} does not match the run"
        if not inside and was != now_is:
            yield f"{INDEX}: {name} does not match the run"


def wrong_configuration(config: RunConfig, store: Store, shown: Iterable[str]) -> Iterator[str]:
    """Yield a line for each difference between ``config.yaml`` and the run with its tables.

    Rows of clips made before have no seeds in it (``auto``), and a metric of it may not be computed yet.

    Args:
        config: what ``config.yaml`` holds.
        store: of the run.
        shown: the metrics of its tables, by their own names; scores that were imported are configured nowhere.
    """
    about = store.about()
    if config.duration != float(about["duration"]):
        said = seconds_text(config.duration), seconds_text(about["duration"])
        yield f"{CONFIG}: its duration is {said[0]}, the run's is {said[1]}"
    suite = _installed_suite(config.suite) if isinstance(config.suite, str) else None
    if suite and (part := _part(suite, config)) != about["suite"]:
        yield f"{CONFIG}: its suite is {part}, the run's is {about['suite']}"
    asked = len(store.prompts())
    size = suite_size(about, asked)
    if min(config.limit or size, size) != asked:
        yield f"{CONFIG}: its limit is {config.limit or 'none'}, the run has {asked} of {size} prompts"
    held: dict[str, set[int]] = {label: set() for (label,) in store.rows("SELECT label FROM models ORDER BY position")}
    for model, seed in store.rows("SELECT DISTINCT model, seed FROM clips WHERE state != 'replaced'"):
        held.setdefault(model, set()).add(seed)
    configured = {model.row: config.seeds_of(model) for model in config.models}
    for label, seeds in configured.items():
        if not held.get(label):
            yield f"{CONFIG}: the run has no model '{label}'"
        elif not isinstance(seeds, str):
            if absent := set(seeds) - held[label]:
                yield f"{CONFIG}: the run has no clips of '{label}' with the seed {min(absent)}"
            if unsaid := held[label] - set(seeds):
                yield f"{CONFIG}: lacks the seed {min(unsaid)} of '{label}', which the run has clips with"
    for label in held:
        if label not in configured:
            yield f"{CONFIG}: lacks the model '{label}', which the run has"
    metrics = {metric.base for metric in config.metrics}
    for name in dict.fromkeys(shown):
        if name not in metrics:
            yield f"{CONFIG}: lacks the metric '{name}', which the tables show"


def wrong_identities(store: Store) -> Iterator[str]:
    """Yield a line for each model, and the suite, that is not what its name or fingerprint says."""
    for label, print_, identity in store.rows("SELECT label, fingerprint, identity FROM models ORDER BY position"):
        if fingerprint(json.loads(identity)) != print_:
            yield f"{DATABASE}: the fingerprint of '{label}' does not match its identity"
    about, prompts = store.about(), list(store.prompts().values())
    suite = _installed_suite(ref := about["suite"])
    size = suite_size(about, len(prompts))
    if suite and suite.ref == ref and (size, prompts) != (len(suite.prompts), list(suite.prompts[: len(prompts)])):
        yield f"{DATABASE}: its prompts are not those of {ref}"


def _part(suite: PromptSuite, config: RunConfig) -> str:
    """Return what the part of a suite that is asked for is called."""
    try:
        return suite.part(config.split).ref
    except UsageError:
        return f"{suite.ref} without {config.split} prompts"


def _installed_suite(ref: str) -> PromptSuite | None:
    """Return the suite of that name and version; None where that is a file or not installed here."""
    if not is_declared("suite", ref):
        return None
    try:
        return load_suite_named(ref)
    except TunebenchError:
        return None
