"""Bundles: a run in one file that gives the same numbers again, and says so when it does not."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import DataError, MissingError, UsageError
from bench.atomic_write import replacing
from bench.bundle.pack import leaderboard_records, pack
from bench.bundle.verification import SCOPE, Place, Table, compare
from bench.bundle.verify import verify
from bench.cli.export import bundle as export_bundle
from bench.cli.verify import command
from bench.pipeline.run import rescore
from bench.scores.protocol import protocol_of
from bench.storage.digests import write_digests
from bench.storage.store import Store

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
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A real run with installed metrics, since those of plugin files are never computed out of a bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "small.yaml").write_text(yaml.safe_dump(SUITE))
    config = {
        "suite": str(folder / "small.yaml"),
        "models": [{"name": f"{tiny}:Sine", "as": "base"}, {"name": "noise"}],
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
        with Store.read(tmp_path) as ours, Store.read(run) as theirs:
            records = leaderboard_records(run, run, protocol_of(theirs))
            assert json.loads((tmp_path / "leaderboard.json").read_text()) == records
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
            for (path,) in db.execute("SELECT path FROM clips WHERE prompt = 'jazz-1'").fetchall():
                (holed / path).unlink()
            db.execute("UPDATE clips SET state = 'planned', content = NULL WHERE prompt = 'jazz-1'")
            write_digests(db)
        with pytest.raises(UsageError) as caught:
            pack(holed, tmp_path / "b.zip")
        assert all(word in str(caught.value) for word in ("2 of 8 clips", str(holed), "--partial"))
        with pytest.raises(UsageError) as caught:
            pack(holed, tmp_path / "b.zip", partial=True)
        assert all(word in str(caught.value) for word in ("2 scores", f"'tunebench score {holed}'"))
        rescore(holed, bench.load_config(holed / "config.yaml"))
        packed = pack(holed, tmp_path / "b.zip", partial=True)
        assert (packed.clips, packed.lacking) == (6, 2)
        found = verify(packed.path, workers=0)
        assert found.holds
        assert found.clips == 6

    def test_without_embeddings_ranks_cannot_be_tested(self, bundle: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(tmp_path / "un")
        with pytest.raises(UsageError) as caught:
            pack(tmp_path / "un", tmp_path / "b.zip")
        assert all(word in str(caught.value) for word in ("8 clips", f"'tunebench score {tmp_path / 'un'}'"))

    def test_it_goes_into_a_folder_that_is_there(
        self, run: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for target in (None, Path(), tmp_path, Path("..") / tmp_path.name):
            packed = pack(run, target).path
            assert packed.resolve() == tmp_path / "small.tunebench.zip"
            assert packed.read_bytes() == bundle.read_bytes()
            packed.unlink()
        gone = tmp_path / "gone"
        shutil.copytree(run, gone, ignore=shutil.ignore_patterns("audio"))
        (tmp_path / "gone.tunebench.zip").mkdir()
        # The target is looked at before the audio, which would take long.
        for wrong, why in ((tmp_path / "no" / "b.zip", str(tmp_path / "no")), (tmp_path, str(tmp_path))):
            with pytest.raises(UsageError, match=why):
                pack(gone, wrong)
        for nameless in (Path(), Path("/"), Path("..")):
            with pytest.raises(UsageError, match=re.escape(f"'{nameless}'")), replacing(nameless):
                pass

    def test_interrupted_they_say_that_nothing_is_kept(
        self, run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupt(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and frame.f_code.co_name in ("write_files", "unpack"):
                sys.setprofile(None)
                raise KeyboardInterrupt

        for work in (lambda: export_bundle(run, tmp_path / "b.zip"), lambda: command(bundle, workers=0)):
            sys.setprofile(interrupt)
            try:
                with pytest.raises(typer.Exit) as left:
                    work()
            finally:
                sys.setprofile(None)
            assert left.value.exit_code == 130
            assert "interrupted" in capsys.readouterr().err.splitlines()[-1]
        assert list(tmp_path.iterdir()) == []

    def test_what_is_gone_is_named_and_nothing_is_left_behind(self, run: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(run, broken)
        with Store.read(broken) as store:
            path = store.made()[0].path
        (broken / path).unlink()
        with pytest.raises(DataError, match=re.escape(path)):
            pack(broken, tmp_path / "b.zip")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]
        with pytest.raises(UsageError, match=r"run\.db"):
            pack(tmp_path, tmp_path / "b.zip")


class TestVerifying:
    def test_the_numbers_come_out_again(self, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command(bundle, workers=0)
        printed = capsys.readouterr().out.splitlines()
        assert printed[0].startswith("small, protocol ")
        assert printed[1] == "13 files, 8 clips decoded"
        assert printed[2].startswith("all ") and "numbers agree within 1e-06" in printed[2]
        assert "not" not in printed[2] and printed[3] == SCOPE
        assert len(printed) == 4

    def test_a_changed_number_is_found(self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        files = contents(bundle)
        records = json.loads(files["leaderboard.json"])
        changed = next(r for r in records if r["metric"] == "kad@2" and r["group"] == "pop" and r["model"] == "base")
        changed["value"] *= 1.01
        files["leaderboard.json"] = json.dumps(records).encode()
        text = files["scores.csv"].decode().splitlines()
        column = text[0].split(",").index("genre-fit@2")
        row = next(number for number, line in enumerate(text) if line.startswith("base,jazz-1,"))
        fields = text[row].split(",")
        fields[column] = "7.5"
        text[row] = ",".join(fields)
        files["scores.csv"] = "\n".join(text).encode()
        with pytest.raises(DataError, match="2 values differ") as raised:
            command(sealed(files, tmp_path / "b.zip"), workers=0, as_json=True)
        assert raised.value.exit_code == 5
        record = json.loads(capsys.readouterr().out)
        assert record["damage"] == [] and record["holds"] is False
        first, second = record["deviations"]
        assert [first[name] for name in Place._fields] == ["leaderboard.json", "base", "kad@2", "genre", "pop"]
        assert first["quantity"] == "value"
        assert first["relative"] == pytest.approx(0.01 / 1.01)
        assert (second["grouping"], second["group"], second["then"]) == ("clip", "jazz-1, seed 0", 7.5)

    def test_every_forged_value_is_found(self, bundle: Path, tmp_path: Path) -> None:
        """What a reader sees, in whichever file, with hashes made anew."""
        files = contents(bundle)
        record: dict[str, object] = {"n": 99, "planned": 999, "value": 1e6, "low": 9e5, "high": 2e6, "unit": "fish"}
        record |= {"rank_best": 7, "rank_worst": 9, "tied": ["who"], "known": 1.5, "chance": 0.5, "view": "first 1 s"}
        record |= {"direction": "none", "note": "official", "warnings": ["W-X"], "reference": "MusicCaps"}
        record |= {"protocol": "f" * 12, "award": "gold"}
        records = [{**old, **record} for old in json.loads(files["leaderboard.json"])]
        files["leaderboard.json"] = json.dumps(records).encode()
        rows = list(csv.DictReader(io.StringIO(files["scores.csv"].decode(), newline="")))
        said = {"text": "anything", "genre": "polka", "level": "9", "file": "gone.flac", "state": "failed"}
        said |= {"duration": "9.5", "sample_rate": "9", "bpm": "60.0", "key": "B major", "genre-fit@2": "1.0"}
        said["key-adherence@2 reason"] = "made up"
        table = io.StringIO()
        writer = csv.DictWriter(table, rows[0].keys())
        writer.writeheader()
        writer.writerows([{**row, **said} for row in rows])
        files["scores.csv"] = table.getvalue().encode()
        (tmp_path / "run.db").write_bytes(files["run.db"])
        with sqlite3.connect(tmp_path / "run.db") as db:
            db.executescript(
                "UPDATE scores SET value = 99.9, reason = NULL, details = '{}' WHERE metric = 'genre-fit';"
                "UPDATE scores SET reason = 'made up' WHERE reason IS NOT NULL;"
                "UPDATE set_scores SET value = -5, low = -6, high = -4, n = 99, warnings = '[]';"
                "UPDATE metrics SET unit = 'fish', direction = 'lower', lowest = 0, highest = 1, hit_or_miss = 1 - "
                "hit_or_miss WHERE NOT of_sets; UPDATE metrics SET reference_name = 'MusicCaps' WHERE of_sets"
            )
            write_digests(db)
        files["run.db"] = (tmp_path / "run.db").read_bytes()
        found = verify(sealed(files, tmp_path / "b.zip"), workers=0)
        named: dict[str, set[str]] = {}
        for deviation in found.deviations:
            named.setdefault(deviation.place.file, set()).add(deviation.quantity.partition(".")[0])
        assert named["leaderboard.json"] == record.keys()
        assert named["scores.csv"] == {name.removesuffix("@1") for name in said if "@" not in name} | {
            "value",
            "reason",
        }
        assert named["run.db"] >= {"value", "low", "high", "n", "warnings", "details", "unit", "direction"}
        assert named["run.db"] >= {"reason", "lowest", "highest", "hit_or_miss", "reference_name"}
        assert found.damage == () and "MusicCaps" not in found.protocol

    def test_exchanged_clips_are_heard(self, bundle: Path, tmp_path: Path) -> None:
        files = contents(bundle)
        one, other = [name for name in files if name.startswith("audio/base/")][:2]
        files[one] = files[other]
        found = verify(sealed(files, tmp_path / "b.zip"), workers=0)
        assert [line.partition(":")[0] for line in found.damage] == [one]
        values = [d for d in found.deviations if d.quantity == "value"]
        assert values and {d.place.model for d in values} == {"base"}
        assert not found.holds

    def test_a_file_that_is_not_as_packed_is_named(self, bundle: Path, tmp_path: Path) -> None:
        files = contents(bundle)
        files["scores.csv"] += b"\n"
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for name, content in files.items():
                if name != "config.yaml":
                    archive.writestr(name, content)
        found = verify(tmp_path / "b.zip")
        assert [line.partition(":")[0] for line in found.damage] == ["config.yaml", "scores.csv"]
        assert found.numbers == 0

    def test_another_reference_is_not_compared_with(self, bundle: Path, tmp_path: Path) -> None:
        files = contents(bundle)
        name = next(name for name in files if name.startswith("references/"))
        content = bytearray(files[name])
        content[-1] ^= 0x01  # the exponent of the last float of the embeddings
        files[name] = bytes(content)
        found = verify(sealed(files, tmp_path / "b.zip"), workers=0)
        (line,) = found.damage
        assert line.startswith(f"{name}: ") and "kad@2" in line
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
        with pytest.raises(MissingError, match="Peak@1") as raised:
            command(packed.path, workers=0)
        assert raised.value.exit_code == 3
        printed = capsys.readouterr().out
        assert "not checked: Peak@1: no metric 'Peak' is installed here" in printed
        assert "numbers agree" in printed

    def test_missing_software_of_some_metrics_leaves_the_others_checked(self, bundle: Path) -> None:
        program = (
            "import json, sys; sys.modules['onnxruntime'] = None  # as where it is not installed\n"
            "from bench.bundle.verify import verify\n"
            "found = verify(sys.argv[1], workers=0)\n"
            "print(json.dumps([sorted(found.unchecked), found.damage, len(found.deviations), found.numbers]))"
        )
        done = subprocess.run([sys.executable, "-c", program, str(bundle)], capture_output=True, text=True, check=True)
        unchecked, damage, deviations, numbers = json.loads(done.stdout)
        assert (unchecked, damage, deviations) == (["genre-fit@2", "kad@2"], [], 0)
        assert 0 < numbers < verify(bundle, workers=0).numbers


PLACE = Place("leaderboard.json", "m", "x@1", "all", "all")
RECORD: dict[str, Any] = {"value": 1.0, "low": 0.5, "n": 4, "direction": "higher"}


@pytest.mark.parametrize(("then", "now"), [({PLACE: RECORD}, {}), ({}, {PLACE: RECORD})])
def test_what_only_one_table_has_is_a_deviation(then: Table, now: Table) -> None:
    found = compare(then, now, 0.5)
    assert (found.numbers, len(found.deviations)) == (3, 4)
    assert all(deviation.relative is None for deviation in found.deviations)
    assert compare(then, now, 0.5, ["x@1"]).deviations == ()


def test_what_is_counted_or_said_has_no_tolerance() -> None:
    forged: dict[str, Any] = {**RECORD, "value": 1.2, "n": 5, "direction": "lower"}
    assert [d.quantity for d in compare({PLACE: forged}, {PLACE: RECORD}, 0.5).deviations] == ["n", "direction"]


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e-3), st.floats(1e-9, 1e-3))
def test_numbers_agree_up_to_the_tolerance(value: float, apart: float, tolerance: float) -> None:
    found = compare({PLACE: {"value": value}}, {PLACE: {"value": value * (1 + apart)}}, tolerance)
    expected = abs(value * (1 + apart) - value) / max(abs(value * (1 + apart)), 1e-6)
    assert found.largest == pytest.approx(expected, rel=1e-9)
    assert bool(found.deviations) == (found.largest > tolerance)


def test_scores_against_music_come_out_again(tmp_path: Path, tiny: Path) -> None:
    """Of a set and of recordings paired with prompts, whose embeddings are packed; no other file is needed."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SUITE))
    music = bench.run(
        {
            "suite": str(tmp_path / "small.yaml"),
            "models": [f"{tiny}:Sine"],
            "metrics": [],
            "duration": 6.2,
            "executor": {"workers": 0},
        },
        tmp_path / "music",
    ).folder
    with Store.read(music) as store:
        lines = [f"{clip.prompt},music/{clip.path}" for clip in store.made()]
    (tmp_path / "pairs.csv").write_text("\n".join(["prompt,file", *lines[:-1]]))
    settings = {
        "suite": str(tmp_path / "small.yaml"),
        "models": ["noise"],
        "metrics": ["kl-musicnn", "fad-clip", "is"],
        "pairs": str(tmp_path / "pairs.csv"),
        "duration": 6.2,
        "executor": {"workers": 0},
    }
    packed = pack(bench.run(settings, tmp_path / "run").folder, tmp_path / "b.tunebench.zip").path
    for name in ("music", "run"):
        shutil.rmtree(tmp_path / name)
    (tmp_path / "pairs.csv").unlink()
    found = verify(packed, workers=0)
    assert found.holds and not found.unchecked and found.largest == 0
    files = contents(packed)
    assert sum(name.startswith("references/") for name in files) == 2
    # Another pairing is another reference than the scores are against.
    name = next(name for name in files if name.startswith("references/") and b'\\"pairs\\"' in files[name])
    first, second = b"jazz-1", b"pop-1"  # jazz-2 sounds as jazz-1 does
    assert files[name].count(first + b'\\":0') == files[name].count(second + b'\\":1') == 1
    changed = files[name].replace(first + b'\\":0', first + b'\\":1').replace(second + b'\\":1', second + b'\\":0')
    altered = verify(sealed({**files, name: changed}, tmp_path / "altered.zip"), workers=0)
    assert not altered.holds and any("is not the reference" in line for line in altered.damage)
