"""Clips of another length or rate than they should have are marked in every table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import Audio, DataError
from bench.comparison.compare import compare
from bench.leaderboard.render import Format, render
from bench.report.collect import collect
from bench.scores.clip_marks import clip_marks
from bench.storage.store import Store

PLUGIN = """
import numpy as np
from bench import Audio, MusicModel, Notice

class Sloppy(MusicModel):
    sample_rate = 8000
    def __init__(self, times=1.0, rate=8000, only="", kind="real", limit=1000):
        self.times, self.rate, self.only, self.kind, self.limit = times, rate, only, kind, limit
    def unread_tokens(self, prompt):
        return max(0, len(prompt.text) - self.limit) if self.limit >= 0 else "all"
    def notices(self):
        return [Notice("W-MINE", {"times": self.times}, "mine")] if self.kind == "noted" else []
    def generate(self, requests):
        for r in requests:
            sloppy = r.prompt.id.startswith(self.only)
            frames = round(r.duration * self.rate * (self.times if sloppy else 1))
            samples = 0.5 * np.random.default_rng(r.seed).standard_normal(frames).clip(-1, 1)
            yield Audio(samples + 0j if self.kind == "complex" else samples, self.rate)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "sloppy.py").write_text(PLUGIN)
    return tmp_path / "sloppy.py"


def _run(plugin: Path, tiny: Path, *params: dict[str, Any]) -> bench.Run:
    models = [
        {"name": f"{plugin}:Sloppy", "as": f"m{place}", "params": {**own, "only": own.get("only", "")}}
        for place, own in enumerate(params)
    ]
    config = {
        "suite": "quick@1",
        "models": models,
        "metrics": [f"{tiny}:Peak"],
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    return bench.run(config, plugin.parent / "out")


@pytest.mark.parametrize(
    ("params", "code", "expected"),
    [
        ({"times": 0.8}, "W-CLIP-LENGTH", {"shorter": 12, "longer": 0, "shortest": 0.4, "longest": 0.4}),
        ({"times": 1.5}, "W-CLIP-LENGTH", {"shorter": 0, "longer": 12, "shortest": 0.75, "longest": 0.75}),
        ({"rate": 4000}, "W-CLIP-RATE", {"clips": 12, "of": 12, "rates": [4000], "declared": 8000}),
    ],
)
def test_a_mismatch_is_told_in_every_table(
    plugin: Path, tiny: Path, params: dict[str, Any], code: str, expected: dict[str, Any]
) -> None:
    run = _run(plugin, tiny, params, {"times": 1.001})  # half a millisecond is nothing
    assert run.failures() == []
    with Store.read(run.folder) as store:
        marks = clip_marks(store)
    (mark,) = marks["m0", "all", "all"]
    assert (mark.code, {name: mark.params[name] for name in expected}) == (code, expected)
    assert marks["m1", "all", "all"] == ()
    told = {row["model"]: row["warning_codes"] for row in json.loads(render(run.folder, "json"))}
    assert told == {"m0": [code], "m1": []}
    styles: tuple[Format, ...] = ("table", "markdown", "csv", "latex")
    for style in styles:
        assert code in str(render(run.folder, style))
    assert code.encode() in bytes(render(run.folder, "parquet"))  # type: ignore[arg-type]
    assert all(code in {warning.code for warning in row.warnings} for row in compare(run.folder, "m1", "m0"))
    with Store.read(run.folder) as store:
        assert code in {caution.code for caution in collect(store, {}).cautions}


def test_what_a_model_says_of_itself_is_told_in_every_table(plugin: Path, tiny: Path) -> None:
    run = _run(plugin, tiny, {"kind": "noted"}, {"times": 1.001})
    told = {row["model"]: row["warnings"] for row in json.loads(render(run.folder, "json"))}
    assert told == {"m0": ["W-MINE: mine"], "m1": []}
    with Store.read(run.folder) as store:
        (mark,) = clip_marks(store)["m0", "all", "all"]
        assert "W-MINE" in {caution.code for caution in collect(store, {}).cautions}
    assert mark.params == {"times": 1.0, "model": "m0"}
    assert "W-MINE" in str(render(run.folder, "table"))
    assert all("W-MINE" in {warning.code for warning in row.warnings} for row in compare(run.folder, "m1", "m0"))


def test_groups_are_marked_for_their_own_clips(plugin: Path, tiny: Path) -> None:
    run = _run(plugin, tiny, {"times": 0.8, "only": "jazz"})
    with Store.read(run.folder) as store:
        marks = clip_marks(store, ("all", "genre"))
        genres = {prompt.genre for prompt in store.prompts().values()}
    counts = {
        group: [mark.params["shorter"] for mark in found] for (_, by, group), found in marks.items() if by != "all"
    }
    assert counts == {genre: [2] if genre == "jazz" else [] for genre in genres}


def test_prompts_that_are_read_in_part_are_counted_once_each_whatever_the_seeds(plugin: Path, tiny: Path) -> None:
    config = {
        "suite": "quick@1",
        "models": [{"name": f"{plugin}:Sloppy", "params": {"only": "", "limit": 60}}],
        "metrics": [f"{tiny}:Peak"],
        "seeds": [0, 1],
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    run = bench.run(config, plugin.parent / "out")
    with Store.read(run.folder) as store:
        marks, texts = clip_marks(store, ("all", "genre")), {p.text: p.genre for p in store.prompts().values()}
        assert len(store.made()) == 2 * len(texts)
        assert collect(store, {}).cautions[0].code == "W-PROMPT-CUT"
    for (_, by, group), found in marks.items():
        over = [len(text) - 60 for text, genre in texts.items() if by == "all" or genre == group]
        cut = [tokens for tokens in over if tokens > 0]
        expected = [{"model": "Sloppy", "prompts": len(cut), "of": len(over), "tokens": max(cut)}] if cut else []
        assert [(mark.code, mark.params) for mark in found] == [("W-PROMPT-CUT", one) for one in expected]
    assert any(found for found in marks.values()) and 0 < len(cut) < len(texts)
    (row,) = json.loads(render(run.folder, "json"))
    assert row["warning_codes"] == ["W-PROMPT-CUT"]


def test_a_number_of_tokens_that_is_none_fails_the_clip(plugin: Path, tiny: Path) -> None:
    assert len(_run(plugin, tiny, {"limit": -1}).failures()) == 12


def test_complex_samples_are_no_audio(plugin: Path, tiny: Path) -> None:
    import numpy as np

    with pytest.raises(DataError):
        Audio(np.zeros(8, np.complex64), 8000)
    run = _run(plugin, tiny, {"kind": "complex"})
    assert len(run.failures()) == 12
