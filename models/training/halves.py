"""The two halves of a training's dataset: recordings trained on, and recordings held out, by cards or by a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.contracts.model import MusicModel
from bench.contracts.plugins import create, find
from bench.errors import UsageError
from bench.memorisation.run_rows import AuditedRow, AuditedRun, Halves, RunModel
from bench.schema import parse_settings
from bench.yaml_config import read_yaml
from models.card import Card, read_card
from models.pretrained import PretrainedModel
from models.training.config import DataConfig
from models.training.dataset import Dataset
from models.training.split import split


def read_data(spec: str) -> tuple[DataConfig, int]:
    """Read which dataset ``spec`` names, and the seed that splits it.

    Args:
        spec: a training configuration or its section ``data`` (``.yaml``), or a value of ``data.path``.

    Raises:
        UsageError: an unknown or impossible setting.
        DataError: the file is missing or not YAML.
    """
    if not spec.endswith((".yaml", ".yml")):
        return DataConfig(path=spec), 0
    content = read_yaml(Path(spec).expanduser())
    if not isinstance(content, dict):
        raise UsageError(f"{spec}: not a training configuration, whose section 'data' names the dataset")
    seed = content.get("seed", 0) if "data" in content else 0
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UsageError(f"{spec}: seed is {seed!r}, must be a whole number of at least 0")
    data = content.get("data", content)
    if not isinstance(data, dict):
        raise UsageError(f"{spec}: data must be a table such as 'data: {{path: composer}}'")
    return parse_settings(DataConfig, data, f"{spec}, data"), seed


def rows_by_cards(run: AuditedRun, card_folder: Path | None = None) -> list[AuditedRow]:
    """Return the rows of a run, with what is known about their training.

    Args:
        run: its configuration says where adapters and checkpoints are.
        card_folder: holds the card of every row but its base's; otherwise each row's own card is used, that beside its
            adapter or in its checkpoint, or else what the model itself says.

    Raises:
        UsageError: an adapter is missing, or the configuration lacks a row.
        DataError: a card is damaged, or there is none in ``card_folder``.
    """
    if card_folder is not None:
        card = read_card(card_folder)
        base, halves = _base_of([card], run), _halves_of([card], f"by the card in {card_folder}")
        return [AuditedRow(m.label) if m.label == base else AuditedRow(m.label, halves, base) for m in run.models]
    return [_row_by_own_cards(run, model) for model in run.models]


def _row_by_own_cards(run: AuditedRun, model: RunModel) -> AuditedRow:
    label = model.label
    if cards := _cards(model):
        return AuditedRow(label, _halves_of(cards, f"by the card of '{label}'"), _base_of(cards, run))
    if model.trained_on:
        return AuditedRow(label, Halves(model.trained_on, frozenset(), f"as the model '{label}' says"))
    if model.config is None:
        raise UsageError(
            f"{run.folder}/config.yaml does not say how '{label}' was made, so its card cannot be found: "
            "repeat the command that made the run, or name a folder with the card: --adapter-card"
        )
    return AuditedRow(label)


def _cards(model: RunModel) -> list[Card]:
    """Return the cards of a row's weights."""
    if model.config is None:
        return []
    try:
        made = create(find("model", model.config.name), model.config.params, MusicModel)
        cards = made.cards() if isinstance(made, PretrainedModel) else []
        made.close()
    except UsageError as error:
        raise UsageError(f"{error}; or name a folder with its card: --adapter-card") from None
    return cards


def _halves_of(cards: Sequence[Card], source: str) -> Halves:
    """Return what the cards of a model say: everything that any of them trained on, and what the first one held out."""
    train = frozenset(content for card in cards for content in card.data.train)
    return Halves(train, frozenset(cards[0].data.held_out) - train, source)


def _base_of(cards: Sequence[Card], run: AuditedRun) -> str | None:
    """Return the row that a training started from: the same checkpoint, without an adapter."""
    for card in cards:
        keys = [key for key in ("weights", "repo", "revision") if key in card.base]
        for model in run.models:
            identity = model.identity
            adapted = "adapter" in identity and identity.get("params", {}).get("adapter_scale") != 0
            if keys and not adapted and all(identity.get(key) == card.base[key] for key in keys):
                return model.label
    return None


def halves_by_split(dataset: Dataset, data: DataConfig, seed: int) -> Halves:
    """Return the halves that the configuration of a training gives.

    Raises:
        DataError: as `models.training.split.split`.
    """
    parts = split(dataset, data, seed)
    train = frozenset(dataset.hashes[example.id] for example in parts.train)
    held_out = frozenset(dataset.hashes[example.id] for example in parts.held_out)
    return Halves(train, held_out - train, f"by the split of '{dataset.name}', seed {seed}")
