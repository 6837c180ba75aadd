"""Adapters of judges: what is shown is what can be copied, and what they declare is what tunebench reads."""

from __future__ import annotations

import ast
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bench.config.run_config import load_config
from bench.environment_spec import parse_environment
from metrics.command import CommandMetric
from metrics.embedders.command import CommandEmbedder

FOLDER = Path(__file__).parents[2] / "docs" / "judges"
PAGE = (FOLDER.parent / "judges.md").read_text("utf-8")
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
SCHEMA = json.loads((files("bench") / "schemas" / "run.schema.json").read_text("utf-8"))


def _params(name: str) -> list[dict[str, Any]]:
    """What each column of a configuration says of its program."""
    metrics = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))["metrics"]
    return [metric["params"].get("embedder_params", metric["params"]) for metric in metrics]


def test_every_judge_has_a_program_and_a_configuration() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == NAMES
    assert len(NAMES) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_files(name: str) -> None:
    for ending, language in (("py", "python"), ("yaml", "yaml")):
        assert f"```{language}\n{(FOLDER / f'{name}.{ending}').read_text('utf-8')}```" in PAGE
    paragraph = PAGE.partition(f"\n\n```python\n{(FOLDER / f'{name}.py').read_text('utf-8')}")[0].rpartition("\n\n")[2]
    said = " ".join(paragraph.split())
    assert ("Run with random weights" in said) != ("Not run: " in said)


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_short_and_reads_and_writes_what_it_is_given(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    ast.parse(text)
    assert len(text.splitlines()) <= 32
    assert {"sys.argv[1]", "sys.argv[2]"} <= set(re.findall(r"sys\.argv\[\d\]", text))
    for params in _params(name):
        assert params["command"][:2] == ["{python}", f"{name}.py"]
        if "key" in params:
            assert params["key"] in text


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_is_read_and_declares_a_scale(name: str, tmp_path: Path) -> None:
    file = FOLDER / f"{name}.yaml"
    load_config(file)
    jsonschema.validate(yaml.safe_load(file.read_text("utf-8")), SCHEMA)
    for params in _params(name):
        given = {**params, "cwd": str(tmp_path), "weights": []}
        environment = given.pop("environment")
        given["command"] = ["python", *params["command"][1:]]
        if "dimension" in given:
            assert CommandEmbedder(**given).dimension >= 1
        else:
            metric = CommandMetric(**given)
            assert metric.direction in ("higher", "lower", "none")
            assert metric.version == 1
        for line in environment["requirements"] if isinstance(environment["requirements"], list) else []:
            if line.startswith("-r "):
                _write_empty(tmp_path / line[3:])
        if isinstance(environment["requirements"], str):
            _write_empty(tmp_path / environment["requirements"])
        spec = parse_environment("test", environment, tmp_path)
        assert spec.python == "3.11"


def _write_empty(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("torch\n")
