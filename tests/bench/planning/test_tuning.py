"""Rows whose prompts are not new to them are marked wherever their numbers stand, and the mark goes along."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import PromptSuite, UsageError
from bench.comparison.compare import compare
from bench.config.run_config import DEVELOPMENT_SUITE, load_config, parse_config
from bench.contracts.prompt import text_hash
from bench.leaderboard.render import render
from bench.planning.plan import make_plan
from bench.planning.shards import Shard

PLUGIN = """
import json
from pathlib import Path
import numpy as np
from bench import Audio, MusicModel, Tuning

class Tuned(MusicModel):
    sample_rate = 8000
    provenance_params = frozenset({"known"})
    def __init__(self, known="", loud=0.5):
        self.known, self.loud = known, loud
    def tuning(self):
        if not self.known:
            return None
        told = json.loads(Path(self.known).read_text())
        return Tuning(**told) if isinstance(told, dict) else told
    def generate(self, requests):
        for r in requests:
            noise = np.random.default_rng(r.seed).uniform(-1, 1, round(r.duration * 8000))
            yield Audio(self.loud * noise, 8000)
"""
QUICK, GENRES = bench.load_suite("quick@1"), bench.load_suite("genres@1")


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """What the model says of its tuning: scored on three prompts, of which quick@1 asks two, trained on one caption."""
    return tell(tmp_path / "known.json", scored(QUICK.prompts[0].text.upper(), QUICK.prompts[5].text, "Something else"))


def scored(*texts: str) -> dict[str, Any]:
    return {
        "scored": dict.fromkeys(map(text_hash, texts), "genres@1"),
        "captions": [text_hash(f" {QUICK.prompts[3].text} ")],
        "unknown": ["somebody's"],
    }


def tell(path: Path, what: Any) -> Path:
    path.write_text(json.dumps(what))
    return path


def model(folder: Path, known: Path | str, label: str = "tuned", **params: Any) -> dict[str, Any]:
    (folder / "plugin.py").write_text(PLUGIN)
    return {"name": f"{folder}/plugin.py:Tuned", "as": label, "params": {"known": str(known), **params}}


def settings(tiny: Path, *models: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    common = {"metrics": [f"{tiny}:Peak"], "duration": 0.5, "executor": {"workers": 0}}
    return {"suite": "quick@1", "models": list(models), **common, **more}


def codes(folder: Path, by: str | None = None) -> dict[str, list[str]]:
    return {row["model"]: row["warning_codes"] for row in json.loads(render(folder, "json", by))}


@pytest.mark.slow(5)
def test_the_mark_stands_wherever_the_numbers_do(tmp_path: Path, tiny: Path, known: Path) -> None:
    config = settings(tiny, model(tmp_path, known), model(tmp_path, "", "clean", loud=0.4))
    run = bench.run(config, tmp_path / "out")
    notices = {notice.code: notice.params for notice in run_notices(run.folder, "tuned")}
    assert notices == {
        "W-TUNED": {"model": "tuned", "prompts": 2, "of": 12, "suites": ["genres@1"]},
        "W-CAPTIONS": {"model": "tuned", "prompts": 1, "of": 12},
    }
    assert codes(run.folder) == {"tuned": ["W-TUNED", "W-CAPTIONS"], "clean": []}
    assert codes(run.folder, "genre")["tuned"] == ["W-TUNED", "W-CAPTIONS"]
    for style in ("table", "markdown", "csv", "latex"):
        assert "W-TUNED" in str(render(run.folder, style))
    assert b"W-TUNED" in bytes(render(run.folder, "parquet"))  # type: ignore[arg-type]
    assert all("W-TUNED" in {w.code for w in found.warnings} for found in compare(run.folder, "clean", "tuned"))
    report = run.report(tmp_path / "report")
    assert "W-TUNED" in (report / "index.html").read_text()
    data = (report / "data" / "report.json").read_text()
    assert "W-TUNED" in data and "what somebody's was tuned by is unknown" in data


def run_notices(folder: Path, label: str) -> list[bench.Notice]:
    with sqlite3.connect(folder / "run.db") as db:
        ((stored,),) = db.execute("SELECT provenance FROM models WHERE label = ?", (label,)).fetchall()
    return [bench.Notice.of_json(one) for one in json.loads(stored).get("notices", [])]


@pytest.mark.slow(5)
def test_the_mark_survives_bundle_board_and_export(tmp_path: Path, known: Path) -> None:
    config = settings(tmp_path, model(tmp_path, known), metrics=["rhythm-grid"], limit=6)
    run = bench.run(config, tmp_path / "out")
    bundle = tmp_path / "run.zip"
    bench.pack_bundle(run.folder, bundle)
    assert bench.verify_bundle(bundle, workers=1, keep=tmp_path / "kept").damage == ()
    assert codes(tmp_path / "kept") == {"tuned": ["W-TUNED", "W-CAPTIONS"]}
    board = bench.build_board([bundle], tmp_path / "site")
    assert "W-TUNED" in board.index.read_text()
    assert "W-TUNED" in json.dumps(board.record)
    bench.export_hugging_face(run.folder, tmp_path / "dataset")
    assert "W-TUNED" in (tmp_path / "dataset" / "README.md").read_text()


def test_what_becomes_known_later_is_said_from_then_on(tmp_path: Path, tiny: Path, known: Path) -> None:
    config = settings(tiny, model(tmp_path, known))
    tell(known, {})
    run = bench.run(config, tmp_path / "out")
    assert codes(run.folder) == {"tuned": []}
    made = list(run.clips()["file"])
    tell(known, scored(QUICK.prompts[0].text))
    bench.run(config, run.folder)
    assert codes(run.folder) == {"tuned": ["W-TUNED", "W-CAPTIONS"]}
    assert list(run.clips()["file"]) == made
    bench.rescore(run.folder, plugin_files=True)
    assert codes(run.folder) == {"tuned": ["W-TUNED", "W-CAPTIONS"]}


@pytest.mark.parametrize("told", [[], 3, "genres@1"])
def test_what_is_no_tuning_is_refused(tmp_path: Path, tiny: Path, known: Path, told: object) -> None:
    tell(known, told)
    with pytest.raises(UsageError) as caught:
        make_plan(parse_config(settings(tiny, model(tmp_path, known))))
    assert all(word in str(caught.value) for word in ("'tuned'", "tuning()", "bench.Tuning"))


def test_only_prompts_that_are_asked_for_count(tmp_path: Path, tiny: Path, known: Path) -> None:
    for limit, expected in ((1, 1), (5, 1), (6, 2), (None, 2)):
        (planned,) = make_plan(parse_config(settings(tiny, model(tmp_path, known), limit=limit))).models
        (tuned,) = [one for one in planned.provenance["notices"] if one["code"] == "W-TUNED"]
        assert (tuned["params"]["prompts"], tuned["params"]["of"]) == (expected, limit or 12)
    (planned,) = make_plan(parse_config(settings(tiny, model(tmp_path, known), suite="quick-dev@1"))).models
    assert "notices" not in planned.provenance
    assert planned.provenance["tuning"] == {"suites": ["genres@1"], "unknown": ["somebody's"]}


def test_shards_bring_the_mark_along(tmp_path: Path, tiny: Path, known: Path) -> None:
    config = parse_config(settings(tiny, model(tmp_path, known)))
    for index in (1, 2):
        bench.run(config, tmp_path / "out", shard=Shard(index, 2))
    bench.merge_shards(tmp_path / "out", plugin_files=True)
    assert codes(tmp_path / "out") == {"tuned": ["W-TUNED", "W-CAPTIONS"]}
    tell(known, {"scored": {text_hash(QUICK.prompts[8].text): "quick@1"}})
    for index in (1, 2):
        bench.run(config, tmp_path / "out", shard=Shard(index, 2))
    bench.merge_shards(tmp_path / "out", plugin_files=True)
    (notice,) = run_notices(tmp_path / "out", "tuned")
    assert (notice.code, notice.params["suites"]) == ("W-TUNED", ["quick@1"])


class TestSweeps:
    def swept(self, folder: Path, **more: Any) -> dict[str, Any]:
        (folder / "plugin.py").write_text(PLUGIN)
        entry = {"name": f"{folder}/plugin.py:Tuned", "as": "m", "sweep": {"loud": [0.1, 0.2, 0.3]}}
        return {"models": [entry, "noise"], "metrics": [], "duration": 0.5, "executor": {"workers": 0}, **more}

    def test_without_a_suite_are_on_development_prompts(self, tmp_path: Path) -> None:
        config = parse_config(self.swept(tmp_path))
        assert config.suite == DEVELOPMENT_SUITE == "quick-dev@1"
        assert self.marked(config) == {}
        assert parse_config({"models": ["noise"]}).suite == "quick@1"
        assert parse_config(self.swept(tmp_path, suite="control@1")).suite == "control@1"

    @pytest.mark.parametrize(
        ("suite", "expected"), [("quick@1", (3, 12, 12)), ("genres@1", (3, 36, 36)), ("genres-dev@1", None)]
    )
    def test_on_test_prompts_say_so(self, tmp_path: Path, suite: str, expected: tuple[int, int, int] | None) -> None:
        found = self.marked(parse_config(self.swept(tmp_path, suite=suite)))
        rows = [] if expected is None else [f"m[loud={value}]" for value in (0.1, 0.2, 0.3)]
        told = {row: (p["settings"], p["prompts"], p["of"]) for row, p in found.items()}
        assert told == dict.fromkeys(rows, expected)

    def test_say_so_too_where_they_are_resumed_from_the_run_folder(self, tmp_path: Path) -> None:
        bench.run(self.swept(tmp_path, suite="quick@1", limit=1), tmp_path / "out")
        frozen = load_config(tmp_path / "out" / "config.yaml")
        assert sorted(self.marked(frozen)) == [f"m[loud={value}]" for value in (0.1, 0.2, 0.3)]
        bench.run(frozen, tmp_path / "out")
        assert [one.code for one in run_notices(tmp_path / "out", "m[loud=0.1]")] == ["W-SWEEP"]

    def test_of_one_value_choose_nothing(self, tmp_path: Path) -> None:
        config = self.swept(tmp_path, suite="quick@1")
        config["models"][0]["sweep"] = {"loud": [0.1]}
        assert self.marked(parse_config(config)) == {}

    def marked(self, config: bench.RunConfig) -> dict[str, Mapping[str, Any]]:
        return {
            planned.label: one["params"]
            for planned in make_plan(config).models
            for one in planned.provenance.get("notices", ())
            if one["code"] == "W-SWEEP"
        }


def test_a_run_knows_its_suite(tmp_path: Path, tiny: Path) -> None:
    run = bench.run(settings(tiny, model(tmp_path, ""), limit=3), tmp_path / "out")
    assert run.suite() == PromptSuite("quick", 1, QUICK.prompts[:3], splits=QUICK.splits)
    assert run.suite().declared == {"test"}
