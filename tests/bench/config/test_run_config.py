"""Configurations: what is wrong is named with its place, and the nearest known setting."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench import DataError, RunConfig, UsageError, load_config
from bench.config.run_config import parse_config


def test_example_of_the_documentation(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        """
        suite: genres@1
        models:
          - composer
          - {name: composer-offkey, as: worse, params: {share: 0.2}}
        metrics: [harmonic-accuracy]
        seeds: [0, 1]
        duration: 20
        executor: {kind: local, workers: 2}
        """
    )
    config = load_config(tmp_path / "c.yaml")
    assert [model.row for model in config.models] == ["composer", "worse"]
    assert config.models[1].params == {"share": 0.2}
    assert config.executor.worker_count == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"suit": "genres@1"}, "'suit' .*'suite'"),
        ({"models": [{"name": "composer", "param": {}}]}, r"'models\.0\.param' .*'params'"),
        ({"executor": {"worker": 1}}, r"'executor\.worker' .*'workers'"),
        ({"models": []}, "models: "),
        ({"models": ["composer", "composer"]}, "model 'composer' .*'as:'"),
        ({"models": [{"name": "composer", "as": "../x"}]}, r"'\.\./x'"),
        ({"models": [{"name": "composer", "as": "a/b"}]}, "'a/b'"),
        ({"seeds": [0, 0]}, "seed '0' is"),
        ({"seeds": [-1]}, "seeds.0: "),
        ({"seeds": [1.5]}, "seeds.0: "),
        ({"seeds": []}, "seeds: "),
        ({"duration": 0}, "duration: "),
        ({"duration": float("nan")}, "duration: "),
        ({"duration": "long"}, "duration: "),
        ({"executor": {"kind": "slurm"}}, "executor.kind: "),
        ({"executor": {"timeout": -1}}, "executor.timeout: "),
        ({"executor": {"timeout": float("inf")}}, "executor.timeout: "),
        ({"executor": {"timeout": float("nan")}}, "executor.timeout: "),
        ({"executor": {"memory": 4}}, "executor.memory: "),
    ],
)
def test_mistakes_are_named(content: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        parse_config(content, "c.yaml")
    assert str(raised.value).startswith("c.yaml: ")
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml"):
        load_config(tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("models: [\n")
    with pytest.raises(DataError, match=r"bad\.yaml: line 2: "):
        load_config(bad)
    bad.write_text("- a\n- b\n")
    with pytest.raises(UsageError, match=r"bad\.yaml: .*list"):
        load_config(bad)
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError):
        load_config(bad)


def test_empty_file_is_the_default_run(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").touch()
    assert load_config(tmp_path / "c.yaml") == RunConfig()


@given(
    st.lists(st.integers(0, 2**62), min_size=1, max_size=4, unique=True),
    st.floats(0.01, 3600),
    st.none() | st.integers(0, 64),
)
def test_frozen_configuration_reads_back_the_same(seeds: list[int], duration: float, workers: int | None) -> None:
    config = parse_config({"seeds": seeds, "duration": duration, "executor": {"workers": workers}})
    assert parse_config(yaml.safe_load(config.as_yaml())) == config


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("suite: !!python/object/apply:os.system ['touch hacked']\n")
    with pytest.raises(DataError):
        load_config(bad)
    assert not (tmp_path / "hacked").exists()
