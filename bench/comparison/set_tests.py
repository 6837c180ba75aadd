"""Test differences of set metrics between rows of finished runs, from the metric, vectors and reference."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np

from bench.comparison.cached_tests import FORMAT, CachedTest, CachedTests
from bench.comparison.run_reader import ComparedMetric, ComparedRun
from bench.config.run_config import MetricConfig
from bench.contracts.embedder import Vectors
from bench.contracts.notice import checked
from bench.contracts.parameters import bind
from bench.contracts.plugins import create, find, installed, short_name
from bench.contracts.prompt import Prompt
from bench.contracts.set_metric import EmbeddingSet, PlannedReference, Reference, SetMetric, gather
from bench.errors import DataError, TunebenchError, UsageError, one_line
from bench.hashing import fingerprint
from bench.planning.metric_plan import PlannedMetric
from bench.progress import Progress
from bench.references.contamination import Contamination, find_contamination
from bench.references.find import check_place, find_by_fingerprint
from bench.storage.frozen_config import read_frozen
from bench.storage.store import Store, StoredClip

SEED = 0
"""Seed of the permutations of set metrics' tests."""

MOST_PAIRS = 190
"""Maximum pairs of models (those of 20) tested on set metrics together: a test may take seconds."""


@dataclass(frozen=True)
class ClipSet:
    """Clips of one row, as (prompt, content) in a fixed order, and the known training data of its model."""

    name: str
    clips: tuple[tuple[str, str], ...]
    trained_on: frozenset[str] = frozenset()

    @classmethod
    def of(cls, name: str, clips: Iterable[StoredClip], trained_on: frozenset[str] = frozenset()) -> ClipSet:
        """Return the set of these clips, sorted."""
        return cls(name, tuple(sorted((clip.prompt, clip.content) for clip in clips)), trained_on)

    @cached_property
    def key(self) -> str:
        """A key of the whole set."""
        return fingerprint([self.name, self.clips, sorted(self.trained_on)])


@dataclass(frozen=True)
class SetRequest:
    """B − A of one set metric, over the prompts of the clips ``a`` and ``b``."""

    metric: ComparedMetric
    a: ClipSet
    b: ClipSet
    grouping: str = "all"
    group: str = "all"

    @property
    def key(self) -> str:
        """A key of all that can change the result within one run."""
        m = self.metric
        return fingerprint(
            {
                "format": [FORMAT, SEED],
                "metric": [m.name, m.version, m.params_hash, m.embedder, m.column.view, m.reference],
                "group": [self.grouping, self.group],
                "sets": [self.a.key, self.b.key],
            }
        )


