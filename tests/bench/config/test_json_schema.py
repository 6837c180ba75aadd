"""JSON Schemas of configurations say what the classes that read them accept, and editors find them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from bench.cli.schema import Configuration, schema_of
from bench.config.json_schema import descriptions, json_schema
from bench.config.recipe import Recipe
from bench.config.run_config import RunConfig
from bench.contracts.entry_points import OWN_PACKAGE, Kind, declared
from bench.errors import UsageError
from bench.listening_test.settings import ListeningTest
from bench.schema import Settings, parse_settings, schema_line, tables_in
from models.training.config import TrainConfig
from tests.code_blocks import code_blocks

ROOT = Path(__file__).parents[3]
KINDS: dict[str, type[Settings]] = {
    "run": RunConfig,
    "train": TrainConfig,
    "recipe": Recipe,
    "listening-test": ListeningTest,
}
SHIPPED = {kind: json.loads((files("bench") / "schemas" / f"{kind}.schema.json").read_text("utf-8")) for kind in KINDS}

BASES: dict[str, dict[str, Any]] = {
    "run": {"models": [{"name": "composer"}], "metrics": [{"name": "kad"}], "common": {}, "executor": {}},
    "train": {
        "base": {"kind": "audioldm", "checkpoint": "a/b"},
        "data": {"path": "composer"},
        "lora": {},
        "optimizer": {},
        "schedule": {},
        "validation": {"clips": {}},
        "checkpoint": {},
        "steps": 5,
    },
    "recipe": {"name": "n", "about": "a", "train": {"t": {}}, "run": {}},
}
VALUES = [
    None, True, False, -1, 0, 1, 2, 70, 2**70, 0.5, 1.5, 6.5, 10**9, "", "auto", "x", "a b", "chance", "ray", "full",
    "audio", "audioldm", "refuse", "8 GB", "5 kB", [], [0], [0, 0], [1, 2, 3], [0.5, 0.9], ["a"], [["a", "b"]], {},
    {"a": 1}, {"a": [1, 2]}, {"a": "b"}, {"name": "x", "as": "y"}, [{"name": "x"}], {"steps": [1, 1]},
]  # fmt: skip
# What a schema cannot say: that two things differ or name each other, and how large what a text says is.
NOT_SAID = re.compile(
    "listed twice|also in params|cannot name a folder|two of its values|more than 1000 rows|less than a worker"
)


def _paths(table: type[BaseModel], base: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a setting may be put in a base, and one that does not exist in each of its tables."""
    yield (*above, "strange")
    for name, field in table.model_fields.items():
        key = field.alias or name
        yield (*above, key)
        inner, place = next(tables_in(field.annotation), None), base.get(key)
        if inner and isinstance(place, dict):
            yield from _paths(inner, place, (*above, key))
        elif inner and isinstance(place, list):
            yield from _paths(inner, place[0], (*above, key, 0))


