"""What one worker holds loaded, since loading is what costs."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import Any

from bench.contracts.embedder import Embedder, EmbedderRef, load_embedder
from bench.contracts.metric import ClipMetric
from bench.contracts.model import MusicModel
from bench.contracts.plugins import create
from bench.contracts.set_metric import PlannedReference, Reference, SetMetric
from bench.planning.metric_plan import PlannedMetric
from bench.planning.plan import PlannedModel


@dataclass
class WorkerState:
    """What one worker holds loaded: at most one model, and metrics, embedders and references."""

    model_key: tuple[str, str] | None = None
    model: MusicModel | None = None
    metrics: dict[tuple[str, str], Any] = field(default_factory=dict)
    embedders: dict[str, Embedder] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)

    def use(self, planned: PlannedModel) -> MusicModel:
        """The model ready to generate; another one that was loaded is released first."""
        # Where its files lie is no part of a model's identity, but two folders are two models.
        key = (planned.fingerprint, repr(planned.params))
        if self.model is None or self.model_key != key:
            self.release()
            self.model = create(planned.plugin, planned.params, MusicModel)
            self.model_key = key
        return self.model

    def metric(self, planned: PlannedMetric) -> ClipMetric:
        metric: ClipMetric = self._made(planned, ClipMetric)
        return metric

    def set_metric(self, planned: PlannedMetric) -> SetMetric:
        metric: SetMetric = self._made(planned, SetMetric)
        return metric

    def _made(self, planned: PlannedMetric, contract: type) -> Any:
        key = (planned.plugin.target, planned.params_hash)
        if key not in self.metrics:
            self.metrics[key] = create(planned.plugin, planned.params, contract)
        return self.metrics[key]

    def embedder(self, ref: EmbedderRef) -> Embedder:
        if ref.share_name not in self.embedders:
            self.embedders[ref.share_name] = load_embedder(ref)
        return self.embedders[ref.share_name]

    def reference(self, planned: PlannedReference) -> Reference:
        from bench.references.load import load_reference

        if planned.fingerprint not in self.references:
            self.references[planned.fingerprint] = load_reference(planned.path)
        return self.references[planned.fingerprint]

    def release(self) -> None:
        if self.model is not None:
            self.model.close()
            self.model = None
            gc.collect()
