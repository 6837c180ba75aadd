"""The models of a run, as its database has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bench.contracts.family import Lineage, families
from bench.contracts.notice import Notice
from bench.errors import DataError, UsageError
from bench.storage.store import Store


@dataclass(frozen=True)
class StoredModel:
    """A row of the leaderboard.

    Attributes:
        label: its name in the run.
        fingerprint: of its identity.
        identity: all that can change what it sounds like.
        provenance: what else is recorded of it.
        rate: of its audio in Hz, where it is known.
        made: how many of its clips are made.
        planned: how many clips should exist.
    """

    label: str
    fingerprint: str
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    rate: int | None
    made: int
    planned: int


def read_models(store: Store) -> list[StoredModel]:
    """Return the models of a run, in their order."""
    rows = store.rows(
        "SELECT label, fingerprint, identity, models.provenance, models.rate, COALESCE(SUM(state = 'made'), 0), "
        "COUNT(clips.id) FROM models LEFT JOIN clips ON model = label AND state != 'replaced' "
        "GROUP BY label ORDER BY position"
    )
    return [
        StoredModel(label, mark, json.loads(identity), json.loads(provenance), *numbers)
        for label, mark, identity, provenance, *numbers in rows
    ]


def read_lineages(store: Store) -> dict[str, Lineage]:
    """Return the lineage of each model by label, in their order.

    Raises:
        DataError: it is not as it is written.
    """
    found = {}
    for label, stored in store.rows("SELECT label, lineage FROM models ORDER BY position"):
        try:
            said = json.loads(stored)
            parts = (said.get(part.name, []) for part in fields(Lineage))
            found[label] = Lineage(*(families(part, f"model '{label}'") for part in parts))
        except (AttributeError, UsageError, ValueError) as error:
            raise DataError(f"{store.folder}: the lineage of model '{label}' is invalid: {stored!r:.60}") from error
    return found


def read_notices(store: Store) -> dict[str, tuple[Notice, ...]]:
    """Return the notices of each model by label, in their order.

    Raises:
        DataError: they are not as they are written.
    """
    found = {}
    for label, stored in store.rows("SELECT label, provenance FROM models ORDER BY position"):
        said = json.loads(stored).get("notices", [])
        if not isinstance(said, list):
            raise DataError(f"{store.folder}: the notices of model '{label}' are {said!r:.60}, not a list")
        found[label] = tuple(map(Notice.of_json, said))
    return found