def _put(content: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with a value at a place; as it is where an earlier value has taken the place away."""
    if not path:
        return value
    first, *rest = path
    if isinstance(content, list) and content and first == 0:
        return [_put(content[0], tuple(rest), value), *content[1:]]
    if isinstance(content, dict):
        return {**content, first: _put(content.get(first, {}), tuple(rest), value)}
    return content


@st.composite
def documents(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    places = list(_paths(KINDS[kind], BASES[kind]))
    content: Any = BASES[kind]
    for path in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        content = _put(content, path, draw(st.sampled_from(VALUES)))
    return content


def _refused(kind: str, content: dict[str, Any]) -> str | None:
    """Why the class refuses a document; None where it accepts."""
    try:
        parse_settings(KINDS[kind], content, "here")
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", ["run", "train"])
def test_schema_and_loader_accept_the_same(kind: str) -> None:
    schema = jsonschema.Draft7Validator(SHIPPED[kind])
    seen = set()

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(documents(kind))
    def check(content: dict[str, Any]) -> None:
        refused = _refused(kind, content)
        seen.add(refused is None)
        if schema.is_valid(content):
            assert refused is None or NOT_SAID.search(refused), (content, refused)
        else:
            assert refused is not None, (content, [error.message for error in schema.iter_errors(content)])

    check()
    assert seen == {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_hold_to_their_draft_and_describe_every_setting(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(SHIPPED[kind])
    tables = [SHIPPED[kind], *SHIPPED[kind].get("$defs", {}).values()]
    undescribed = [name for table in tables for name, own in table["properties"].items() if not own.get("description")]
    assert not undescribed


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_schemas_are_those_of_the_classes(kind: str) -> None:
    """After a change, in an environment without other plugins: tunebench schema KIND --out bench/schemas/…"""
    ours: tuple[Kind, ...] = ("model", "metric", "suite", "reference")
    foreign = {n for k in ours for n, p in declared(k).items() if p[0].distribution != OWN_PACKAGE}

    def own(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: [n for n in v if n not in foreign] if k == "examples" else own(v) for k, v in value.items()}
        return [own(item) for item in value] if isinstance(value, list) else value

    assert own(schema_of(Configuration(kind))) == SHIPPED[kind]


def test_descriptions_are_those_of_the_docstring() -> None:
    class Table(Settings):
        """What it is. a, b and c: of all ``three``. d: None for none; a: is no heading within a sentence.

        Of no setting: neither.
        """

        a: int = 0
        b: int = 0
        c: int = 0
        d: int | None = None

    about, found = descriptions(Table)
    assert about == "What it is. Of no setting: neither."
    assert found["b"] == found["c"] == "Of all three."
    assert found["d"] == "Null for none; a: is no heading within a sentence."
    schema = json_schema(Table, "title", {"Table.d": ["1"]})
    assert schema["properties"]["d"]["examples"] == ["1"]


_SCHEMA = re.compile(r"# yaml-language-server: \$schema=([\w-]+)\.schema\.json\n")
OWN_TESTS = ("file-formats.md", "messages.md")
"""Pages with files of other kinds, and with files that are wrong on purpose, whose own tests read their blocks."""


def _examples(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every configuration of the README and the docs, the recipes, and one that the package wrote long ago."""
    all_pages = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    pages = "".join(page.read_text("utf-8") for page in all_pages if page.name not in OWN_TESTS)
    for number, block in enumerate(code_blocks((ROOT / "docs/file-formats.md").read_text("utf-8"), "yaml")):
        if kind := _SCHEMA.search(block):
            path = folder / f"format-{number}.yaml"
            path.write_text(block, encoding="utf-8")
            yield kind[1], path
    for block in code_blocks(pages, "yaml"):
        name = re.match(r"# (\S+)\n", block)
        assert name
        kind = _SCHEMA.search(block)
        assert kind, f"{name[1]} names no schema"
        (folder / name[1]).write_text(block, encoding="utf-8")
        yield kind[1], folder / name[1]
    yield from (("recipe", path) for path in (ROOT / "results/recipes").glob("*.yaml"))
    yield "run", ROOT / "tests/data/runs/layout-2/run.yaml"
    (folder / "frozen.yaml").write_text(RunConfig().as_yaml(), encoding="utf-8")
    yield "run", folder / "frozen.yaml"


def _check(kind: str, paths: list[Path]) -> tuple[int, set[str]]:
    """The exit status of check-jsonschema, and the files that it finds a mistake in."""
    schema = ROOT / "bench/schemas" / f"{kind}.schema.json"
    program = Path(sys.executable).parent / "check-jsonschema"
    ran = subprocess.run(
        [program, "--output-format", "json", "--schemafile", schema, *paths],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    report = json.loads(ran.stdout)
    return ran.returncode, {Path(error["filename"]).name for error in report.get("errors", [])}


@pytest.mark.slow(4)
def test_another_program_accepts_all_examples_and_no_wrong_ones(tmp_path: Path) -> None:
    of_kind: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for kind, path in _examples(tmp_path):
        of_kind[kind].append(path)
    assert {kind: len(paths) >= 1 for kind, paths in of_kind.items()} == dict.fromkeys(KINDS, True)
    for kind, paths in of_kind.items():
        assert _check(kind, paths) == (0, set()), kind
    wrong = {
        "run": ["model: [composer]", "models: []", "seeds: [0, 0]", "duration: long", "executor: {gpus: 1}"],
        "train": ["steps: 1", "{base: {kind: longcat-audio, checkpoint: x}, data: {path: x}, steps: 1}"],
        "listening-test": ["kind: votes", "scales: [Loudness]", "minutes: 0", "checks: {beeps: many}"],
        "recipe": ["{name: n, about: a, run: {}, train: {}}", "{name: n, about: a, run: {seed: 1}, train: {a: {}}}"],
    }
    for kind, texts in wrong.items():
        paths = [tmp_path / f"wrong-{number}.yaml" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        assert _check(kind, paths) == (1, {path.name for path in paths}), kind


def test_what_is_written_names_its_schema_and_can_be_read() -> None:
    for kind, path in (("recipe", path) for path in (ROOT / "results/recipes").glob("*.yaml")):
        first = path.read_text("utf-8").partition("\n")[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / named).resolve() == ROOT / "bench/schemas" / f"{kind}.schema.json"
    text = RunConfig().as_yaml()
    assert text.startswith(schema_line("run"))
    assert RunConfig.model_validate(yaml.safe_load(text)) == RunConfig()
