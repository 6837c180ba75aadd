"""Sweeps: one entry of a configuration becomes a row at each value."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import UsageError
from bench.config.run_config import RunConfig, parse_config

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _rows(**entry: object) -> RunConfig:
    return parse_config({"models": [{"name": "composer-offkey", "as": "sao", **entry}]}, "c.yaml")


def test_one_parameter() -> None:
    config = _rows(params={"adapter": "jazz"}, sweep={"adapter_scale": [0, 0.25, 0.5, 0.75, 1.0]})
    assert {model.row: model.params for model in config.models} == {
        "sao[adapter_scale=0]": {"adapter": "jazz", "adapter_scale": 0},
        "sao[adapter_scale=0.25]": {"adapter": "jazz", "adapter_scale": 0.25},
        "sao[adapter_scale=0.5]": {"adapter": "jazz", "adapter_scale": 0.5},
        "sao[adapter_scale=0.75]": {"adapter": "jazz", "adapter_scale": 0.75},
        "sao[adapter_scale=1]": {"adapter": "jazz", "adapter_scale": 1.0},
    }


def test_several_parameters_are_crossed() -> None:
    config = _rows(sweep={"adapter": ["adapters/jazz", None], "steps": [10, 50]})
    assert [model.row for model in config.models] == [
        "sao[adapter=adapters-jazz,steps=10]",
        "sao[adapter=adapters-jazz,steps=50]",
        "sao[adapter=null,steps=10]",
        "sao[adapter=null,steps=50]",
    ]
    assert config.models[2].params == {"adapter": None, "steps": 10}


def test_rows_stand_where_the_entry_stood() -> None:
    config = parse_config({"models": ["noise", {"name": "composer-loose", "sweep": {"sd": [0.01, 0.02]}}, "composer"]})
    assert [model.row for model in config.models] == [
        "noise",
        "composer-loose[sd=0.01]",
        "composer-loose[sd=0.02]",
        "composer",
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"sweep": {"scale": []}}, r"models\.0: sweep\.scale: .*list"),
        ({"sweep": {"scale": 0.5}}, r"models\.0: sweep\.scale: .*list"),
        ({"sweep": {"scale": [[0, 1]]}}, r"models\.0: sweep\.scale: \[0, 1\]"),
        ({"sweep": {"scale": [float("nan")]}}, r"models\.0: sweep\.scale: nan"),
        ({"sweep": {"scale": [1, 0, 1.0]}}, r"models\.0: sweep\.scale: .* '1'"),
        ({"sweep": {"a": ["x/y", "x-y"]}}, r"models\.0: sweep\.a: .* 'x-y'"),
        ({"sweep": {"a": [1]}, "params": {"a": 1}}, r"models\.0: sweep\.a: 'a' .*params"),
        ({"sweep": [1]}, r"models\.0\.sweep: "),
        ({"sweep": {"a": ["x" * 90]}}, r"models\.0: 'sao\[a=x+\]'"),
        ({"sweep": {"../a": [1]}}, r"models\.0: 'sao\[\.\./a=1\]'"),
        ({"sweep": {"a": list(range(100)), "b": list(range(100))}}, r"models\.0: sweep: .*1000 rows"),
        ({"swep": {"a": [1]}}, r"'models\.0\.swep' .*'sweep'"),
    ],
)
def test_mistakes_are_named_with_their_place(entry: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        _rows(**entry)
    assert "\n" not in str(raised.value)


TEXT = st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["C", "Z"]), max_size=12)
VALUES = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
NAMES = st.sampled_from(["scale", "steps", "adapter"])


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3)))
def test_labels_are_safe_folder_names_and_the_frozen_configuration_reads_back(sweep: dict[str, list[object]]) -> None:
    try:
        config = _rows(sweep=sweep)
    except UsageError:
        return
    rows = [model.row for model in config.models]
    assert len(set(rows)) == len(rows)
    for row in rows:
        assert row.startswith("sao")
        assert len(row) <= 80
        assert not set(row) & set("/\\:*?\"<>| \0\n'`$")
    assert parse_config(yaml.safe_load(config.as_yaml())) == config


def test_run_has_a_row_a_value(tunebench: Command, tmp_path: Path, tiny: Path) -> None:
    entry = {"name": f"{tiny}:Sine", "as": "sine", "sweep": {"hz": [100, 200]}}
    config = {"models": [entry], "metrics": [f"{tiny}:Peak"], "duration": 0.25, "executor": {"workers": 0}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    ran = tunebench("run", "c.yaml", "--out", "out")
    assert ran.returncode == 0, ran.stderr
    assert "sine[hz=100]" in ran.stdout and "sine[hz=200]" in ran.stdout
    shown = json.loads(tunebench("leaderboard", "out", "--json").stdout)
    assert [row["model"] for row in shown if row["value"] is not None][:2] == ["sine[hz=100]", "sine[hz=200]"]
    assert len(list((tmp_path / "out/audio/sine[hz=100]").iterdir())) == 12
    again = tunebench("run", "c.yaml", "--out", "out")
    assert again.stdout == ran.stdout
    entry["sweep"]["hz"].append(300)  # type: ignore[index]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert tunebench("run", "c.yaml", "--out", "out", "--dry-run").stdout.splitlines()[:3] == [
        "sine[hz=100]: 0 clips to make, 12 exist",
        "sine[hz=200]: 0 clips to make, 12 exist",
        "sine[hz=300]: 12 clips to make, 0 exist",
    ]


def test_unknown_parameter_is_suggested(tunebench: Command, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("models: [{name: composer-offkey, sweep: {shar: [0.1, 0.2]}}]")
    ran = tunebench("run", "c.yaml")
    assert ran.returncode == 2
    assert "has no parameter 'shar' (did you mean 'share'?)" in ran.stderr
