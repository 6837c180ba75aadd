"""Bundles: a run in one file that gives the same numbers again, and says so when it does not."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import DataError, MissingError, UsageError
from bench.bundle.pack import leaderboard_json, pack
from bench.bundle.verification import Numbers, Place, compare
from bench.bundle.verify import verify
from bench.cli.verify import command
from bench.runner import rescore
from bench.store import Store

SUITE = {
    "name": "small",
    "version": 1,
    "prompts": [
        {"id": f"{genre}-{level}", "genre": genre, "level": level, "text": f"{genre} {level}", **more}
        for genre, level, more in (
            *(("jazz", 1, {}), ("jazz", 2, {"key": "C major"})),
            *(("pop", 1, {}), ("pop", 2, {"key": "A minor"})),
        )
    ],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run with installed metrics, since those of plugin files are never computed out of a bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "small.yaml").write_text(yaml.safe_dump(SUITE))
    config = {
        "suite": str(folder / "small.yaml"),
        "models": [{"name": "composer", "as": "base"}, {"name": "noise"}],
        "metrics": ["genre-fit", "key-adherence", "kad"],
        "duration": 3,
        "executor": {"workers": 0},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return bench.run(folder / "c.yaml", folder / "small").folder


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(run, tmp_path_factory.mktemp("packed") / "small.tunebench.zip").path


def contents(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sealed(files: dict[str, bytes], path: Path) -> Path:
    """A bundle of other files, each with its right hash: what somebody who means to cheat would write."""
    index = json.loads(files["bundle.json"])
    others = {name: content for name, content in files.items() if name != "bundle.json"}
    index["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} for name, content in others.items()
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [*others.items(), ("bundle.json", json.dumps(index).encode())]:
            archive.writestr(name, content)
    return path


class TestPacking:
    def test_the_same_run_gives_the_same_bytes(self, run: Path, bundle: Path, tmp_path: Path) -> None:
        again = pack(run, tmp_path / "again.zip")
        assert again.path.read_bytes() == bundle.read_bytes()
        assert (again.size, again.clips, again.lacking) == (bundle.stat().st_size, 8, 0)

    def test_the_index_describes_every_file(self, bundle: Path) -> None:
        files = contents(bundle)
        index = json.loads(files.pop("bundle.json"))
        assert index["files"] == {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in files.items()
        }
        assert sum(name.endswith(".flac") for name in files) == 8
        assert sum(name.startswith("references/") for name in files) == 1
        assert index["protocol"]["line"].startswith(f"protocol {index['protocol']['id']}: small@1, 3 s")
        assert {model["model"] for model in index["models"]} == {"base", "noise"}
        assert index["versions"].keys() >= {"tunebench", "python", "numpy", "soundfile"}

    def test_unpacked_it_is_the_run_without_embeddings(self, run: Path, bundle: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(tmp_path)
        assert json.loads((tmp_path / "leaderboard.json").read_text()) == json.loads(leaderboard_json(run))
        with Store.read(tmp_path) as ours, Store.read(run) as theirs:
            for table in ("clips", "scores", "set_scores", "prompts", "models", "metrics", "notes"):
                assert ours.rows(f"SELECT * FROM {table}") == theirs.rows(f"SELECT * FROM {table}"), table
            assert ours.rows("SELECT * FROM embeddings") == []
            assert all((tmp_path / clip.path).is_file() for clip in ours.made())

    def test_a_driver_may_be_at_work(self, run: Path, tmp_path: Path, bundle: Path) -> None:
        busy = tmp_path / "small"
        shutil.copytree(run, busy)
        with Store.open(busy) as driver, driver._transaction():
            driver._db.execute("UPDATE clips SET state = 'failed', error = 'not yet told to anybody'")
            assert contents(pack(busy, tmp_path / "b.zip").path) == contents(bundle)

    def test_clips_that_are_not_made_are_counted(self, run: Path, tmp_path: Path) -> None:
        holed = tmp_path / "holed"
        shutil.copytree(run, holed)
        with sqlite3.connect(holed / "run.db") as db:
            db.execute("UPDATE clips SET state = 'planned', content = NULL WHERE prompt = 'jazz-1'")
        with pytest.raises(UsageError, match=r"2 of 8 clips in .*holed are not made.*--partial"):
            pack(holed, tmp_path / "b.zip")
        with pytest.raises(UsageError, match=r"2 scores in .* are not computed yet; run 'tunebench score"):
            pack(holed, tmp_path / "b.zip", partial=True)
        rescore(holed, bench.load_config(holed / "config.yaml"))
        packed = pack(holed, tmp_path / "b.zip", partial=True)
        assert (packed.clips, packed.lacking) == (6, 2)
        found = verify(packed.path, workers=0)
        assert found.holds
        assert found.clips == 6

    def test_what_is_gone_is_named_and_nothing_is_left_behind(self, run: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(run, broken)
        with Store.read(broken) as store:
            path = store.made()[0].path
        (broken / path).unlink()
        with pytest.raises(DataError, match=f"{path} is gone"):
            pack(broken, tmp_path / "b.zip")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]
        with pytest.raises(UsageError, match="is no run folder"):
            pack(tmp_path, tmp_path / "b.zip")


class TestVerifying:
    def test_the_numbers_come_out_again(self, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command(bundle, workers=0)
        printed = capsys.readouterr().out.splitlines()
        assert printed[0].startswith("small, protocol ")
        assert printed[1] == "13 files, 8 clips decoded"
        assert printed[2].startswith("all ") and "numbers agree within 1e-06" in printed[2]
        assert len(printed) == 3

    def test_a_changed_number_is_found(self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        files = contents(bundle)
        records = json.loads(files["leaderboard.json"])
        changed = next(r for r in records if r["metric"] == "kad@1" and r["group"] == "pop" and r["model"] == "base")
        changed["value"] *= 1.01
        files["leaderboard.json"] = json.dumps(records).encode()
        text = files["scores.csv"].decode().splitlines()
        column = text[0].split(",").index("genre-fit@1")
        row = next(number for number, line in enumerate(text) if line.startswith("base,jazz-1,"))
        fields = text[row].split(",")
        fields[column] = "7.5"
        text[row] = ",".join(fields)
        files["scores.csv"] = "\n".join(text).encode()
        with pytest.raises(DataError, match="2 numbers differ") as raised:
            command(sealed(files, tmp_path / "b.zip"), workers=0, as_json=True)
        assert raised.value.exit_code == 5
        record = json.loads(capsys.readouterr().out)
        assert record["damage"] == [] and record["holds"] is False
        first, second = record["deviations"]
        assert (first["model"], first["metric"], first["grouping"], first["group"]) == ("base", "kad@1", "genre", "pop")
        assert first["quantity"] == "value"
        assert first["relative"] == pytest.approx(0.01 / 1.01)
        assert (second["grouping"], second["group"], second["then"]) == ("clip", "jazz-1, seed 0", 7.5)

    def test_exchanged_clips_are_heard(self, bundle: Path, tmp_path: Path) -> None:
        files = contents(bundle)
        one = next(name for name in files if name.startswith("audio/base/"))
        other = next(name for name in files if name.startswith("audio/noise/"))
        files[one] = files[other]
        found = verify(sealed(files, tmp_path / "b.zip"), workers=0)
        assert found.damage == (f"{one}: does not sound like the clip that was scored",)
        assert {d.place.model for d in found.deviations} == {"base"}
        assert not found.holds

    def test_a_file_that_is_not_as_packed_is_named(self, bundle: Path, tmp_path: Path) -> None:
        files = contents(bundle)
        files["scores.csv"] += b"\n"
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for name, content in files.items():
                if name != "config.yaml":
                    archive.writestr(name, content)
        found = verify(tmp_path / "b.zip")
        assert found.damage == ("config.yaml: is missing", "scores.csv: is not as it was packed")
        assert found.numbers == 0

    def test_another_reference_is_not_compared_with(self, bundle: Path, tmp_path: Path) -> None:
        files = contents(bundle)
        name = next(name for name in files if name.startswith("references/"))
        content = bytearray(files[name])
        content[-1] ^= 0x01  # the exponent of the last float of the embeddings
        files[name] = bytes(content)
        found = verify(sealed(files, tmp_path / "b.zip"), workers=0)
        assert found.damage == (f"{name}: holds another reference than kad@1 was compared with",)
        assert found.deviations == ()
        assert found.numbers > 0

    def test_metrics_of_plugin_files_are_not_computed(
        self, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = {
            "models": [{"name": f"{tiny}:Sine", "as": "sine"}],
            "metrics": [f"{tiny}:Peak", "key-adherence"],
            "duration": 0.5,
            "executor": {"workers": 0},
        }
        packed = pack(bench.run(config, tmp_path / "tiny").folder, tmp_path / "b.zip")
        with pytest.raises(MissingError, match="Peak@1 cannot be computed here") as raised:
            command(packed.path, workers=0)
        assert raised.value.exit_code == 3
        printed = capsys.readouterr().out
        assert "not checked: Peak@1: no metric 'Peak' is installed here" in printed
        assert "numbers agree" in printed


def _tables() -> Iterator[tuple[dict[Place, Numbers], dict[Place, Numbers]]]:
    place = Place("m", "x@1", "all", "all")
    yield {place: Numbers(1.0, 0.5, 1.5, 4)}, {}
    yield {}, {place: Numbers(1.0, 0.5, 1.5, 4)}


@pytest.mark.parametrize(("then", "now"), _tables())
def test_what_only_one_table_has_is_a_deviation(then: dict[Place, Numbers], now: dict[Place, Numbers]) -> None:
    found = compare(then, now, 0.5)
    assert found.numbers == len(found.deviations) == 4
    assert all(deviation.relative is None for deviation in found.deviations)
    assert compare(then, now, 0.5, ["x@1"]).deviations == ()


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e-3), st.floats(1e-9, 1e-3))
def test_numbers_agree_up_to_the_tolerance(value: float, apart: float, tolerance: float) -> None:
    place = Place("m", "x@1", "all", "all")
    found = compare({place: Numbers(value)}, {place: Numbers(value * (1 + apart))}, tolerance)
    expected = abs(value * (1 + apart) - value) / max(abs(value * (1 + apart)), 1e-6)
    assert found.largest == pytest.approx(expected, rel=1e-9)
    assert bool(found.deviations) == (found.largest > tolerance)
