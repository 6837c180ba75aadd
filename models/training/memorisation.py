"""Whether the models of a run play back what they were trained on: from a run and a training to an audit's records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import UsageError
from bench.memorisation.compare import compare
from bench.memorisation.embeddings import AuditedDataset, DatasetFile
from bench.memorisation.records import AuditRecord as AuditRecord  # passed on
from bench.memorisation.run_rows import AuditedRun, only, require_row, with_base
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from bench.user_cache import cached_files
from models.training.config import DataConfig
from models.training.data import load_dataset
from models.training.dataset import Dataset
from models.training.halves import halves_by_split, read_data, rows_by_cards

_MOST_BYTES = 100_000_000  # of hashes of decoded files

EMBEDDER = "musicnn-msd"
"""Computes the similarity unless another embedder is named."""


@dataclass(frozen=True)
class AuditRequest:
    """What to audit.

    Attributes:
        run: a run folder with clips of the base and of what was tuned.
        data: what was trained on: the training's configuration, its section ``data``, a folder, a manifest or
            ``composer``.
        card: folder whose ``card.json`` says what was trained on; None takes each row's own.
        embedder: computes the similarity.
        models: only these rows and their bases; all where empty.
        base: the row that others are compared with; None takes that of their checkpoint.
        pairs: how many suspicious clips of each row to list, ≥ 0.
        workers: processes that embed clips; None takes the number in the run's configuration.
    """

    run: StrPath
    data: StrPath
    card: StrPath | None = None
    embedder: str = EMBEDDER
    models: Sequence[str] = ()
    base: str | None = None
    pairs: int = 5
    workers: int | None = None


def audit_memorisation(request: AuditRequest, progress: ProgressOption = None) -> list[AuditRecord]:
    """Compare how near clips lie to the recordings a model was trained on and to those that were held out.

    The card of each row's adapter or checkpoint says which is which; without any, the split of the training's
    configuration. Embeddings are kept in the user's folder for caches. `bench.memorisation.copying` describes the
    method:

        found = audit_memorisation(AuditRequest("results/tuned", "train.yaml", base="base"))
        print(found[0]["differences"][0]["estimate"])

    Args:
        request: the run, the dataset and the choices.
        progress: shows the progress; None shows nothing.

    Returns:
        A record for each way in which rows have the recordings divided, ready for JSON.

    Raises:
        UsageError: there is no run, row or dataset of that name, or nothing to compare.
        DataError: a card or the dataset is damaged.
        MissingError: what the embedder needs is not installed.
    """
    with shown(progress) as told:
        return _audit(request, told)


def _audit(request: AuditRequest, progress: Progress) -> list[AuditRecord]:
    data, seed = read_data(str(request.data))
    run = AuditedRun.read(Path(request.run), request.embedder, request.workers)
    rows = with_base(rows_by_cards(run, None if request.card is None else Path(request.card)), request.base)
    for label in request.models:
        require_row(label, rows)
    with cached_files("sounds", _MOST_BYTES) as folder:
        dataset = load_dataset(data, progress, folder)
    if dataset.about["format"] == "latents":
        raise UsageError(f"{request.data}: pre-encoded latents cannot be compared with clips; name their audio")
    if not any(row.halves for row in rows):
        halves, base = halves_by_split(dataset, data, seed), request.base
        rows = [row if row.label == base else replace(row, halves=halves, base=base) for row in rows]
    return compare(run, only(rows, request.models), _audited(dataset, data), request.pairs, progress)


def _audited(dataset: Dataset, data: DataConfig) -> AuditedDataset:
    files = tuple(
        DatasetFile(example.id, example.path, example.recording, dataset.hashes[example.id], example.genre)
        for example in dataset.examples
    )
    return AuditedDataset(dataset.name, files, data.bad_share)
