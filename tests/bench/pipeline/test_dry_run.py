"""What a run would take, from rates that are stated, measured or declared; and what nobody knows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from bench.errors import DataError, UsageError
from bench.pipeline.dry_run import preview
from bench.pipeline.rates import parse_rates

Write = Callable[..., Path]
Command = Callable[..., subprocess.CompletedProcess[str]]
TINY = Path(__file__).parents[2] / "plugins" / "tiny.py"
LARGE = Path(__file__).parents[2] / "plugins" / "large.py"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def config(write_config: Write) -> Path:
    """24 clips of two rows that nobody has declared a speed of."""
    models = [{"name": f"{LARGE}:Silence", "as": f"m[x={i}]", "params": {"row": i}} for i in range(2)]
    return write_config(models=models, metrics=[f"{LARGE}:Level"], executor={"workers": 4}, duration=0.01)


def test_stated_rates_are_divided_among_the_workers(config: Path, tmp_path: Path) -> None:
    seen = preview(config, tmp_path / "run", rates=["m[x=0]=2", "m[x=1]=10", "scoring=0.5"])
    assert seen.to_make == {"m[x=0]": 12, "m[x=1]": 12} and seen.to_score == 24
    assert [stage.seconds for stage in seen.stages] == [12 * 2 / 4, 12 * 10 / 4, 24 * 0.5 / 4]
    assert seen.seconds == 39.0 and seen.unknown == ()
    assert seen.dominant is not None and seen.dominant[0].row == "m[x=1]" and seen.dominant[1] == 30 / 39
    assert seen.bytes == 24 * 80 * 6
    assert not (tmp_path / "run").exists() and not (tmp_path / "cache").exists()


def test_what_nobody_knows_is_said_and_not_guessed(config: Path, tmp_path: Path) -> None:
    seen = preview(config, tmp_path / "run", rates=["m[x=0]=2", "scoring=0"])
    assert [stage.row for stage in seen.unknown] == ["m[x=1]"]
    assert (seen.seconds, seen.dominant, seen.known_seconds) == (None, None, 6.0)


def test_rates_are_measured_in_the_run_and_kept_for_others(config: Path, write_config: Write, tmp_path: Path) -> None:
    run = bench.run(config, tmp_path / "run").folder
    here = preview(write_config("more.yaml", **_of(config, seeds=[0, 1])), run)
    assert here.to_make == {"m[x=0]": 12, "m[x=1]": 12}
    assert {stage.rate.source for stage in here.stages if stage.rate} == {"measured in this run"}
    elsewhere = preview(config, tmp_path / "another")
    assert {stage.rate.source for stage in elsewhere.stages if stage.rate} == {"measured in an earlier run"}
    for one, other in zip(here.stages, elsewhere.stages, strict=True):
        assert one.rate and other.rate and one.rate.seconds == other.rate.seconds > 0
    longer = preview(write_config("longer.yaml", **_of(config, duration=0.02)), tmp_path / "longer")
    assert [stage.row for stage in longer.unknown] == ["m[x=0]", "m[x=1]"]  # of another length nothing is known


def _of(config: Path, **changes: object) -> dict[str, object]:
    import yaml

    return {**yaml.safe_load(config.read_text()), **changes}


@pytest.mark.parametrize("text", ["m", "m=", "m=x", "=1", "m=-1", "m=nan", "m=inf", "n=1", ""])
def test_no_rate(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rates([text], ["m"])


def test_a_row_may_hold_the_sign() -> None:
    assert parse_rates(["sao[scale=0.25]=3", "scoring=1e-3"], ["sao[scale=0.25]"]) == {
        "sao[scale=0.25]": 3.0,
        "scoring": 0.001,
    }


def test_the_command_prints_it_and_json(
    config: Path, tunebench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = tunebench("run", config, "--dry-run", "--json", "--workers", "2", "--rate", "m[x=1]=10")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["unknown"] == ["m[x=0]"] and said["seconds"] is None and said["workers"] == 2
    assert [stage["seconds"] for stage in said["stages"][:2]] == [None, 60.0]
    refused = tunebench("run", config, "--rate", "m[x=1]=10")
    assert refused.returncode == 2
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["no-such-reference", "missing.safetensors", "empty"])
def test_a_reference_that_is_not_there_is_refused_before_anything_is_made(
    write_config: Write, tmp_path: Path, name: str
) -> None:
    (tmp_path / "empty").mkdir()
    path = name if name.startswith("no-") else str(tmp_path / name)
    wanted = write_config(metrics=[{"name": "fad", "params": {"embedder": f"{TINY}:Bands"}}], reference=path)
    for begin in (preview, bench.run):
        with pytest.raises((UsageError, DataError), match=name):
            begin(wanted, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # Who compares with nothing needs none.
    preview(write_config("none.yaml", metrics=[f"{TINY}:Peak"], reference=path), tmp_path / "run")
