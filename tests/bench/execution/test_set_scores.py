"""Embeddings and set metrics in a run: made once, stored by content, recomputed when the clips change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import Audio
from bench.contracts.clip_view import View, common_view
from bench.leaderboard.render import render
from bench.pipeline.run import rescore
from bench.storage.store import Store

Write = Callable[..., Path]


@pytest.fixture
def config(write_config: Write, tiny: Path) -> Callable[..., Path]:
    def write(**settings: object) -> Path:
        metrics = [f"{tiny}:Peak", f"{tiny}:Loudest", f"{tiny}:Spread"]
        return write_config(**{"metrics": metrics, **settings})

    return write


def _rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with Store.read(folder) as store:
        return store.rows(query)


def test_each_sound_is_embedded_once_for_all_metrics(tmp_path: Path, config: Write, tiny: Path) -> None:
    run = bench.run(config(metrics=[f"{tiny}:Spread"]), tmp_path / "out")
    before = _rows(run.folder, "SELECT rowid, * FROM embeddings ORDER BY rowid")
    # Prompts of one length sound the same in this model, and the same sound is embedded once.
    assert len(before) == len(_rows(run.folder, "SELECT DISTINCT content FROM clips")) == 10
    # A metric that comes later takes the stored vectors: no row is written anew.
    run = bench.run(config(), run.folder)
    assert _rows(run.folder, "SELECT rowid, * FROM embeddings ORDER BY rowid") == before
    table = run.leaderboard().set_index("metric")
    assert table.loc["Loudest@1", "n"] == 12
    assert table.loc["Spread@1", ["n", "planned"]].tolist() == [12, 12]


def test_stored_vectors_are_the_embedders(tmp_path: Path, config: Write, tiny: Path) -> None:
    from bench import EmbedderRef, read_audio
    from bench.contracts.embedder import load_embedder

    run = bench.run(config(), tmp_path / "out")
    embedder = load_embedder(EmbedderRef(f"{tiny}:Bands"))
    rows = _rows(run.folder, "SELECT path, dimension, vectors FROM embeddings JOIN clips USING (content)")
    for path, dimension, vectors in rows:
        assert isinstance(vectors, bytes) and isinstance(dimension, int)
        stored = np.frombuffer(vectors, dtype="<f4").reshape(-1, dimension)
        assert np.array_equal(stored, embedder.embed(read_audio(run.folder / str(path))))


def test_set_scores_follow_the_clips(tmp_path: Path, config: Write) -> None:
    run = bench.run(config(), tmp_path / "out")
    first = run.leaderboard().set_index("metric").loc["Spread@1"]
    run = bench.run(config(seeds=[0, 1]), run.folder)
    second = run.leaderboard().set_index("metric").loc["Spread@1"]
    assert (first.n, second.n) == (12, 24)
    assert first.value != second.value
    again = _rows(run.folder, "SELECT * FROM set_scores")
    assert len(again) == 1 + 6 + 2
    assert bench.run(config(seeds=[0, 1]), run.folder).leaderboard().equals(run.leaderboard())
    assert _rows(run.folder, "SELECT * FROM set_scores") == again


def test_groups_have_their_own_values(tmp_path: Path, config: Write) -> None:
    run = bench.run(config(), tmp_path / "out")
    table = run.leaderboard("genre")
    spread = table[table.metric == "Spread@1"].set_index("group")
    assert len(spread) == 7
    assert spread.loc["all", "n"] == 12
    assert (spread.drop("all").n == 2).all()
    assert spread.value.nunique() >= 6


def test_silent_reasons_and_failures(tmp_path: Path, config: Write, tiny: Path) -> None:
    metrics = [{"name": f"{tiny}:Spread", "params": {"bad": bad}} for bad in ("undefined", "raise")]
    run = bench.run(config(metrics=metrics), tmp_path / "out")
    table = run.leaderboard().set_index("metric")
    undefined = table.loc["Spread[bad=undefined]@1"]
    assert np.isnan(undefined.value) and undefined.n == 0
    assert "embedding" in undefined.note
    assert sum((f.metric, f.reason) == ("embedding", "ZeroDivisionError: no bands") for f in run.failures()) == 12


def test_warnings_are_shown_once_with_the_metric(tmp_path: Path, config: Write) -> None:
    run = bench.run(config(), tmp_path / "out")
    lines = str(render(run.folder)).splitlines()
    assert "Spread@1: of whole clips" in lines
    assert lines.count("Spread@1: W-TINY: 12 clips") == 1
    row = next(row for row in json.loads(render(run.folder, "json")) if row["metric"] == "Spread@1")
    assert row["warnings"] == ["W-TINY: 12 clips"]


def test_unequal_models_are_compared_on_what_they_share(tmp_path: Path, tiny: Path, config: Write) -> None:
    """A model whose clips are half as long cuts what is embedded of the other's, and the table says so."""
    short = tmp_path / "short.py"
    short.write_text(
        f"import sys; sys.path.insert(0, {str(tiny.parent)!r})\nfrom tiny import Sine\n"
        "class Short(Sine):\n    def generate(self, requests):\n"
        "        return [audio.cropped(0.25) for audio in super().generate(requests)]\n"
    )
    models = [{"name": f"{tiny}:Sine", "as": "long"}, f"{short}:Short"]
    run = bench.run(config(models=models), tmp_path / "out")
    assert "Spread@1: of the first 0.25 s" in str(render(run.folder))
    assert _rows(run.folder, "SELECT DISTINCT length(vectors) FROM embeddings") == [(8 * 4,)]
    whole = bench.run(config(models=models, common={"seconds": None}), tmp_path / "out")
    assert "Spread@1: of whole clips" in str(render(whole.folder))
    banded = bench.run(config(models=models, common={"band": 1000}), tmp_path / "out")
    assert "Spread@1: of the first 0.25 s, up to 1000 Hz" in str(render(banded.folder))
    values = {run.leaderboard().set_index(["model", "metric"]).loc[("long", "Spread@1"), "value"]}
    assert len(values) == 1


def test_rescoring_by_force_changes_nothing_that_is_right(tmp_path: Path, config: Write) -> None:
    path = config()
    run = bench.run(path, tmp_path / "out")
    before = run.leaderboard()
    assert rescore(run.folder, bench.load_config(path), force=True).leaderboard().equals(before)


class TestView:
    def test_band_keeps_what_is_below_and_removes_what_is_above(self) -> None:
        t = np.arange(44_100) / 44_100
        audio = Audio(np.sin(2 * np.pi * 500 * t) + np.sin(2 * np.pi * 9000 * t), 44_100)
        spectrum = np.abs(np.fft.rfft(View(band=4000).of(audio).samples[0])) / 22_050
        assert spectrum[500] == pytest.approx(1, abs=0.01)
        assert spectrum[9000] < 1e-4

    @given(st.floats(0.1, 5), st.sampled_from([8000, 44_100]))
    def test_cut_is_of_the_length_asked(self, seconds: float, rate: int) -> None:
        audio = Audio(np.ones(4 * rate, np.float32), rate)
        assert View(seconds).of(audio).frames == min(4 * rate, round(seconds * rate))

    def test_common_beginning_is_that_of_the_shorter_model(self) -> None:
        assert common_view([[10.0] * 4, [20.0] * 4]).text == "the first 10 s"
        assert common_view([[10.0] * 4, [10.0, 10.01]]).text == "whole clips"
        # One broken clip does not cut all the others.
        assert common_view([[10.0] * 4, [10.0, 10.0, 0.5]]).text == "whole clips"
        assert common_view([]).text == "whole clips"
