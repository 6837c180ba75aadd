"""Scores from elsewhere as a column: each clip gets its own value, and what fits no clip is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bench
from bench.bundle.pack import pack
from bench.bundle.verify import verify
from bench.cli.score_import import column_of
from bench.errors import DataError, UsageError
from bench.pipeline.import_scores import ImportedColumn, import_scores

CONFIG = {"models": ["noise"], "limit": 3, "metrics": [], "duration": 0.5, "executor": {"workers": 0}}
MOS = ImportedColumn("mos", 2, "points", "higher", (1.0, 5.0), "a panel")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    bench.run(CONFIG, folder)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def _table(run: Path) -> pd.DataFrame:
    return bench.Run(run).clips()[["model", "prompt", "seed", "file"]].assign(value=[1.5, 4.0, 5.0])


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
    "parquet": lambda table, path: table.to_parquet(path),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("keys", [["file"], ["model", "prompt", "seed"], ["model", "prompt"]])
def test_scores_come_back_with_what_was_declared(run: Path, tmp_path: Path, kind: str, keys: list[str]) -> None:
    table = _table(run)
    WRITERS[kind](table[::-1][[*keys, "value"]], tmp_path / f"scores.{kind}")
    assert import_scores(run, tmp_path / f"scores.{kind}", MOS) == (3, 0, 0)
    back = bench.Run(run).clips()
    assert dict(zip(back["file"], back["mos@2"], strict=True)) == dict(zip(table["file"], table["value"], strict=True))
    cell = bench.Run(run).leaderboard(wide=True)
    assert [name for name in cell.columns if name.startswith("mos@2")]


def test_the_same_file_again_changes_nothing_and_another_takes_its_column(run: Path, tmp_path: Path) -> None:
    file, table = tmp_path / "scores.csv", _table(run)
    table.to_csv(file, index=False)
    import_scores(run, file, MOS)
    before = bench.Run(run).clips()
    assert import_scores(run, file, MOS) == (0, 3, 0)
    pd.testing.assert_frame_equal(bench.Run(run).clips(), before)
    table.assign(value=2.0).to_csv(file, index=False)
    assert import_scores(run, file, MOS) == (3, 0, 0)
    assert bench.Run(run).clips()["mos@2"].tolist() == [2.0] * 3


def test_what_has_no_value_is_missing(run: Path, tmp_path: Path) -> None:
    table = _table(run)
    table.loc[1, "value"] = None
    table[:2].to_csv(tmp_path / "scores.csv", index=False)
    assert import_scores(run, tmp_path / "scores.csv", MOS) == (1, 0, 2)
    clips = bench.Run(run).clips()
    assert clips["mos@2"].notna().sum() == 1
    assert clips["mos@2 reason"].dropna().tolist() == ["scores.csv has no score of this clip"] * 2


def test_a_column_with_undefined_scores_is_packed_and_verified(run: Path, tmp_path: Path) -> None:
    table = _table(run)
    table.loc[1, "value"] = None
    table.to_csv(tmp_path / "scores.csv", index=False)
    import_scores(run, tmp_path / "scores.csv", MOS)
    pack(run, tmp_path / "run.zip")
    found = verify(tmp_path / "run.zip")
    assert not found.deviations and list(found.unchecked) == ["mos@2"]
    (cell,) = [cell for cell in bench.Run(run).leaderboard().to_dict("records") if cell["metric"] == "mos@2"]
    assert (cell["value"], cell["n"], cell["planned"]) == (3.25, 2, 3)


def test_clips_made_after_an_import_are_named(run: Path, tmp_path: Path) -> None:
    _table(run).to_csv(tmp_path / "scores.csv", index=False)
    import_scores(run, tmp_path / "scores.csv", MOS)
    bench.run({**CONFIG, "limit": 4}, run)
    clip = bench.Run(run).clips()["prompt"][3]
    with pytest.raises(UsageError) as refused:
        pack(run, tmp_path / "run.zip")
    said = str(refused.value)
    assert f"noise {clip} (seed 0)" in said and "--import" in said and "not computed" not in said
    assert import_scores(run, tmp_path / "scores.csv", MOS) == (0, 3, 1)
    pack(run, tmp_path / "run.zip")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("file,value\nnowhere.flac,3\n", DataError),
        ("model,prompt,value\nnoise,nothing,3\n", DataError),
        ("model,prompt,seed,value\nnoise,{prompt},x,3\n", DataError),
        ("model,prompt,value\nnoise,{prompt},3\nnoise,{prompt},4\n", DataError),
        ("model,prompt,value\nnoise,{prompt},good\n", DataError),
        ("model,prompt,value\nnoise,{prompt},inf\n", DataError),
        ("model,prompt,value\nnoise,{prompt},6\n", DataError),
        ("model,prompt,value\nnoise,{prompt},\n", DataError),
        ("model,prompt,score\nnoise,{prompt},3\n", DataError),
        ("model,value\nnoise,3\n", DataError),
        ("model,prompt,value\nnoise,{prompt}\n", DataError),
        ("", DataError),
    ],
)
def test_what_fits_no_clip_is_refused_and_nothing_is_imported(
    run: Path, tmp_path: Path, text: str, error: type[Exception]
) -> None:
    prompt = bench.Run(run).clips()["prompt"][0]
    (tmp_path / "scores.csv").write_text(text.format(prompt=prompt))
    with pytest.raises(error):
        import_scores(run, tmp_path / "scores.csv", MOS)
    assert "mos@2" not in bench.Run(run).clips()


def test_a_name_that_is_taken_is_refused(run: Path, tmp_path: Path) -> None:
    _table(run).to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(UsageError):
        import_scores(run, tmp_path / "scores.csv", ImportedColumn("kad"))


def test_a_run_with_an_imported_column_is_scored_and_packed_as_before(run: Path, tmp_path: Path) -> None:
    _table(run).to_csv(tmp_path / "scores.csv", index=False)
    import_scores(run, tmp_path / "scores.csv", MOS)
    bench.rescore(run, metrics=["pitch-variety"])
    assert bench.Run(run).clips()["mos@2"].tolist() == [1.5, 4.0, 5.0]
    pack(run, tmp_path / "run.zip")
    assert (tmp_path / "run.zip").exists()


@pytest.mark.parametrize("text", ["mos@0", "a b", "mos,direction=up", "mos,range=[5,1]", "mos,scale=2"])
def test_what_is_declared_is_checked(text: str) -> None:
    with pytest.raises(UsageError):
        column_of(text)


def test_a_declaration_is_read() -> None:
    text = "mos@2,unit=points,direction=higher,range=[1,5],source=a panel"
    assert column_of(text) == MOS


def test_a_bundle_says_that_imported_scores_were_not_checked(run: Path, tmp_path: Path) -> None:
    _table(run).to_csv(tmp_path / "scores.csv", index=False)
    import_scores(run, tmp_path / "scores.csv", MOS)
    bench.rescore(run, metrics=["pitch-variety"])
    pack(run, tmp_path / "run.zip")
    checked = verify(tmp_path / "run.zip")
    assert list(checked.unchecked) == ["mos@2"]
    assert not checked.damage
