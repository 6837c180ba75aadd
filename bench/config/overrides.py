"""Command-line options that override the configuration of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.changes import change, parse_value
from bench.config.run_config import RunConfig, parse_config
from bench.contracts.plugins import plain_name, short_name
from bench.errors import UsageError
from bench.schema import read_settings

LABEL = "as"
"""The key in ``--model NAME,as=LABEL`` for the label of the row, or of a metric's column.

It cannot be a parameter's name, as it is a Python keyword."""


@dataclass(frozen=True)
class Overrides:
    """Options of a command that override settings of a configuration; None or empty changes nothing.

    Attributes:
        changes: ``PATH=VALUE`` each, see `bench.config.changes`; they are applied first.
        suite: as `parse_suite` reads it. limit: as in `RunConfig`.
        models: ``NAME,PARAMETER=VALUE,…`` each: the rows, instead of those configured. ``NAME`` is a row of
            the configuration, with its settings, or else a model.
        metrics: the same for columns.
    """

    changes: Sequence[str] = ()
    suite: str | None = None
    limit: int | None = None
    models: Sequence[str] = ()
    metrics: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.suite or self.limit is not None or self.models or self.metrics)

    def applied(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings with these options applied.

        Raises:
            UsageError: a change names an unknown setting, or a model or a metric has another form.
        """
        made = dict(content)
        for text in self.changes:
            made = change(made, text, RunConfig)
        made |= {} if self.suite is None else {"suite": parse_suite(self.suite)}
        made |= {} if self.limit is None else {"limit": self.limit}
        for kind, texts in (("model", self.models), ("metric", self.metrics)):
            if texts:
                configured = _entries(made.get(f"{kind}s"))
                made[f"{kind}s"] = [entry for text in texts for entry in _chosen(kind, text, configured)]
        return made


def load_overridden(path: Path | None, overrides: Overrides) -> RunConfig:
    """Read a configuration, or the default if ``path`` is None, and apply options.

    Raises:
        UsageError: as `bench.config.run_config.load_config` and `Overrides.applied`.
        DataError: the file is not YAML.
    """
    content = {} if path is None else read_settings(path, "suite: genres@1")
    where = " and ".join(filter(None, [str(path) if path else "", "the command's options" if overrides else ""]))
    return parse_config(overrides.applied(content), where or "configuration")


def refuse_other_clips_than(run: RunConfig, changed: RunConfig) -> None:
    """Check that a changed configuration of a run asks for the clips that the run has.

    Raises:
        UsageError: a setting that affects clips differs.
    """
    for name in ("suite", "split", "limit", "models", "seeds", "duration"):
        if getattr(run, name) != getattr(changed, name):
            raise UsageError(f"--set {name}: clips depend on it; change it with 'tunebench run'")


def parse_suite(text: str) -> str | dict[str, Any]:
    """Return the suite that ``NAME``, ``FILE`` or ``FILE,SETTING=VALUE,…`` describes, as in a configuration.

    Raises:
        UsageError: a part has another form.

    >>> parse_suite("quick@1"), parse_suite("captions.csv,id=ytid,where={is_balanced_subset: true}")
    ('quick@1', {'file': 'captions.csv', 'id': 'ytid', 'where': {'is_balanced_subset': True}})
    """
    if "," not in text or Path(text).expanduser().is_file():
        return text
    file, settings = parse_named(text, "--suite")
    return {"file": file, **settings}


def parse_named(text: str, option: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the parameters of ``NAME,PARAMETER=VALUE,…``; values are YAML.

    Args:
        text: the option's value.
        option: the option, for messages.

    Raises:
        UsageError: it has another form.

    >>> parse_named("mine.py:M,bpm=90,keys=[C major, F major]", "--model")
    ('mine.py:M', {'bpm': 90, 'keys': ['C major', 'F major']})
    >>> parse_named("kad[embedder=vggish]@2", "--metric")
    ('kad[embedder=vggish]@2', {})
    """
    name, *given = (part.strip() for part in _split(text))
    if not name:
        raise UsageError(f"{option} '{text}': must begin with a name, as in NAME,steps=50")
    return name, parse_params(given, f"{option} {name}")


def parse_params(texts: Iterable[str], option: str) -> dict[str, Any]:
    """Return the parameters that texts ``PARAMETER=VALUE`` describe; values are YAML, and ``1e-4`` is a number.

    Args:
        texts: the texts.
        option: the option that they were given to, for messages.

    Raises:
        UsageError: one has another form, or a parameter is given twice.

    >>> parse_params(["layer=12", "floor=1e-4"], "--param")
    {'layer': 12, 'floor': 0.0001}
    """
    params: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(f"{option}: '{text}' must be PARAMETER=VALUE, such as steps=50")
        if name in params:
            raise UsageError(f"{option}: '{name}' is given twice")
        params[name] = parse_value(value, f"{option} {name}")
    return params


def _split(text: str) -> list[str]:
    """Return the parts of a text between commas that are not in brackets or quotes."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'" and parts[-1].endswith(("=", "[", "{", ",", " ", ":")):  # an apostrophe is none
            quote = sign
        depth += 0 if quote else (sign in "[{(") - (sign in ")}]")
        if sign == "," and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _entries(configured: Any) -> list[dict[str, Any]]:
    """Return the configured entries in their full form, omitting those that are malformed."""
    items = configured if isinstance(configured, list | tuple) else []
    full = [{"name": item} if isinstance(item, str) else item for item in items]
    return [item for item in full if isinstance(item, dict) and isinstance(item.get("name"), str)]


def _chosen(kind: str, text: str, configured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that an option names: those configured under that name, or a new one."""
    name, params = parse_named(text, f"--{kind}")
    label = {LABEL: str(params.pop(LABEL))} if LABEL in params else {}
    rows = [entry for entry in configured if name == (entry.get(LABEL) or short_name(entry["name"]))]
    same = [{**entry, "name": name} for entry in configured if plain_name(entry["name"]) == plain_name(name)]
    found = rows or same or [{"name": name}]
    return [_changed(entry, params) | label for entry in found]


def _changed(entry: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with some parameters replaced, including swept ones."""
    if not params:
        return entry
    before, sweep = entry.get("params") or {}, entry.get("sweep") or {}
    kept = {name: values for name, values in sweep.items() if name not in params}
    return {**entry, "params": {**before, **params}, **({"sweep": kept} if sweep else {})}
