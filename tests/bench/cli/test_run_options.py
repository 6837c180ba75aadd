"""``run`` and ``score`` with options over, or instead of, a configuration; runs of a part of a suite."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.bundle.consistency import wrong_identities
from bench.bundle.pack import pack
from bench.bundle.verify import verify
from bench.config.recipe import load_recipe
from bench.config.run_config import load_config
from bench.contracts.prompt_suite import load_suite
from bench.errors import TunebenchError, UsageError
from bench.report.collect import collect
from bench.scores.protocol import protocol_of
from bench.storage.store import Store
from models.training.config import load_train_config

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., Path]


@pytest.fixture
def options(tiny: Path) -> list[str]:
    """A run without any file."""
    model, metric = f"{tiny}:Sine,as=sine", f"{tiny}:Peak"
    return [
        "--suite",
        "quick@1",
        "--model",
        model,
        "--metric",
        metric,
        "--set",
        "duration=0.5",
        "--set",
        "executor.workers=0",
    ]


def _state(folder: Path) -> dict[str, Any]:
    with Store.read(folder) as store:
        protocol = protocol_of(store)
        return {
            "made": {(clip.model, clip.prompt): clip.path for clip in store.made()},
            "protocol": protocol.id,
            "line": protocol.line,
        }


def test_a_run_needs_no_file_and_its_folder_keeps_all(
    tunebench: Command, options: list[str], tiny: Path, tmp_path: Path
) -> None:
    ran = tunebench("run", *options, "--model", f"{tiny}:Sine,hz=300,as=higher", "--out", "out")
    assert ran.returncode == 0, ran.stderr
    kept = load_config(tmp_path / "out/config.yaml")
    assert [(m.row, m.params) for m in kept.models] == [("sine", {}), ("higher", {"hz": 300})]
    assert [m.name for m in kept.metrics] == [f"{tiny}:Peak"]
    assert (kept.suite, kept.duration, kept.executor.workers, kept.limit) == ("quick@1", 0.5, 0, None)
    # The folder's own configuration makes the same run, which is there already.
    again = tunebench("run", "out/config.yaml", "--out", "out")
    assert again.returncode == 0 and "generating" not in again.stderr
    assert again.stdout == ran.stdout


def test_a_limited_run_says_so_and_is_extended_without_making_anything_again(
    tunebench: Command, options: list[str], tmp_path: Path
) -> None:
    part = tunebench("run", *options, "--limit", "4", "--out", "out")
    assert part.returncode == 0, part.stderr
    assert "first 4 of 12 prompts of quick@1" in part.stderr
    assert "the first 4 of 12 prompts of quick@1" in " ".join(part.stdout.split("\n\n")[-1].split())
    first = _state(tmp_path / "out")
    assert len(first["made"]) == 4
    assert load_config(tmp_path / "out/config.yaml").limit == 4
    times = {path: (tmp_path / "out" / path).stat().st_mtime_ns for path in first["made"].values()}
    assert "4 exist" in tunebench("run", *options, "--dry-run", "--out", "out").stdout

    whole = tunebench("run", *options, "--out", "out")
    assert whole.returncode == 0, whole.stderr
    second = _state(tmp_path / "out")
    assert len(second["made"]) == 12
    assert second["made"].items() >= first["made"].items()
    assert times == {path: (tmp_path / "out" / path).stat().st_mtime_ns for path in times}
    assert second["protocol"] != first["protocol"]
    assert "first" not in second["line"]
    assert load_config(tmp_path / "out/config.yaml").limit is None
    # As if there had never been a limit.
    fresh = tunebench("run", *options, "--out", "fresh")
    assert fresh.stdout == whole.stdout

    # A limit takes nothing away.
    assert tunebench("run", *options, "--limit", "2", "--out", "out").stdout == whole.stdout
    assert load_config(tmp_path / "out/config.yaml").limit is None


def test_a_limit_beyond_the_suite_is_none(tunebench: Command, options: list[str]) -> None:
    ran = tunebench("run", *options, "--limit", "100", "--out", "out")
    assert ran.stdout == tunebench("run", *options, "--out", "whole").stdout
    assert "first" not in ran.stderr


def test_all_rows_of_a_run_ask_the_same_prompts(
    tunebench: Command, options: list[str], tiny: Path, tmp_path: Path
) -> None:
    other = [f"{tiny}:Sine,hz=300,as=higher" if "as=sine" in word else word for word in options]
    assert tunebench("run", *options, "--limit", "3", "--out", "out").returncode == 0
    for words in ((*other, "--limit", "2"), other):
        before = _state(tmp_path / "out")
        refused = tunebench("run", *words, "--out", "out")
        assert refused.returncode == 2, refused.stdout
        assert ("sine" if words is other else "higher") in refused.stderr
        assert _state(tmp_path / "out") == before
    assert tunebench("run", *other, "--limit", "3", "--out", "out").returncode == 0
    assert tunebench("run", *options, *other[2:4], "--out", "out").returncode == 0
    assert len(_state(tmp_path / "out")["made"]) == 24


def test_shards_of_a_part(tunebench: Command, options: list[str], tiny: Path) -> None:
    for shard in ("1/2", "2/2"):
        ran = tunebench("run", *options, "--limit", "3", "--out", "out", "--shard", shard)
        assert ran.returncode == 0, ran.stderr
    merged = tunebench("merge", "out", "--plugin-files")
    assert merged.returncode == 0, merged.stderr
    assert merged.stdout == tunebench("run", *options, "--limit", "3", "--out", "whole").stdout
    assert tunebench("run", *options, "--out", "other", "--shard", "1/2").returncode == 0
    assert tunebench("run", *options, "--limit", "3", "--out", "other", "--shard", "2/2").returncode == 0
    assert tunebench("merge", "other").returncode == 2
    other = [f"{tiny}:Sine,hz=300,as=higher" if "as=sine" in word else word for word in options]
    assert tunebench("run", *other, "--out", "whole", "--shard", "1/1").returncode == 0
    refused = tunebench("merge", "whole", "--plugin-files")
    assert refused.returncode == 2 and "'sine' at 3" in refused.stderr


@pytest.mark.slow(4)
def test_a_bundle_and_a_report_of_a_part_say_so(tunebench: Command, tmp_path: Path) -> None:
    words = ["--model", "noise", "--metric", "harmonic-accuracy", "--set", "duration=1", "--set", "executor.workers=0"]
    assert tunebench("run", *words, "--limit", "2", "--out", "out").returncode == 0
    folder = tmp_path / "out"
    pack(folder, tmp_path / "part.zip")
    found = verify(tmp_path / "part.zip", workers=0)
    assert found.holds, found
    assert "2 of 12 prompts" in found.protocol
    with Store.read(folder) as store:
        content = collect(store, {})
    assert "2 of 12" in content.protocol.line and "which has 12" in " ".join(content.methods)

    frozen = folder / "config.yaml"
    frozen.write_text(frozen.read_text().replace("limit: 2", "limit: null"))
    with pytest.raises(UsageError, match="limit"):
        pack(folder, tmp_path / "posing.zip")
    with Store.open(folder) as store:
        assert not list(wrong_identities(store))
        store._db.execute("DELETE FROM about WHERE name = 'suite_size'")
        assert any("quick@1" in line for line in wrong_identities(store))


def test_options_over_a_configuration(tunebench: Command, write_config: Write, tiny: Path, tmp_path: Path) -> None:
    rows = [{"name": f"{tiny}:Sine", "as": "low"}, {"name": f"{tiny}:Sine", "as": "high", "params": {"hz": 300}}]
    config = write_config(models=rows)
    assert tunebench("run", config, "--model", "high", "--metric", "Frmes", "--dry-run").returncode == 2
    ran = tunebench("run", config, "--model", "high,batch=2", "--limit", "2", "--set", "seeds=[5, 6]", "--json")
    assert ran.returncode == 0, ran.stderr
    assert {row["model"] for row in json.loads(ran.stdout)} >= {"high"}
    kept = yaml.safe_load((tmp_path / "results/tiny/config.yaml").read_text())
    assert [(m["as"], m["params"]) for m in kept["models"]] == [("high", {"hz": 300, "batch": 2})]
    assert (kept["seeds"], kept["limit"]) == ([5, 6], 2)


def test_score_with_options(tunebench: Command, options: list[str], tiny: Path, tmp_path: Path) -> None:
    assert tunebench("run", *options, "--limit", "2", "--out", "out").returncode == 0
    scored = tunebench("score", "out", "--metric", f"{tiny}:Frames", "--set", "executor.timeout=60", "--plugin-files")
    assert scored.returncode == 0, scored.stderr
    for words, named in (
        (("--set", "seeds=[1]"), "seeds"),
        (("--set", "limit=1"), "limit"),
        (("--limit", "1"), "--limit"),
        (("--set", "executor.worker=1"), "workers"),
    ):
        refused = tunebench("score", "out", *words, "--plugin-files")
        assert refused.returncode == 2
        assert named in refused.stderr
    clips = tmp_path / "clips"
    clips.mkdir()
    with Store.read(tmp_path / "out") as store:
        for clip in store.made():
            (tmp_path / "out" / clip.path).rename(clips / f"{clip.prompt}.flac")
    metric = ["--metric", f"{tiny}:Peak", "--set", "executor.workers=0", "--suite", "quick@1"]
    part = tunebench("score", "clips", *metric, "--limit", "2")
    assert part.returncode == 0, part.stderr
    assert _state(tmp_path / "results/clips")["line"].count("the first 2 of 12 prompts of quick@1") == 1
    assert tunebench("score", "clips", *metric, "--set", "limit=1").returncode == 2
    assert tunebench("score", "clips", *metric).returncode == 4  # ten prompts have no clip


def test_a_missing_file_is_told_with_its_whole_path(
    tunebench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ("run", "none.yaml"),
        ("run", "--suite", "none.yaml"),
        ("run", "--model", "none.py:Model"),
        ("run", "--model", "folder,path=none"),
        ("run", "--metric", "kad", "--set", "reference=none/music.safetensors"),
        ("score", "none"),
    ):
        refused = tunebench(*words)
        assert refused.returncode in (2, 3), (words, refused.stderr)
        assert f"{tmp_path}/none" in refused.stderr, (words, refused.stderr)
    monkeypatch.chdir(tmp_path)
    readers: tuple[Callable[[Path], object], ...] = (load_train_config, load_recipe, load_suite)
    for read in readers:
        with pytest.raises(TunebenchError) as error:
            read(Path("none.yaml"))
        assert f"{tmp_path}/none.yaml" in str(error.value)
