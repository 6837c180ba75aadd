"""What an environment is to hold: which settings are refused, and what makes it another one."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.environment_spec import EnvironmentSpec, parse_environment
from bench.errors import MissingError, TunebenchError, UsageError


def _spec(folder: Path, requirements: Any, **more: Any) -> EnvironmentSpec:
    return parse_environment("command metric", {"requirements": requirements, **more}, folder)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("venv", UsageError),
        ({}, UsageError),
        ({"requirements": []}, UsageError),
        ({"requirements": ["# nothing"]}, UsageError),
        ({"requirements": [1]}, UsageError),
        ({"requirements": ["a"], "pythons": "3.11"}, UsageError),
        ({"requirements": ["a"], "python": 3.1}, UsageError),  # what YAML makes of 3.10
        ({"requirements": ["a"], "python": "2.7"}, UsageError),
        ({"requirements": ["-e ./mine"]}, UsageError),
        ({"requirements": ["--editable=./mine"]}, UsageError),
        ({"requirements": "gone.txt"}, MissingError),
        ({"requirements": ["-r gone.txt"]}, MissingError),
        ({"requirements": ["./gone"]}, MissingError),
        ({"requirements": ["mine @ file:///nowhere/mine"]}, MissingError),
        ({"requirements": "loop.txt"}, UsageError),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(given: Any, kind: type[TunebenchError], tmp_path: Path) -> None:
    (tmp_path / "loop.txt").write_text("-c loop.txt\n")
    with pytest.raises(kind) as refused:
        parse_environment("command metric", given, tmp_path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("command metric: environment")


def test_a_number_says_how_to_write_a_version(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in quotes"):
        _spec(tmp_path, ["a"], python=3.1)


def test_comments_and_the_default_python_make_no_other_environment(tmp_path: Path) -> None:
    plain = _spec(tmp_path, ["a==1", "b"])
    assert _spec(tmp_path, ["  a==1  # the first", "", "b"]).key == plain.key
    assert _spec(tmp_path, ["a==1", "b"], python=f"{sys.version_info[0]}.{sys.version_info[1]}").key == plain.key
    assert len(plain.key) == 16


def test_versions_order_and_python_make_another_environment(tmp_path: Path) -> None:
    keys = {
        _spec(tmp_path, ["a==1", "b"]).key,
        _spec(tmp_path, ["a==2", "b"]).key,
        _spec(tmp_path, ["b", "a==1"]).key,
        _spec(tmp_path, ["a==1", "b"], python="3.99").key,
        _spec(tmp_path, ["a==1", "b"], python=platform.python_version()).key,
    }
    assert len(keys) == 5


def test_a_file_of_requirements_is_its_content(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# judges\n-r more.txt\nb \\\n  ==2\n")
    (tmp_path / "more.txt").write_text("a==1\n")
    first = _spec(tmp_path, "requirements.txt")
    assert first.content == ("a==1", "b ==2")
    assert first.arguments == ("-r", str(tmp_path / "requirements.txt"))
    (tmp_path / "more.txt").write_text("a==2\n")
    assert _spec(tmp_path, "requirements.txt").key != first.key
    (tmp_path / "more.txt").write_text("a==1")
    assert _spec(tmp_path, "requirements.txt").key == first.key
    assert _spec(tmp_path, ["-r requirements.txt"]).key == first.key
    assert _spec(tmp_path, ["-crequirements.txt"]).key != first.key


@pytest.mark.parametrize(
    "line", ["./mine", "./mine[extra]", "mine @ file://{}/mine", "sub/../mine ; python_version>'3'"]
)
def test_a_local_package_is_its_content(line: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "code.py").write_text("1")
    line = line.format(tmp_path)
    first = _spec(tmp_path, [line])
    assert "mine" not in "".join(first.content)
    (tmp_path / "mine" / "__pycache__").mkdir()
    (tmp_path / "mine" / "__pycache__" / "code.pyc").write_text("compiled")
    (tmp_path / "mine" / "mine.egg-info").mkdir()
    (tmp_path / "mine" / "mine.egg-info" / "PKG-INFO").write_text("built")
    assert _spec(tmp_path, [line]).key == first.key
    (tmp_path / "mine" / "code.py").write_text("2")
    assert _spec(tmp_path, [line]).key != first.key


def test_options_reach_the_installer_as_words(tmp_path: Path) -> None:
    spec = _spec(tmp_path, ["--find-links ./wheels --no-index", "a ; python_version > '3'"])
    assert spec.arguments == ("--find-links", "./wheels", "--no-index", "a ; python_version > '3'")
    assert str(spec).startswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}: --find-links")
