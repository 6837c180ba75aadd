"""What Python reads of a run: tables that agree with each other, of one moment, and nothing written."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bench
from bench import Audio, DataError, GenerationRequest, MusicModel, UsageError
from bench.progress import Bar, Lines, Silent, shown
from bench.storage.digests import write_digests


@pytest.fixture(scope="module")
def config(tiny: Path) -> dict[str, Any]:
    """Two models, of which one fails on a prompt, and metrics with values, without, and of sets."""
    return {
        "models": [
            {"name": f"{tiny}:Sine", "as": "low"},
            {"name": f"{tiny}:Sine", "as": "high", "params": {"hz": 900, "bad": "error"}},
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames", {"name": f"{tiny}:Spread"}],
        "duration": 0.5,
        "seeds": [0, 1],
        "executor": {"workers": 0},
    }


@pytest.fixture(scope="module")
def folder(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bench.run(config, tmp_path_factory.mktemp("read") / "<i>run&").folder


@pytest.fixture(scope="module")
def run(folder: Path) -> bench.Run:
    return bench.Run(str(folder))


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, b"" if path.is_dir() else hashlib.sha256(path.read_bytes()).digest())
        for path in (folder, *folder.rglob("*"))
    }


def test_scores_are_a_row_for_each_clip_and_metric(run: bench.Run) -> None:
    scores = run.scores()
    assert len(scores) == 2 * 12 * 2 * 2  # models, prompts, seeds, clip metrics
    assert not scores.duplicated(["model", "prompt", "seed", "metric"]).any()
    frames = scores[(scores["metric"] == "Frames@1") & (scores["model"] == "low")]
    assert set(frames.loc[frames["genre"] == "jazz", "reason"]) == {"jazz is not counted"}
    assert (frames.loc[frames["genre"] != "jazz", "value"] == 4000).all()  # 0.5 s at 8 kHz
    failed = scores[scores["failed"]]
    assert {(row.model, row.prompt, row.metric) for row in failed.itertuples()} == {
        ("high", "jazz-2", "Peak@1"), ("high", "jazz-2", "Frames@1")
    }  # fmt: skip
    assert failed["value"].isna().all() and failed["reason"].str.contains("cannot be played").all()
    assert (scores["value"].isna() == scores["reason"].notna()).all()
    assert {unit: set(rows["direction"]) for unit, rows in scores.groupby("unit")} == {"%": {"higher"}, "": {"none"}}


def test_scores_and_clips_hold_the_same_values(run: bench.Run) -> None:
    clips = run.clips().set_index(["model", "prompt", "seed"])
    tidy = run.scores().set_index(["model", "prompt", "seed"])
    for metric in ("Peak@1", "Frames@1"):
        wide = clips[metric].sort_index()
        pd.testing.assert_series_equal(
            tidy.loc[tidy["metric"] == metric, "value"].sort_index(), wide, check_names=False
        )
    assert clips["state"].value_counts().to_dict() == {"made": 46, "failed": 2}


def test_the_leaderboard_is_the_mean_over_prompts_of_the_scores(run: bench.Run) -> None:
    board = run.leaderboard().set_index(["model", "metric"])["value"].to_dict()
    scores = run.scores().dropna(subset="value")
    by_prompt = scores.groupby(["model", "metric", "prompt"])["value"].mean()
    for place, mean in by_prompt.groupby(["model", "metric"]).mean().to_dict().items():
        assert board[place] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("by", [None, "genre"])
def test_wide_is_the_same_leaderboard(run: bench.Run, by: str | None) -> None:
    wide, long = run.leaderboard(by, wide=True), run.leaderboard(by)
    assert wide.shape == (len(long) // 3, 3 * 4)
    for row in long.itertuples():
        place: Any = row.model if by is None else (row.group, row.model)
        for part, value in (("", row.value), (" low", row.low), (" high", row.high), (" n", row.n)):
            assert wide[f"{row.metric}{part}"].to_dict()[place] == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("by", ["tempo", ""])
def test_only_genres_and_levels_split_a_leaderboard(run: bench.Run, wide: bool, by: str) -> None:
    with pytest.raises(UsageError):
        run.leaderboard(by, wide)


def test_comparing_the_other_way_round_turns_the_sign(run: bench.Run) -> None:
    there, back = run.compare("low", "high"), run.compare("high", "low")
    assert list(there["metric"]) == ["Peak@1", "Frames@1", "Spread@1"]
    np.testing.assert_allclose(there["estimate"][:2], -back["estimate"][:2], atol=1e-12)
    np.testing.assert_allclose(there["p"][:2], back["p"][:2])


def test_rows_of_another_run_are_compared(run: bench.Run, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    for other in (str(copy), bench.Run(copy)):
        found = run.compare("low", "low", other=other)
        assert found["estimate"][0] == 0
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(UsageError):  # the run itself, by another name
        run.compare("low", "low", other=link)


def test_failures_become_a_table(run: bench.Run) -> None:
    assert pd.DataFrame(run.failures())[["model", "clip"]].values.tolist() == [
        ["high", "jazz-2, seed 0"], ["high", "jazz-2, seed 1"]
    ]  # fmt: skip


def test_reading_writes_nothing(run: bench.Run, folder: Path) -> None:
    before = state(folder)
    for read in (run.scores, run.clips, run.leaderboard, run.failures, run.__repr__, run._repr_html_):
        read()
    run.leaderboard("genre", wide=True)
    run.compare("low", "high", by="genre")
    with run:
        run.scores()
    assert state(folder) == before


def test_in_a_block_all_is_of_one_moment(config: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    more = {**config, "models": [{**config["models"][0], "as": "third"}], "seeds": [7]}
    with bench.Run(copy) as run:
        before = run.scores()
        bench.run(more, copy)
        pd.testing.assert_frame_equal(run.scores(), before)
        assert set(run.clips()["model"]) == set(run.leaderboard(wide=True).index) == {"low", "high"}
        assert "third" not in run._repr_html_()
        with pytest.raises(RuntimeError):
            run.__enter__()
    assert set(run.clips()["model"]) == {"low", "high", "third"}
    assert "third" in run._repr_html_()


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, int]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: Sequence[object]) -> None:
        self.tags.append((tag, len(attributes)))

    def handle_data(self, data: str) -> None:
        self.said += data.replace("\u00a0", " ") + "\n"


def test_notebooks_show_a_table_and_nothing_that_a_name_brings(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "<script>x</script>"))
    with closing(sqlite3.connect(copy / "run.db")) as db:
        db.execute("UPDATE metrics SET unit = '<b onclick=x>'")
        write_digests(db)
        db.commit()
    page = _Tags(bench.Run(copy)._repr_html_())
    assert {tag for tag, _ in page.tags} == {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    assert not any(attributes for _, attributes in page.tags)
    assert "<script>x</script>" in page.said and "<b onclick=x>" in page.said
    assert [tag for tag, _ in page.tags].count("tr") == 1 + 2 + 1  # header, models, chance


def test_a_run_without_scores_has_tables_without_rows(config: dict[str, Any], tmp_path: Path) -> None:
    config = {**config, "metrics": []}
    run = bench.run(config, tmp_path / "unscored")
    assert run.scores().empty and list(run.scores().dtypes) == list(bench.Run(run.folder).scores().dtypes)
    assert run.leaderboard().empty and run.leaderboard(wide=True).empty
    assert run.leaderboard("genre", wide=True).index.names == ["group", "model"]
    assert len(run.clips()) == 48
    with pytest.raises(UsageError):
        run.compare("low", "high")
    assert _Tags(run._repr_html_()).tags.count(("tr", 0)) == 1


def test_a_damaged_run_is_said_to_be_one_in_a_notebook(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "<u>"))
    run = bench.Run(copy)
    (copy / "run.db").write_bytes(b"no database at all" * 300)
    assert _Tags(run._repr_html_()).tags == [("pre", 0)]
    with pytest.raises(DataError):
        run.scores()


@pytest.mark.parametrize("place", ["nowhere", "", "file"])
def test_what_is_no_run_is_refused_at_once(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        bench.Run(tmp_path / place)


def test_a_run_is_its_folder(run: bench.Run, folder: Path) -> None:
    assert run == bench.Run(folder) and len({run, bench.Run(folder)}) == 1
    assert eval(repr(run), {"Run": bench.Run}) == run


def test_a_library_is_silent_unless_asked(
    config: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    few = {**config, "models": config["models"][:1], "seeds": [0]}
    bench.run(few, tmp_path / "silent")
    assert capfd.readouterr() == ("", "")
    bench.run(few, tmp_path / "told", progress=True)
    printed, said = capfd.readouterr()
    assert printed == "" and "generating clips: 12 of 12" in said
    bench.Run(tmp_path / "told").leaderboard(progress=True)
    with pytest.raises(UsageError):
        bench.rescore(str(tmp_path / "nowhere"), progress=True)


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted in (None, False):
        with shown(wanted) as told:
            assert isinstance(told, Silent)
    with shown(True) as told:
        assert isinstance(told, Lines)
    mine = Lines()
    with shown(mine) as told:
        assert told is mine
    outside, inside = os.openpty()
    with os.fdopen(inside, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with shown(True) as told:
            assert isinstance(told, Bar)
            told.begin("scoring clips", 3, 0)
            told.advance(3)
        terminal.flush()
        assert b"scoring clips" in os.read(outside, 10_000)
    os.close(outside)


class Yielding(MusicModel):
    """A model that yields its clips."""

    sample_rate = 8000

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Audio]:
        for request in requests:
            rng = np.random.default_rng([request.seed, *request.prompt.text.encode()])
            yield Audio(0.1 * rng.standard_normal(round(request.duration * 8000)), 8000)


def test_a_model_may_yield_its_clips() -> None:
    bench.check_model(Yielding, duration=0.2).confirm()


def test_a_run_is_scored_again_with_what_it_was_made_with(folder: Path, tmp_path: Path, tiny: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    with pytest.raises(UsageError):  # its configuration names a plugin file
        bench.rescore(str(copy))
    again = bench.rescore(str(copy), force=True, plugin_files=True)
    pd.testing.assert_frame_equal(again.scores(), bench.Run(folder).scores())
    with pytest.raises(UsageError):
        bench.rescore(copy, bench.RunConfig(), metrics=["kad"])
    more = bench.rescore(copy, metrics=[f"{tiny}:Loudest"]).scores()
    assert more.groupby("metric")["value"].count().to_dict() == {"Peak@1": 46, "Frames@1": 40, "Loudest@1": 46}
