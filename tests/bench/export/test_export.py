"""Clips and scores for other programs: one table, and a dataset that the Hugging Face library loads."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import bench
from bench import DataError, UsageError
from bench.cli.export import bundle, hugging_face, midi, scores
from bench.export.hugging_face import export
from bench.scores.clip_table import DESCRIPTION, clip_table
from bench.storage.digests import write_digests
from bench.storage.store import Store

HOSTILE = "a: \"b\" | 'c'\n---\nlicense: mit # <script>alert(1)</script> \u202e {x: [1, 2]}"
SUITE: dict[str, Any] = {
    "name": "small",
    "version": 1,
    "prompts": [
        {"id": "jazz-2", "genre": "jazz", "level": 2, "text": HOSTILE, "bpm": 96.5, "key": "Bb minor"},
        {"id": "test-1", "genre": "rock: <b>", "level": 1, "text": "NA"},
        {"id": "train-3", "genre": "rock: <b>", "level": 3, "text": "2024-01-01"},
    ],
}
SEEDS = [0, 2**63 - 1]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A run with a hostile prompt, a model and prompts named like splits, a seed of 63 bits and a clip that failed."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "small.yaml").write_text(yaml.safe_dump(SUITE))
    config = {
        "suite": str(folder / "small.yaml"),
        "models": [
            {"name": f"{tiny}:Sine", "as": "test"},
            {"name": f"{tiny}:Sine", "as": "validation-2", "params": {"hz": 50, "bad": "error"}},
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames", f"{tiny}:Spread"],
        "duration": 0.25,
        "seeds": SEEDS,
        "executor": {"workers": 0},
    }
    return bench.run(config, folder / "a: run <i>").folder


def _table(run: Path) -> pd.DataFrame:
    with Store.read(run) as store:
        return clip_table(store)


class TestScores:
    def test_every_planned_clip_is_a_row(self, run: Path) -> None:
        table = _table(run)
        assert list(table.columns) == [*DESCRIPTION, "Peak@1", "Frames@1", "Frames@1 reason"]
        assert len(table) == 2 * 3 * 2
        assert list(zip(table["model"], table["prompt"], table["seed"], strict=True)) == [
            (model, prompt["id"], seed)
            for model in ("test", "validation-2")
            for prompt in SUITE["prompts"]
            for seed in SEEDS
        ]
        first = table.iloc[0]
        assert (first["text"], first["bpm"], first["key"]) == (HOSTILE, 96.5, "Bb minor")
        assert (first["duration"], first["sample_rate"], first["state"]) == (0.25, 8000, "made")
        assert first["Frames@1 reason"] == "jazz is not counted"
        assert all((run / file).is_file() for file in table["file"].dropna())

    def test_values_are_those_of_the_run(self, run: Path) -> None:
        table = _table(run).set_index(["model", "prompt", "seed"])
        with Store.read(run) as store:
            stored = store.rows("SELECT model, prompt, seed, metric, value FROM scores JOIN clips ON clips.id = clip")
        assert len(stored) == 20
        for *place, metric, value in stored:
            found = table.loc[tuple(place), f"{metric}@1"]
            assert found == value if value is not None else np.isnan(found)

    def test_a_clip_that_was_not_made_has_no_file_and_no_score(self, run: Path) -> None:
        failed = _table(run).query("state == 'failed'")
        assert len(failed) == 2
        assert (
            failed[["file", "duration", "sample_rate", "Peak@1", "Frames@1", "Frames@1 reason"]].isna().all(axis=None)
        )

    def test_the_score_of_a_sound_that_is_gone_is_not_shown(self, run: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        shutil.copytree(run, other)
        with sqlite3.connect(other / "run.db") as db:
            db.execute("UPDATE clips SET state = 'planned', content = NULL WHERE prompt = 'test-1'")
            write_digests(db)
        table = _table(other).set_index("prompt")
        assert table.loc["test-1", ["Peak@1", "Frames@1", "file"]].isna().all(axis=None)
        assert table.loc["train-3", "Peak@1"].notna().all()

    @pytest.mark.parametrize("ending", ["parquet", "PARQUET"])
    def test_parquet_gives_the_same_frame(self, run: Path, tmp_path: Path, ending: str) -> None:
        scores(run, tmp_path / f"s.{ending}")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"s.{ending}"), _table(run))

    def test_csv_and_json_say_the_same(self, run: Path, tmp_path: Path) -> None:
        scores(run, tmp_path / "s.csv")
        scores(run, tmp_path / "s.json")
        table = _table(run)
        read = pd.read_csv(tmp_path / "s.csv", keep_default_na=False, na_values=[""], dtype=dict(table.dtypes))
        pd.testing.assert_frame_equal(read, table)
        rows = json.loads((tmp_path / "s.json").read_text())
        assert [list(row) for row in rows] == [list(table.columns)] * len(table)
        assert [row["seed"] for row in rows] == list(table["seed"])
        assert rows[0]["Frames@1"] is None and rows[0]["Peak@1"] == table["Peak@1"][0]

    def test_only_what_is_shown_has_a_column(self, run: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        shutil.copytree(run, other)
        with sqlite3.connect(other / "run.db") as db:
            db.execute("UPDATE metrics SET shown = 0 WHERE name = 'Frames'")
            write_digests(db)
        assert list(_table(other).columns) == [*DESCRIPTION, "Peak@1"]

    def test_another_ending_is_refused(self, run: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"s\.xlsx.*\.csv, \.parquet, \.json"):
            scores(run, tmp_path / "s.xlsx")
        with pytest.raises(UsageError, match="cannot write"):
            scores(run, tmp_path / "no" / "s.csv")


class TestHuggingFace:
    def test_the_library_loads_it(self, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Audio undecoded: one split whatever models and prompts are called, and every value as it was."""
        for name in ("HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.setenv(name, str(tmp_path / "cache"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        datasets = pytest.importorskip("datasets", reason="needs datasets: pip install datasets")
        export(run, tmp_path / "hf")
        loaded = datasets.load_dataset(
            "audiofolder", data_dir=str(tmp_path / "hf"), streaming=True, cache_dir=str(tmp_path / "cache")
        )
        assert list(loaded) == ["train"]
        features = loaded["train"].features
        assert isinstance(features["audio"], datasets.Audio)
        assert (features["seed"].dtype, features["Peak@1"].dtype, features["bpm"].dtype) == (
            "int64",
            "float64",
            "float64",
        )
        # What the loader makes of each row before it hands audio to a decoder, which is another package's.
        rows = [row for _, row in loaded["train"]._ex_iterable]
        table = _table(run).query("state == 'made'").drop(columns=["state", "file"])
        files = _table(run)["file"].dropna()
        assert len(rows) == len(table) == 10
        for row, (_, expected), file in zip(rows, table.iterrows(), files, strict=True):
            assert Path(row.pop("audio")).read_bytes() == (run / file).read_bytes()
            assert row == {name: None if pd.isna(value) else value for name, value in expected.items()}

    def test_the_card_is_valid_and_holds_no_markup_of_others(self, run: Path, tmp_path: Path) -> None:
        export(run, tmp_path / "hf", licence="cc-by-4.0")
        _, header, body = (tmp_path / "hf" / "README.md").read_text().split("---\n", 2)
        about = yaml.safe_load(header)
        assert about["license"] == "cc-by-4.0"
        assert about["pretty_name"] == "a: run <i>: clips of text-to-music models"
        assert about["size_categories"] == ["n<1K"]
        assert "<i>" not in body and "&lt;i>" in body
        with Store.read(run) as store:
            from bench.scores.protocol import protocol_of

            assert protocol_of(store).line in body
        for column in ("Peak@1", "Frames@1 reason", "bpm"):
            assert f"| {column} |" in body

    def test_the_licence_is_other_unless_somebody_says(self, run: Path, tmp_path: Path) -> None:
        export(run, tmp_path / "hf")
        assert "\nlicense: other\n" in (tmp_path / "hf" / "README.md").read_text()
        with pytest.raises(UsageError, match=re.escape(repr("mit\nx: y"))):
            export(run, tmp_path / "hf", licence="mit\nx: y")

    def test_a_new_export_removes_what_is_gone_and_nothing_else(
        self, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "hf"
        hugging_face(run, folder)
        (folder / ".git").mkdir()
        (folder / "audio" / "mine.txt").write_text("kept")
        hugging_face(run, folder, ["test"])
        assert capsys.readouterr().out.splitlines() == [
            f"10 clips in {folder}, 2 planned clips are not made",
            f"6 clips in {folder}, 4 older ones removed",
        ]
        names = pd.read_parquet(folder / "metadata.parquet")["file_name"]
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.flac")}
        assert there == set(names) and len(there) == 6
        assert (folder / "audio" / "mine.txt").read_text() == "kept" and (folder / ".git").is_dir()
        hugging_face(run, folder)
        assert len(list(folder.rglob("*.flac"))) == 10

    def test_exported_audio_is_a_copy(self, run: Path, tmp_path: Path) -> None:
        export(run, tmp_path / "hf")
        before = {path: path.read_bytes() for path in run.rglob("*.flac")}
        for path in (tmp_path / "hf").rglob("*.flac"):
            path.write_bytes(b"edited in place")
        assert {path: path.read_bytes() for path in run.rglob("*.flac")} == before

    def test_a_folder_of_something_else_is_refused(self, run: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("mine")
        for folder in (tmp_path / "mine", run, tmp_path / "mine" / "notes.txt"):
            with pytest.raises(UsageError, match=re.escape(str(folder))):
                export(run, folder)
        assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
        with pytest.raises(UsageError, match=r"'tset' .*'test'"):
            export(run, tmp_path / "hf", ["tset"])
        assert not (tmp_path / "hf").exists()

    def test_a_list_of_files_cannot_name_others(self, run: Path, tmp_path: Path) -> None:
        export(run, tmp_path / "hf")
        for victim in (tmp_path / "victim.flac", tmp_path / "hf" / "README"):
            victim.write_text("kept")
        mark = tmp_path / "hf" / ".tunebench-export.json"
        named = ["../victim.flac", str(tmp_path / "victim.flac"), "README", "audio/../README", 3]
        mark.write_text(json.dumps({"files": [*json.loads(mark.read_text())["files"], *named]}))
        assert export(run, tmp_path / "hf").removed == 0
        assert (tmp_path / "victim.flac").exists() and (tmp_path / "hf" / "README").exists()

    def test_a_path_in_the_database_leads_nowhere_else(self, run: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        shutil.copytree(run, other)
        (tmp_path / "secret.flac").write_text("secret")
        with sqlite3.connect(other / "run.db") as db:
            db.execute("UPDATE clips SET path = '../secret.flac' WHERE state = 'made'")
            write_digests(db)
        with pytest.raises(DataError, match=r"\.\./secret\.flac"):
            export(other, tmp_path / "hf")

    def test_a_run_without_clips(self, run: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        shutil.copytree(run, other)
        with sqlite3.connect(other / "run.db") as db:
            db.execute("UPDATE clips SET state = 'planned'")
            write_digests(db)
        with pytest.raises(DataError, match=re.escape(str(other))):
            export(other, tmp_path / "hf")


class TestCroissant:
    def test_the_reference_reader_reads_every_row(self, run: Path, tmp_path: Path) -> None:
        """It raises for metadata that break the specification, and compares the table's hash."""
        mlcroissant = pytest.importorskip("mlcroissant")
        export(run, tmp_path / "hf", licence="cc-by-4.0")
        dataset = mlcroissant.Dataset(str(tmp_path / "hf" / "croissant.json"))
        about = dataset.metadata.to_json()
        assert (about["name"], about["license"]) == ("a: run <i>", "cc-by-4.0")
        table = pd.read_parquet(tmp_path / "hf" / "metadata.parquet")
        rows = [list(record.values()) for record in dataset.records("clips")]
        assert len(rows) == len(table) == 10
        for row, (_, given) in zip(rows, table.iterrows(), strict=True):
            read = [value.decode() if isinstance(value, bytes) else value for value in row]
            for one, other in zip(read, given, strict=True):
                assert one == other or ((one is None or one != one) and pd.isna(other))

    def test_each_column_is_described_and_each_file_named(self, run: Path, tmp_path: Path) -> None:
        export(run, tmp_path / "hf")
        about = json.loads((tmp_path / "hf" / "croissant.json").read_text())
        table = pd.read_parquet(tmp_path / "hf" / "metadata.parquet")
        (records,) = about["recordSet"]
        assert [field["name"] for field in records["field"]] == list(table.columns)
        assert all(field["description"] for field in records["field"])
        assert len({field["@id"] for field in records["field"]}) == len(table.columns)
        metadata, audio = about["distribution"]
        content = (tmp_path / "hf" / metadata["contentUrl"]).read_bytes()
        assert metadata["sha256"] == hashlib.sha256(content).hexdigest()
        assert len(list((tmp_path / "hf").glob(audio["includes"]))) == len(table)
        assert "license" not in about  # nobody said


def _altered(run: Path, folder: Path, script: str) -> Path:
    shutil.copytree(run, folder)
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.executescript(f"PRAGMA foreign_keys = OFF; {script}")
        write_digests(db)
        db.commit()
    return folder


class TestMidi:
    def test_the_notes_are_written(self, run: Path, tmp_path: Path) -> None:
        import pretty_midi

        midi(run, tmp_path / "midi", ["test"])
        files = sorted(path.relative_to(tmp_path / "midi").as_posix() for path in (tmp_path / "midi").rglob("*.*"))
        assert files == sorted(f"test/{prompt['id']}_{seed}.mid" for prompt in SUITE["prompts"] for seed in SEEDS)
        (track,) = pretty_midi.PrettyMIDI(str(tmp_path / "midi" / files[0])).instruments
        assert [note.pitch for note in track.notes] == [60]

    @pytest.mark.parametrize(
        ("script", "match"),
        [
            ("UPDATE prompts SET id = '../../x' WHERE id = 'jazz-2'; UPDATE clips SET prompt = '../../x' WHERE "
             "prompt = 'jazz-2'", "prompt id"),
            ("UPDATE models SET label = '../x' WHERE label = 'test'; "
             "UPDATE set_scores SET model = '../x' WHERE model = 'test'; UPDATE clips SET model = '../x', "
             "path = replace(path, 'test', '../x') WHERE model = 'test'",
             r"audio/\.\./x"),
            ("UPDATE notes SET notes = '{}'", "notes "),
            ("UPDATE notes SET notes = '[['", "notes "),
        ],
    )  # fmt: skip
    def test_nothing_is_written_elsewhere(self, run: Path, tmp_path: Path, script: str, match: str) -> None:
        other = _altered(run, tmp_path / "deep" / "er" / "run", script)
        with pytest.raises(DataError, match=match) as raised:
            midi(other, tmp_path / "deep" / "er" / "midi")
        assert "\n" not in str(raised.value)
        assert not list(tmp_path.rglob("*.mid"))


@pytest.mark.parametrize(
    "script",
    [
        "DELETE FROM prompts WHERE id = 'train-3'",
        # Without the rules of our schema nothing but the rows themselves shows what is missing.
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'REFERENCES models', '') "
        "WHERE name = 'clips'; DELETE FROM models WHERE label = 'validation-2'",
    ],
)
@pytest.mark.parametrize(
    "write", [scores, bundle, hugging_face, midi], ids=["scores", "bundle", "hugging_face", "midi"]
)
def test_no_clip_is_dropped_in_silence(
    run: Path, tmp_path: Path, script: str, write: Callable[[Path, Path], None]
) -> None:
    other = _altered(run, tmp_path / "other", script)
    with pytest.raises(DataError, match=r"run\.db is damaged") as raised:
        write(other, tmp_path / "out.csv")
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
