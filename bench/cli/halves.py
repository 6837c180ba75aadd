"""The two halves of a dataset, as the models of a run know them: recordings trained on, and recordings held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.model import MusicModel
from bench.contracts.plugins import create, find
from bench.errors import UsageError, suggestion
from bench.schema import parse_settings
from bench.yaml_config import read_yaml
from models.training.config import DataConfig
from models.training.split import split

if TYPE_CHECKING:
    from bench.config.run_config import ModelConfig, RunConfig
    from bench.storage.store import Store
    from models.card import Card
    from models.training.dataset import Dataset


@dataclass(frozen=True)
class Halves:
    """Content hashes of the recordings trained on and of those held out; ``source`` says who says so."""

    train: frozenset[str]
    held_out: frozenset[str]
    source: str = field(compare=False)

    @classmethod
    def of_cards(cls, cards: Sequence[Card], source: str) -> Halves:
        """What the cards of a model say: all that any of them was trained on, and what the first one held out."""
        train = frozenset(content for card in cards for content in card.data.train)
        return cls(train, frozenset(cards[0].data.held_out) - train, source)


@dataclass(frozen=True)
class AuditedRow:
    """A row of the leaderboard; ``halves`` where it is known what it was trained on, ``base`` the row of its base."""

    label: str
    halves: Halves | None = None
    base: str | None = None


def read_data(spec: str) -> tuple[DataConfig, int]:
    """The dataset that ``spec`` names, and the seed that splits it.

    Args:
        spec: a training configuration or its section ``data`` (``.yaml``), or what may stand under ``data.path``.

    Raises:
        UsageError: an unknown or impossible setting.
        DataError: the file is missing or not YAML.
    """
    if not spec.endswith((".yaml", ".yml")):
        return DataConfig(path=spec), 0
    content = read_yaml(Path(spec).expanduser())
    if not isinstance(content, dict):
        raise UsageError(f"{spec}: no configuration of a training; its section 'data' names the dataset")
    seed = content.get("seed", 0) if "data" in content else 0
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UsageError(f"{spec}: seed is {seed!r}, must be a whole number from 0")
    data = content.get("data", content)
    if not isinstance(data, dict):
        raise UsageError(f"{spec}: data must be a table such as 'data: {{path: composer}}'")
    return parse_settings(DataConfig, data, f"{spec}, data"), seed


def rows_of(store: Store, settings: RunConfig, card_folder: Path | None = None) -> list[AuditedRow]:
    """The rows of a run, with what is known of their training.

    Args:
        store: of the run.
        settings: its configuration, which says where adapters and checkpoints lie.
        card_folder: holds the card of every row but its base's; otherwise each row's own card counts, that beside its
            adapter or in its checkpoint, or else what the model says itself.

    Raises:
        UsageError: an adapter has gone, or the configuration lacks a row.
        DataError: a card is damaged, or there is none in ``card_folder``.
    """
    from models.card import read_card

    identities = store.model_identities()
    if card_folder is not None:
        card = read_card(card_folder)
        base, halves = _base_of([card], identities), Halves.of_cards([card], f"by the card in {card_folder}")
        return [AuditedRow(label) if label == base else AuditedRow(label, halves, base) for label in identities]
    entries = {entry.row: entry for entry in settings.models}
    trained_on = store.trained_on()
    rows = []
    for label in identities:
        if cards := _cards(entries[label]) if label in entries else []:
            halves = Halves.of_cards(cards, f"by the card of '{label}'")
            rows.append(AuditedRow(label, halves, _base_of(cards, identities)))
        elif trained_on[label]:
            rows.append(AuditedRow(label, Halves(trained_on[label], frozenset(), f"as the model '{label}' says")))
        elif label not in entries:
            raise UsageError(
                f"{store.folder}/config.yaml does not say how '{label}' was made, so not where its card lies: run the "
                "command that made it once more, or name a folder with the card: --adapter-card"
            )
        else:
            rows.append(AuditedRow(label))
    return rows


def _cards(entry: ModelConfig) -> list[Card]:
    """The cards of a row's weights."""
    from models.pretrained import PretrainedModel

    try:
        model = create(find("model", entry.name), entry.params, MusicModel)
        cards = model.cards() if isinstance(model, PretrainedModel) else []
        model.close()
    except UsageError as error:
        raise UsageError(f"{error}; or name a folder with its card: --adapter-card") from None
    return cards


def _base_of(cards: Sequence[Card], identities: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The row that a training began with: of the same checkpoint, without an adapter."""
    for card in cards:
        keys = [key for key in ("weights", "repo", "revision") if key in card.base]
        for label, identity in identities.items():
            adapted = "adapter" in identity and identity.get("params", {}).get("adapter_scale") != 0
            if keys and not adapted and all(identity.get(key) == card.base[key] for key in keys):
                return label
    return None


def split_of(dataset: Dataset, data: DataConfig, seed: int) -> Halves:
    """The halves that the configuration of a training gives.

    Raises:
        DataError: as `models.training.split.split`.
    """
    parts = split(dataset, data, seed)
    train = frozenset(dataset.hashes[example.id] for example in parts.train)
    held_out = frozenset(dataset.hashes[example.id] for example in parts.held_out)
    return Halves(train, held_out - train, f"by the split of '{dataset.name}', seed {seed}")


def within(dataset: Dataset, halves: Halves) -> Halves:
    """The part of the halves that the dataset holds; where nothing is known to be held out, all that is not trained on.

    Raises:
        UsageError: nothing of either half is in it.
    """
    there = frozenset(dataset.hashes.values())
    train = halves.train & there
    held_out = (halves.held_out or there - halves.train) & there
    if not train:
        raise UsageError(
            f"none of the {len(halves.train)} recordings trained on, {halves.source}, is in '{dataset.name}'; name the "
            "dataset of that training with --data"
        )
    if not held_out:
        raise UsageError(
            f"nothing of '{dataset.name}' is held out, {halves.source}, so there is nothing to compare with; hold out "
            "a share of it in the training (data.validation)"
        )
    return Halves(train, held_out, halves.source)


def choose(rows: Sequence[AuditedRow], base: str | None) -> list[AuditedRow]:
    """The rows with another base for all of them, if one is named; whatever it was trained on itself, it is the base.

    Raises:
        UsageError: there is no such row.
    """
    if base is None:
        return list(rows)
    require_row(base, rows)
    return [AuditedRow(base) if row.label == base else replace(row, base=base) for row in rows]


def require_row(label: str, rows: Sequence[AuditedRow]) -> None:
    """Refuse a label that no row has.

    Raises:
        UsageError: as said.
    """
    known = [row.label for row in rows]
    if label not in known:
        raise UsageError(f"the run has no row '{label}'{suggestion(label, known)}; it has {', '.join(known)}")
