"""``tunebench list``: plugins with their parameters, and the prompts of a suite."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest
import yaml

from bench.config.run_config import RunConfig
from bench.contracts.entry_points import Kind
from bench.contracts.parameters import bind
from bench.contracts.plugins import find, load
from bench.contracts.prompt_suite import load_suite_named
from bench.installation.catalogue import as_yaml, catalogue, parameters_of, prompts
from bench.installation.parameter_docs import docs_of, types_of
from bench.text_table import definitions

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("kind", ["model", "metric", "embedder"])
def test_parameters_are_those_that_a_configuration_takes(kind: Kind) -> None:
    for entry in catalogue(kind):
        plugin = find(kind, entry["name"])
        defaults = {p["name"]: p["default"] for p in entry["params"] if not p["required"]}
        required = {p["name"]: p["example"] for p in entry["params"] if p["required"]}
        assert defaults == bind(plugin, load(plugin), {}, partly=True)
        assert bind(plugin, load(plugin), required) == {**required, **defaults}
        assert entry["version"] == load(plugin).version


def test_parameters_of_one_model() -> None:
    entries = {entry["name"]: entry for entry in catalogue("model")}
    (share,) = entries["composer-offkey"]["params"]
    assert share.items() >= {"name": "share", "required": False, "default": 0.3, "example": None}.items()
    assert share["type"] == "number" and "pitch" in share["doc"]
    assert entries["noise"]["params"] == []
    path = entries["folder"]["params"][0]
    assert (path["name"], path["required"], path["default"], path["example"]) == ("path", True, None, "my_clips")


def test_every_parameter_of_ours_has_a_type_and_says_what_it_means() -> None:
    found = parameters_of()
    assert len({(p["kind"], p["plugin"]) for p in found}) >= 25
    assert [(p["plugin"], p["name"]) for p in found if not p["type"] or not p["doc"]] == []


class Documented:
    """A class of somebody's.

    Args:
        first, second: of both,
            over two lines.
        third (float): with its type, and ``code``.

    Raises:
        fourth: no parameter.
    """

    def __init__(
        self,
        first: int,
        second: Literal["a", "b"] | None,
        third: float = 1.0,
        fourth: Sequence[str | Path] = (),
        fifth: Unknown = None,  # type: ignore[name-defined]  # noqa: F821
        sixth: object = None,
        *,
        seventh: dict[str, int] | bool = False,
    ) -> None: ...


def test_types_and_meanings_of_parameters() -> None:
    del Documented.__init__.__annotations__["sixth"]
    assert docs_of(Documented) == {
        "first": "of both, over two lines.",
        "second": "of both, over two lines.",
        "third": "with its type, and code.",
    }
    types = types_of(Documented)
    assert types["fifth"].strip("'\"") == "Unknown" and "sixth" not in types

    def whole(
        first: int, second: Literal["a", "b"] | None, fourth: Sequence[str | Path], seventh: dict[str, int]
    ) -> None:
        del first, second, fourth, seventh

    assert types_of(whole) == {
        "first": "whole number",
        "second": "a | b | null",
        "fourth": "list of (text | path)",
        "seventh": "mapping",
    }


def test_parameters_in_three_forms(tunebench: Command, tiny: Path) -> None:
    as_json = json.loads(tunebench("list", "parameters", "kad", "--json").stdout)
    assert as_json == parameters_of("kad")
    assert [p["name"] for p in as_json] == ["embedder", "embedder_params", "bandwidth"]
    assert {p["plugin"] for p in parameters_of("kad@2")} == {"kad"}
    rows = list(csv.DictReader(io.StringIO(tunebench("list", "parameters", "kad", "--format", "csv").stdout)))
    assert [row["type"] for row in rows] == [p["type"] for p in as_json]
    table = tunebench("list", "parameters", "stable-audio", COLUMNS="80").stdout
    assert max(map(len, table.splitlines())) <= 80
    words = " ".join(table.split())
    for parameter in parameters_of("stable-audio"):
        assert parameter["name"] in words and " ".join(parameter["doc"].split()) in words
    assert {p["kind"] for p in parameters_of(f"{tiny}:Sine")} == {"model"}
    assert "no parameters" in tunebench("list", "parameters", "noise").stdout
    refused = tunebench("list", "parameters", "stable-adio")
    assert refused.returncode == 2 and "did you mean 'stable-audio'" in refused.stderr


@pytest.mark.parametrize("what", ["models", "metrics"])
def test_lists_of_one_kind_show_parameters_in_80_columns(tunebench: Command, what: str) -> None:
    ran = tunebench("list", what, COLUMNS="80")
    assert ran.returncode == 0, ran.stderr
    assert max(map(len, ran.stdout.splitlines())) <= 80
    words = " ".join(ran.stdout.split())
    for entry in json.loads(tunebench("list", what, "--json").stdout):
        for parameter in entry["params"]:
            shown = parameter["example"] if parameter["required"] else as_yaml(parameter["default"])
            assert f"{parameter['name']}: {shown}" in words
        assert " ".join(entry["summary"].split()) in words


def test_the_list_of_everything_leaves_parameters_and_prompts_out(tunebench: Command) -> None:
    listed = tunebench("list").stdout
    assert "composer-offkey" in listed and "share: 0.3" not in listed and "jazz-2" not in listed


def test_prompts_in_three_forms(tunebench: Command) -> None:
    """Of the suite that a run has by itself, which a person then types into a hosted service."""
    suite = load_suite_named(RunConfig().suite)
    as_json = json.loads(tunebench("list", "prompts", "--json").stdout)
    assert as_json == prompts(suite)
    assert [prompt["id"] for prompt in as_json] == [prompt.id for prompt in suite.prompts]
    rows = list(csv.DictReader(io.StringIO(tunebench("list", "prompts", suite.ref, "--format", "csv").stdout)))
    assert [row["text"] for row in rows] == [prompt.text for prompt in suite.prompts]
    assert [row["bpm"] for row in rows] == [f"{p.bpm}" if p.bpm is not None else "" for p in suite.prompts]
    table = tunebench("list", "prompts", COLUMNS="80").stdout
    assert max(map(len, table.splitlines())) <= 80
    words = " ".join(table.split())
    assert all(prompt.text in words and prompt.id in words for prompt in suite.prompts)


def test_prompts_of_another_suite(tunebench: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "{name: mine, version: 3, prompts: [{id: a, genre: pop, level: 1, text: 'A, \"b\"', key: C major}]}"
    )
    assert tunebench("list", "prompts", "mine.yaml@3", "--format", "csv").stdout == (
        'id,text,genre,level,bpm,key,lyrics\na,"A, ""b""",pop,1,,C major,\n'
    )
    for arguments, message in (
        (("prompts", "genre"), "did you mean 'genres'"),
        (("prompts", "genres@2"), "'genres@1'"),
        (("models", "genres"), "list models"),
    ):
        refused = tunebench("list", *arguments)
        assert refused.returncode == 2
        assert message in refused.stderr


@pytest.mark.parametrize("value", [None, True, 0.3, 8, "", "a: b", "no", [1, "x"], {"a": None}, "Low quality.", "ä #"])
def test_values_can_be_pasted_into_a_configuration(value: object) -> None:
    assert yaml.safe_load(f"{{x: {as_yaml(value)}}}") == {"x": value}
    assert "\n" not in as_yaml(value)


def test_definitions_keep_words_and_no_break_spaces_whole() -> None:
    text = definitions([("ab", ["one two\xa0three", "four"]), ("a" * 9, ["x"]), ("c", [])], width=16, indent=1)
    assert text == f" ab  one\n     two three\n     four\n {'a' * 9}\n     x\n c"
