"""The metrics that the tables of a run show, as its database has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.contracts.metric import Direction
from bench.contracts.notice import Notice
from bench.errors import DataError
from bench.storage.database import damaged
from bench.storage.store import Store


@dataclass(frozen=True)
class StoredMetric:
    """A shown metric, with everything that distinguishes its scores from others.

    Attributes:
        plugin: what computes it.
        name: the column's own name.
        version: of the plugin.
        params: all its parameters.
        params_hash: identity of the plugin and its parameters.
        embedder: identity of its embedders and view; empty where it embeds nothing.
        view: the `bench.contracts.clip_view.View.key` of the part of the clips that is embedded; empty likewise.
        reference: fingerprint of what it compares with; empty where that is nothing.
        reference_name: its name, likewise.
        unit: of its values.
        direction: which values are better.
        of_sets: whether it scores sets of clips, not each.
        bounds: lowest and highest possible value, where there are such.
        hit_or_miss: whether every value is one of these two.
        warnings: what every score of a clip must say, by model; under "" what is true of all models.
        families: what its values are derived from.
    """

    plugin: str
    name: str
    version: int
    params: Mapping[str, Any]
    params_hash: str
    embedder: str
    view: str
    reference: str
    reference_name: str
    unit: str
    direction: Direction
    of_sets: bool
    bounds: tuple[float, float] | None
    hit_or_miss: bool
    families: tuple[str, ...] = ()
    warnings: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)

    def said_of(self, model: str) -> tuple[Notice, ...]:
        """Return the warnings of every score of a model's clips."""
        return tuple(dict.fromkeys((*self.warnings.get("", ()), *self.warnings.get(model, ()))))

    @property
    def ref(self) -> str:
        """Name and version, as in tables."""
        return f"{self.name}@{self.version}"


def shown_metrics(store: Store) -> list[StoredMetric]:
    """Return the metrics that tables of a run show, in their order.

    Raises:
        DataError: the parameters or warnings of one are not what a run holds.
    """
    rows = store.rows(
        "SELECT plugin, name, version, params, params_hash, embedder, view, reference, reference_name, unit, "
        "direction, of_sets, lowest, highest, hit_or_miss, families, warnings FROM metrics WHERE shown "
        "ORDER BY position"
    )
    found = []
    for plugin, name, version, params, *texts, of_sets, lowest, highest, hit_or_miss, families, warnings in rows:
        try:
            values, derived = json.loads(params), tuple(map(str, json.loads(families)))
        except (TypeError, ValueError, RecursionError):
            raise damaged(store.folder, f"params of {name} in metrics") from None
        bounds = None if lowest is None else (lowest, highest)
        try:
            said = read_warnings(warnings)
        except DataError:
            raise damaged(store.folder, f"warnings of {name} in metrics") from None
        fields = (plugin, name, version, values, *texts, bool(of_sets), bounds, bool(hit_or_miss), derived, said)
        found.append(StoredMetric(*fields))
    return found


def read_warnings(stored: str) -> dict[str, tuple[Notice, ...]]:
    """Return the warnings of a metric's clip scores by model, from its row.

    Raises:
        DataError: it is something else.
    """
    try:
        return {model: tuple(map(Notice.of_json, own)) for model, own in json.loads(stored).items()}
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{stored!r:.60} is not a mapping from models to warnings") from error
