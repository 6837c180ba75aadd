"""Recipes: a published experiment in one file: trainings, run, and comparisons.

A recipe is YAML. Its text may contain placeholders: ``{trained:LABEL}`` for the output of a training of the recipe,
``{beside:FILE}`` for a file next to the recipe. ``stated`` says where the source states a parameter; those that it does
not name are our choice::

    train:
      lora: {base: {kind: audioldm, checkpoint: cvssp/audioldm-s-full-v2}, …}
    run:
      models:
        - {name: audioldm, as: base}
        - {name: audioldm, as: tuned, params: {adapter: "{trained:lora}"}}
    compare:
      - [base, tuned]
    stated:
      train.*.base.checkpoint: section 4.1
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from bench.config.changes import change, parse_change, values_at
from bench.config.run_config import RunConfig, parse_config
from bench.errors import DataError, UsageError, suggestion
from bench.file_names import looked_for
from bench.schema import Settings, parse_settings, schema_line
from bench.yaml_config import read_yaml

ENDINGS = (".yaml", ".yml")

_PLACEHOLDER = re.compile(r"\{(.*)\}", re.DOTALL)
_TRAINED, _BESIDE = "trained", "beside"
_Fill = Callable[[str, str], str | None]

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]


class Recipe(Settings):
    """A published experiment.

    name: name of the recipe. about: citation of the source. train: trainings by label, each a configuration of
    ``tunebench train run``. speed: the training to time against full fine-tuning, as by ``tunebench train
    speed``. run: a configuration of ``tunebench run``. compare: pairs of its rows; the second may be a pattern
    for several trainings, such as ``lora-*``. report: whether to write a report. protocol: what the source states and
    no command uses, such as its machine and its listeners. stated: paths of parameters, and where the source states
    them.
    """

    name: str
    about: str
    train: dict[Label, dict[str, Any]] = Field(min_length=1)
    speed: str | None = None
    run: dict[str, Any]
    compare: tuple[tuple[str, str], ...] = ()
    report: bool = True
    protocol: dict[str, Any] = Field(default_factory=dict)
    stated: dict[str, str] = Field(default_factory=dict)

    def run_config(self, trained: Mapping[str, Path]) -> RunConfig:
        """Return the configuration of the run.

        Args:
            trained: output of each training, by label.

        Raises:
            UsageError: an unknown or invalid setting.
        """

        def fill(kind: str, name: str) -> str:
            if kind != _TRAINED or name not in trained:
                raise UsageError(f"recipe '{self.name}': run: {_unknown(kind, name, trained)}")
            return str(trained[name])

        return parse_config(_filled(self.run, fill), f"recipe '{self.name}': run")

    def as_yaml(self) -> str:
        """Return the whole recipe, changes included."""
        return schema_line("recipe") + yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def shipped() -> dict[str, Path]:
    """Return the shipped recipes, by name."""
    folder = Path(str(files("results") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and change parameters of it.

    Args:
        name: of a shipped recipe, or a YAML file.
        changes: such as ``train.lora.steps=10``; see `bench.config.changes`. A changed one is no longer ``stated``.

    Raises:
        UsageError: no such recipe or path, or an unknown or invalid setting.
        DataError: the file is not YAML.
    """
    path = _find(name)
    try:
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise UsageError(f"{path}: must be a mapping with name, about, train and run")
        content["stated"] = dict(_expanded(content, path))
        for text in changes:
            content = _changed(content, text)
        content = _filled(content, _beside(path))
    except RecursionError:
        raise DataError(f"{path}: a part of it contains itself") from None
    recipe = parse_settings(Recipe, content, str(path))
    _check(recipe)
    return recipe


def _find(name: str | Path) -> Path:
    known = shipped()
    if str(name) in known:
        return known[str(name)]
    path = Path(name).expanduser()
    if path.suffix in ENDINGS and path.is_file():
        return path
    problem = f"there is no file {path}{looked_for(path)}" if path.suffix in ENDINGS else f"there is no recipe '{name}'"
    raise UsageError(f"{problem}{suggestion(path.stem, known)}; known: {', '.join(known)}, or a YAML file")


def _expanded(content: Mapping[str, Any], source: Path) -> Iterator[tuple[str, Any]]:
    stated = content.get("stated") or {}
    if not isinstance(stated, dict):
        raise UsageError(f"{source}: stated: must be a mapping of paths to where the source states them")
    for path, where in stated.items():
        places = values_at(content, str(path))
        if not places:
            raise UsageError(f"{source}: stated: the recipe has no parameter '{path}'")
        yield from ((place, where) for place in places)


def _changed(content: dict[str, Any], text: str) -> dict[str, Any]:
    result: dict[str, Any] = change(content, text)
    touched = values_at(result, parse_change(text)[0])
    stated = {place: where for place, where in content["stated"].items() if not _touches(place, touched)}
    return {**result, "stated": stated}


def _touches(place: str, touched: Iterable[str]) -> bool:
    return any(f"{place}.".startswith(f"{other}.") or f"{other}.".startswith(f"{place}.") for other in touched)


def _filled(value: Any, fill: _Fill) -> Any:
    """Return a copy in which each text ``{kind:name}`` is replaced by ``fill(kind, name)``, unless that is None."""
    if isinstance(value, dict):
        return {key: _filled(item, fill) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, fill) for item in value]
    if isinstance(value, str) and (match := _PLACEHOLDER.fullmatch(value.strip())):
        kind, _, name = match[1].partition(":")
        made = fill(kind.strip(), name.strip())
        return value if made is None else made
    return value


def _beside(recipe: Path) -> _Fill:
    def fill(kind: str, name: str) -> str | None:
        if kind != _BESIDE:
            return None
        path = recipe.parent.absolute() / name
        if not path.is_file():
            raise UsageError(f"{recipe}: there is no file '{name}' beside it")
        return str(path)

    return fill


def _unknown(kind: str, name: str, labels: Iterable[str]) -> str:
    labels = list(labels)
    given = f"'{{{kind}:{name}}}'" if name else f"'{{{kind}}}'"
    if kind == _TRAINED:
        return f"{given}: no training is called '{name}'{suggestion(name, labels)}; known: {', '.join(labels)}"
    return f"unknown placeholder {given}; known: {{{_TRAINED}:LABEL}} and {{{_BESIDE}:FILE}}"


def _check(recipe: Recipe) -> None:
    """Check that placeholders, rows and labels exist."""
    _filled(recipe.train, _refused_in_training(recipe))
    rows = [model.row for model in recipe.run_config({label: Path(label) for label in recipe.train}).models]
    for row in (row for pair in recipe.compare for row in pair):
        if row not in rows and not any(fnmatchcase(label, row) for label in rows if "*" in row):
            raise UsageError(f"recipe '{recipe.name}': compare: no row is called '{row}'{suggestion(row, rows)}")
    if recipe.speed is not None and recipe.speed not in recipe.train:
        hint = suggestion(recipe.speed, recipe.train)
        raise UsageError(f"recipe '{recipe.name}': speed: no training is called '{recipe.speed}'{hint}")


def _refused_in_training(recipe: Recipe) -> _Fill:
    def fill(kind: str, name: str) -> str:
        if kind == _TRAINED:
            raise UsageError(f"recipe '{recipe.name}': train: '{{{kind}:{name}}}' is only allowed in the run")
        raise UsageError(f"recipe '{recipe.name}': train: {_unknown(kind, name, recipe.train)}")

    return fill
