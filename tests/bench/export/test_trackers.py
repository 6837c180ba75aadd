"""A run in experiment trackers, without a network, and read back as their own readers have it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bench
from bench import DataError, UsageError
from bench.export.ml_flow import flat_names, log_to_mlflow
from bench.export.tracked_run import TrackedRow, tracked_rows
from bench.export.weights_and_biases import log_to_wandb
from bench.leaderboard.render import read_board, records
from bench.scores.clip_table import clip_table
from bench.storage.store import Store


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """Two rows; one has a clip that failed, the other scores without a value."""
    config = {
        "suite": "quick@1",
        "models": [
            {"name": f"{tiny}:Sine", "as": "sine"},
            {"name": f"{tiny}:Sine", "as": "a[b=1,c]", "params": {"hz": 50, "bad": "error"}},
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames", f"{tiny}:Spread"],
        "duration": 0.25,
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("trackers") / "run").folder


@pytest.fixture(scope="module")
def rows(run: Path) -> list[TrackedRow]:
    return tracked_rows(run, audio=2)


class TestRows:
    def test_numbers_are_those_of_the_leaderboard(self, run: Path, rows: list[TrackedRow]) -> None:
        board = read_board(run)
        assert [row.label for row in rows] == ["sine", "a[b=1,c]"]
        for row in rows:
            own = [one for one in records(board.cells, board.ranks, board.protocol) if one["model"] == row.label]
            expected = {}
            for one in own:
                for name in ("value", "low", "high", "n", "rank_best", "rank_worst"):
                    if one[name] is not None:
                        expected[one["metric"] + ("" if name == "value" else f".{name}")] = one[name]
            assert row.numbers == expected and len(expected) >= 6
            assert row.config["protocol"]["id"] == board.protocol.id

    def test_the_same_row_has_the_same_key(self, run: Path, rows: list[TrackedRow]) -> None:
        assert [row.key for row in tracked_rows(run)] == [row.key for row in rows]
        assert len({row.key for row in rows}) == 2

    def test_clips_are_spread_over_the_prompts(self, run: Path, rows: list[TrackedRow]) -> None:
        made = [clip for clip in _made(run) if clip.model == "sine"]
        assert [path for path, _ in rows[0].audio] == [run / made[0].path, run / made[6].path]

    def test_what_is_not_there_is_said(self, run: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="sine"):
            tracked_rows(run, ["sin"])
        with pytest.raises(UsageError):
            tracked_rows(tmp_path)
        held = run / _made(run)[0].path
        content = held.read_bytes()
        held.unlink()
        try:
            with pytest.raises(DataError, match=held.name):
                tracked_rows(run, audio=1)
        finally:
            held.write_bytes(content)


def _made(run: Path) -> list[Any]:
    with Store.read(run) as store:
        return store.made()


def _table(run: Path, label: str) -> pd.DataFrame:
    with Store.read(run) as store:
        table = clip_table(store)
    return table[table["model"] == label].reset_index(drop=True)


class TestWeightsAndBiases:
    @staticmethod
    def _records(file: Path) -> Iterator[Any]:
        """The records of a file that wandb writes offline: a LevelDB log of its protocol's messages."""
        from wandb.proto import wandb_internal_pb2

        data, place, message = file.read_bytes(), 7, b""
        assert data[:4] == b":W&B"
        while place + 7 <= len(data):
            if 32768 - place % 32768 < 7:
                place += 32768 - place % 32768
                continue
            size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
            message += data[place + 7 : place + 7 + size]
            place += 7 + size
            if kind in (1, 4):  # whole, or the last part
                record = wandb_internal_pb2.Record()
                record.ParseFromString(message)
                message = b""
                yield record

    def test_what_is_logged_is_read_back(
        self, run: Path, rows: list[TrackedRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("wandb")
        for name, value in {"MODE": "offline", "DIR": str(tmp_path), "SILENT": "true"}.items():
            monkeypatch.setenv(f"WANDB_{name}", value)
        logged = log_to_wandb(run, "bench-tests", audio=2)
        assert [one.label for one in logged] == ["sine", "a[b=1,c]"]
        for row, one in zip(rows, logged, strict=True):
            folder = Path(one.place)
            assert folder.is_relative_to(tmp_path)
            (file,) = folder.glob("*.wandb")
            config: dict[str, Any] = {}
            summary: dict[str, Any] = {}
            about: Any = None
            for record in self._records(file):
                kind = record.WhichOneof("record_type")
                if kind == "run":
                    about = record.run
                    config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
                elif kind == "summary":
                    for item in record.summary.update:
                        summary[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
            assert (about.run_id, about.display_name, about.run_group) == (row.key, row.label, "run")
            assert config["protocol"] == row.config["protocol"] and config["model"] == row.config["model"]
            assert {name: summary[name] for name in row.numbers} == row.numbers
            (table,) = folder.glob("files/media/table/clips*.table.json")
            held = json.loads(table.read_text())
            expected = _table(run, row.label)
            assert held["columns"] == list(expected.columns) and len(held["data"]) == 12
            place = held["columns"].index("Peak@1")
            values = [value if (value := line[place]) is not None else float("nan") for line in held["data"]]
            assert values == pytest.approx(expected["Peak@1"].to_list(), nan_ok=True)
            sounds = {path.read_bytes() for path in folder.glob("files/media/audio/*.flac")}
            assert sounds == {path.read_bytes() for path, _ in row.audio}


class TestMlflow:
    def test_what_is_logged_is_read_back_and_brought_up_to_date(
        self, run: Path, rows: list[TrackedRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Skipped where mlflow is not installed: it does not go with the versions that the tests are pinned to."""
        mlflow = pytest.importorskip("mlflow")
        pytest.importorskip("sqlalchemy")
        monkeypatch.chdir(tmp_path)
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
        first = log_to_mlflow(run, "bench-tests", audio=2)
        again = log_to_mlflow(run, "bench-tests", audio=2)
        assert first == again
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("bench-tests")
        held = {found.info.run_name: found for found in client.search_runs([experiment.experiment_id])}
        assert held.keys() == {"sine", "a[b=1,c]"}
        for row in rows:
            found = held[row.label]
            assert found.data.metrics == pytest.approx(flat_names(row.numbers))
            assert found.data.params["protocol.id"] == row.config["protocol"]["id"]
            assert found.data.params["model.fingerprint"] == row.config["model"]["fingerprint"]
            assert found.data.tags["tunebench.version"] == row.config["tunebench"]
            assert found.info.status == "FINISHED"
            (tmp_path / row.key).mkdir()
            folder = Path(client.download_artifacts(found.info.run_id, "", str(tmp_path / row.key)))
            assert json.loads((folder / "leaderboard.json").read_text()) == [dict(one) for one in row.leaderboard]
            peaks = pd.read_csv(folder / "clips.csv")["Peak@1"]
            assert peaks.to_list() == pytest.approx(_table(run, row.label)["Peak@1"].to_list(), nan_ok=True)
            assert {path.name for path in (folder / "audio").iterdir()} == {path.name for path, _ in row.audio}

    def test_a_server_of_no_known_kind_is_refused_and_its_password_not_shown(self, run: Path) -> None:
        mlflow = pytest.importorskip("mlflow")
        mlflow.set_tracking_uri("nonsense://me:secret@example.org")
        with pytest.raises(UsageError) as raised:
            log_to_mlflow(run, "bench-tests")
        assert "example.org" in str(raised.value) and "secret" not in str(raised.value)


def test_names_that_mlflow_takes_stay_apart() -> None:
    found = flat_names({"a@1": 1, "a[1": 2, "a_1": 3, "x" * 300: 4, "x" * 299 + "y": 5})
    assert list(found.values()) == [1, 2, 3, 4, 5]
    assert all(len(name) <= 250 for name in found)