class SetTests:
    """Answer requests from cached tests, or compute them from the data of the runs.

    Args:
        runs: searched for vectors, configurations, references and earlier results.
        reference: another place to look for the reference.
        plugin_files: whether metrics of plugin files may be loaded. A run may be untrusted, and showing its
            tables must not run code named in its configuration.
        keep: the run that stores the results, open for writing; None stores them in the user's cache folder.

    Raises:
        UsageError: the other place does not exist, or contains no reference file.
        DataError: a reference file there is damaged.
    """

    def __init__(
        self,
        runs: Sequence[ComparedRun],
        reference: str | None = None,
        plugin_files: bool = False,
        keep: Store | None = None,
    ) -> None:
        if reference is not None:
            check_place(reference)
        self._plugin_files = plugin_files
        self._runs = list(dict.fromkeys(runs))
        self._place = reference
        self._kept = CachedTests([run.store for run in self._runs], keep)
        self._configs = [read_frozen(run.folder) for run in self._runs]
        self._metrics: dict[tuple[str, str], SetMetric] = {}
        self._references: dict[str, tuple[PlannedReference, Reference]] = {}

    @cached_property
    def _prompts(self) -> dict[str, Prompt]:
        """The prompts of all runs by id."""
        return {id: prompt for run in reversed(self._runs) for id, prompt in run.prompts.items()}

    def answer(self, requests: Sequence[SetRequest], progress: Progress) -> list[CachedTest]:
        """Return one result per request, in their order; a test that fails has the reason instead of numbers.

        Args:
            requests: what to test.
            progress: receives the progress.
        """
        keys = [request.key for request in requests]
        wanted = dict(zip(keys, requests, strict=True))
        found = {key: kept for key in wanted if (kept := self._kept.stored(key))}
        progress.begin("testing set metrics", len(wanted), len(found))
        try:
            for key, request in wanted.items():
                if key not in found:
                    found[key] = self._test(request, key)
                    progress.advance(1)
        finally:
            self._kept.finish()
        return [found[key] for key in keys]

    def pseudo_values(self, shown: ComparedMetric, side: ClipSet, genre: str | None) -> dict[str, float]:
        """Return the jackknife's pseudo-value of each prompt of a row: n · all − (n − 1) · without it, for n prompts.

        Args:
            shown: the metric.
            side: the clips.
            genre: of the reference's music; None for all of it.

        Raises:
            UsageError, DataError: the metric cannot be loaded, or has no value.
        """
        embedder, vectors = self._vectors(shown)
        metric = self._metric(shown)
        names = sorted({prompt for prompt, _ in side.clips})
        whole = self._gathered(side, names, embedder, vectors)
        reference: Reference | None = None
        if shown.reference:
            reference = self._reference(shown, embedder)[1]
            reference = reference if genre is None else reference.of_genre(genre)
        groups = np.unique(whole.groups)
        everything = _value(metric, whole, reference)
        return {
            names[group]: len(groups) * everything
            - (len(groups) - 1) * _value(metric, whole.part(whole.groups != group), reference)
            for group in groups.tolist()
        }

    def _test(self, request: SetRequest, key: str) -> CachedTest:
        try:
            embedder, vectors = self._vectors(request.metric)
            cache_key = _cache_key(key, request, vectors, self._prompts)
            test = self._kept.cached(cache_key) or self._compute(request, embedder, vectors)
        except Exception as error:  # a plugin may raise anything, which affects only its own rows
            return _without(one_line(error))
        # Clips embedded later, as in an extended run, change the test.
        if all(content in vectors for _, content in request.a.clips + request.b.clips):
            self._kept.put(key, cache_key, test)
        return test

    def _compute(self, request: SetRequest, embedder: str, vectors: Mapping[str, Vectors | str]) -> CachedTest:
        metric = self._metric(request.metric)
        prompts = sorted({prompt for prompt, _ in request.a.clips + request.b.clips})
        sets = [self._gathered(side, prompts, embedder, vectors) for side in (request.a, request.b)]
        reference: Reference | None = None
        leaks: tuple[Contamination, ...] = ()
        if request.metric.reference:
            planned, reference = self._reference(request.metric, embedder)
            leaks = find_contamination({side.name: side.trained_on for side in (request.a, request.b)}, [planned])
            if request.grouping == "genre":
                reference = reference.of_genre(request.group)
        found = metric.difference(sets[0], sets[1], reference, SEED)
        warnings = checked(found.warnings, f"metric '{request.metric.name}'")
        try:
            return CachedTest(
                estimate=found.estimate,
                low=found.low,
                high=found.high,
                p=found.p,
                null=found.null,
                reason=found.reason,
                warnings=tuple(dict.fromkeys([*warnings, *(leak.warning for leak in leaks)])),
                n=len(np.intersect1d(sets[0].groups, sets[1].groups)),
            )
        except ValueError as error:
            raise DataError(
                f"the difference is {found}, which is not an estimate within its interval with a p in (0, 1]"
            ) from error

    def _gathered(
        self, side: ClipSet, prompts: Sequence[str], embedder: str, vectors: Mapping[str, Vectors | str]
    ) -> EmbeddingSet:
        """Return the embeddings of a row's clips, grouped by the position of their prompt in ``prompts``.

        Raises:
            UsageError: there are none.
        """
        number = {prompt: place for place, prompt in enumerate(prompts)}
        known = [(place, number[p], vectors.get(content)) for place, (p, content) in enumerate(side.clips)]
        usable = [(place, group, v) for place, group, v in known if v is not None and not isinstance(v, str)]
        if not usable:
            raise UsageError(f"no clip of '{side.name}' has an embedding")
        return gather(usable, embedder, {place: self._prompts[prompt] for prompt, place in number.items()})

    def _vectors(self, metric: ComparedMetric) -> tuple[str, Mapping[str, Vectors | str]]:
        found = [run.vectors(metric) for run in self._runs]
        embedder = next((name for name, _ in found if name), "")
        return embedder, dict(chain.from_iterable(vectors.items() for _, vectors in reversed(found)))

    def _metric(self, shown: ComparedMetric) -> SetMetric:
        """Load the metric that scored the run.

        Raises:
            UsageError: it is not installed here, or in another version or with another source.
        """
        key = shown.name, shown.params_hash
        if key not in self._metrics:
            entries = [entry for config in self._configs if config for entry in config.metrics]
            last = [MetricConfig(name=shown.plugin, params=dict(shown.params))]
            why = ""
            for entry in (*(e for e in entries if short_name(e.name) == shown.plugin), *last):
                try:
                    metric, made = self._made(entry)
                except TunebenchError as error:
                    why = why or one_line(error)
                    continue
                if (made.version, made.params_hash) == (shown.version, shown.params_hash):
                    self._metrics[key] = metric
                    break
                why = why or f"'{shown.plugin}' changed after it scored the run; score it again with 'tunebench score'"
            else:
                raise UsageError(f"the metric cannot be loaded ({why})")
        return self._metrics[key]

    def _made(self, entry: MetricConfig) -> tuple[SetMetric, PlannedMetric]:
        plugin = find("metric", entry.name)
        if plugin.source and not self._plugin_files:
            raise UsageError(
                f"'{Path(plugin.target).name}' is a plugin file, which is not run for tables by default; allow it "
                "with --plugin-files"
            )
        metric: SetMetric = create(plugin, entry.params, SetMetric)
        kind = type(metric)
        params = bind(plugin, kind, entry.params)
        return metric, PlannedMetric(plugin, params, kind.version, kind.unit, kind.direction, entry.name)

    def _reference(self, shown: ComparedMetric, embedder: str) -> tuple[PlannedReference, Reference]:
        """Return the reference of the scores.

        Raises:
            UsageError: it is not found.
        """
        if shown.reference not in self._references:
            places: list[str | Path] = [self._place] if self._place else []
            places += [config.reference for config in self._configs if config]
            places += [run.folder / "references" for run in self._runs]
            found = find_by_fingerprint({shown.reference}, (*places, *installed("reference")), embedder)
            if shown.reference not in found:
                where = f"--reference {self._place}, " if self._place else ""
                raise UsageError(
                    f"the reference '{shown.column.reference}' of the scores "
                    f"({shown.reference[:12]}) was not found in {where}the configuration or the run; name its file "
                    "with --reference, or score again with 'tunebench score'"
                )
            path, reference = found[shown.reference]
            planned = PlannedReference.of(reference, path)
            self._references[shown.reference] = planned, reference
        return self._references[shown.reference]


def _value(metric: SetMetric, clips: EmbeddingSet, reference: Reference | None) -> float:
    """Return the value of a metric for a set of clips.

    Raises:
        UsageError: it has no value.
    """
    found = metric.evaluate(clips, reference)
    if found.value is None:
        raise UsageError(found.reason or "the metric has no value")
    return found.value


def _without(reason: str) -> CachedTest:
    return CachedTest(estimate=None, low=None, high=None, p=None, null="", reason=reason, warnings=(), n=0)


def _cache_key(
    key: str, request: SetRequest, vectors: Mapping[str, Vectors | str], prompts: Mapping[str, Prompt]
) -> str:
    """Return a key valid in all runs: it covers the clips' embeddings and the versions that compute."""
    digest = hashlib.sha256(f"{version('tunebench')} {key}".encode())
    for id, content in request.a.clips + request.b.clips:
        digest.update(repr((prompts[id].genre, prompts[id].text)).encode())
        found = vectors.get(content)
        digest.update(repr(found if found is None or isinstance(found, str) else found.shape).encode())
        if found is not None and not isinstance(found, str):
            digest.update(np.ascontiguousarray(found).data)
    return digest.hexdigest()
