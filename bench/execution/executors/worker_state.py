"""Models, metrics, embedders and references loaded by a worker, checked against the plan."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contracts.embedder import Embedder, EmbedderRef, embedder_identity, load_embedder
from bench.contracts.metric import ClipMetric
from bench.contracts.model import MusicModel
from bench.contracts.plugins import create
from bench.contracts.set_metric import PlannedReference, Reference, SetMetric
from bench.file_hash import FileChanged, HashedFile, changed_file, hashed_files, touched_file
from bench.hashing import fingerprint, first_difference
from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric
from bench.planning.plan import PlannedModel, model_identity

Files = Mapping[Path, HashedFile]


@dataclass
class WorkerState:
    """Objects loaded by one worker: at most one model, and metrics, embedders and references.

    Objects loaded from files are compared with the plan before and after use, since it is unknown when a plugin
    reads its files.
    """

    model_key: tuple[str, str] | None = None
    model: MusicModel | None = None
    metrics: dict[tuple[str, str], Any] = field(default_factory=dict)
    embedders: dict[str, Embedder] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    _model_files: Files = field(default_factory=dict)
    _planned_embedders: dict[str, PlannedEmbedder] = field(default_factory=dict)
    _embedder_files: dict[str, Files] = field(default_factory=dict)

    def use(self, planned: PlannedModel) -> MusicModel:
        """Return the model ready to generate; release another one first.

        Raises:
            FileChanged: it is not as planned.
        """
        # Paths are not part of a model's identity, but two folders are two models.
        key = (planned.fingerprint, repr(planned.params))
        if self.model is None or self.model_key != key:
            self.release()
            self.model = create(planned.plugin, planned.params, MusicModel)
            self.model_key = key
        self._model_files = self._check_model(planned)
        return self.model

    def check_used(self, planned: PlannedModel) -> None:
        """Check that the model from `use` is still as planned, and that its files were not written to.

        Raises:
            FileChanged: otherwise. It is reloaded next time.
        """
        try:
            _refuse_touched(self._model_files, self._check_model(planned))
        except FileChanged:
            self.release()
            raise

    def _check_model(self, planned: PlannedModel) -> Files:
        assert self.model is not None
        with hashed_files() as files:
            identity = model_identity(planned.plugin, self.model, planned.params, planned.label)
        if fingerprint(identity) != planned.fingerprint:
            place, was, now = first_difference(planned.identity, identity)
            raise _changed(planned.files, files, f"{place} of model '{planned.label}' was {was} and is {now}")
        return files

    def metric(self, planned: PlannedMetric) -> ClipMetric:
        """Return the metric ready to score.

        Raises:
            FileChanged: it is not as planned.
        """
        metric: ClipMetric = self._made(planned, ClipMetric)
        return metric

    def set_metric(self, planned: PlannedMetric) -> SetMetric:
        """Return the set metric ready to score, see `metric`."""
        metric: SetMetric = self._made(planned, SetMetric)
        return metric

    def _made(self, planned: PlannedMetric, contract: type) -> Any:
        key = (planned.plugin.target, planned.params_hash)
        if key not in self.metrics:
            made = create(planned.plugin, planned.params, contract)
            own = made.fingerprint() if isinstance(made, ClipMetric) else {}
            if planned.hash_with(own) != planned.params_hash:
                raise FileChanged(
                    f"a file in the parameters of '{planned.name}' changed since planning; run the same command again"
                )
            self.metrics[key] = made
        return self.metrics[key]

    def expect(self, embedders: Iterable[PlannedEmbedder]) -> None:
        """Declare planned embedders, before they are requested."""
        self._planned_embedders |= {planned.ref.share_name: planned for planned in embedders}

    def embedder(self, ref: EmbedderRef) -> Embedder:
        """Return the embedder ready to embed.

        Raises:
            FileChanged: it is not as planned.
        """
        name = ref.share_name
        if name not in self.embedders:
            made = load_embedder(ref)
            self._embedder_files[name] = self._check_embedder(name, made)
            self.embedders[name] = made
        return self.embedders[name]

    def check_embedders(self) -> None:
        """Check that the embedders from `embedder` are as planned, and that their files were not written to.

        Raises:
            FileChanged: otherwise. They are reloaded next time.
        """
        for name, before in list(self._embedder_files.items()):
            try:
                _refuse_touched(before, self._check_embedder(name, self.embedders[name]))
            except FileChanged:
                del self._embedder_files[name]
                self.embedders.pop(name).close()
                raise

    def _check_embedder(self, name: str, embedder: Embedder) -> Files:
        planned = self._planned_embedders.get(name)
        if planned is None:  # a metric requested one that it does not declare
            return {}
        with hashed_files() as files:
            found = fingerprint(embedder_identity(planned.ref, embedder))
        if found != planned.fingerprint:
            raise _changed(planned.files, files, f"the embedder '{planned.ref.name}' differs")
        return files

    def reference(self, planned: PlannedReference) -> Reference:
        """Return the reference that was planned.

        Raises:
            FileChanged: its file holds a different one.
        """
        from bench.references.load import load_reference

        if planned.fingerprint not in self.references:
            found = load_reference(planned.path)
            if found.fingerprint != planned.fingerprint:
                raise FileChanged(f"{planned.path} changed since planning; run the same command again")
            self.references[planned.fingerprint] = found
        return self.references[planned.fingerprint]

    def release(self) -> None:
        """Close the model, if one is loaded."""
        if self.model is not None:
            self.model.close()
            self.model = None
            gc.collect()


def _refuse_touched(before: Files, now: Files) -> None:
    if touched := touched_file(before, now):
        raise FileChanged(f"{touched} was written to while it was used; run the same command again")


def _changed(planned: Files, now: Files, otherwise: str) -> FileChanged:
    file = changed_file(planned, now)
    said = f"{file} changed since planning" if file else f"{otherwise}: it changed since planning"
    return FileChanged(f"{said}; run the same command again")
