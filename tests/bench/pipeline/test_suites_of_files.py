"""Runs of prompts that come in a table, from the plan to the report and the bundle."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import soundfile
from typer.testing import CliRunner

import bench
from bench.cli import app
from bench.scores.protocol import protocol_of
from bench.storage.store import Store

TINY = Path(__file__).resolve().parents[2] / "plugins" / "tiny.py"


def write_captions(path: Path, prompts: int) -> list[str]:
    """Write a table of MusicCaps' layout, and return its ids."""
    ids = [f"{'-_y'[place % 3]}{place:010d}" for place in range(prompts)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ytid", "start_s", "aspect_list", "caption", "is_balanced_subset"])
        for place, id in enumerate(ids):
            writer.writerow([id, 30, "['slow', 'sad']", f'Tune "{place}",\nslowly', place % 2 == 0])
    return ids


def invoke(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def asked(suite: str, out: Path) -> list[str]:
    words = ["--suite", suite, "--model", f"{TINY}:Sine", "--metric", f"{TINY}:Peak", "--set", "duration=0.05"]
    return [*words, "--set", "executor.workers=0", "--out", str(out)]


def test_300_prompts_from_the_plan_to_the_report(tmp_path: Path) -> None:
    suite, out = tmp_path / "captions.csv", tmp_path / "run"
    ids = write_captions(suite, 300)
    assert "300 clips to make" in invoke("run", *asked(str(suite), out), "--dry-run")
    invoke("run", *asked(str(suite), out))
    (row,) = json.loads(invoke("leaderboard", out, "--json"))
    assert (row["n"], row["planned"]) == (300, 300)
    invoke("report", out, "--audio", "none")
    pages = {page.name for page in (out / "report" / "prompts").iterdir()}
    assert len(pages) >= 300
    with Store.read(out) as store:
        assert list(store.prompts()) == ids
        content = protocol_of(store).content
    assert content["suite_file"] == bench.load_suite(str(suite)).file_hash


def test_another_file_or_other_rows_are_another_run(tmp_path: Path) -> None:
    suite, out = tmp_path / "captions.csv", tmp_path / "run"
    write_captions(suite, 6)
    invoke("run", *asked(f"{suite},where={{is_balanced_subset: true}}", out))
    again = CliRunner().invoke(app, ["run", *asked(str(suite), out)])
    assert isinstance(again.exception, bench.UsageError)
    # The frozen configuration keeps how the file was read, and resumes the run.
    invoke("run", out / "config.yaml", "--out", out)
    suite.write_text(suite.read_text().replace("slowly", "fast"))
    changed = CliRunner().invoke(app, ["run", str(out / "config.yaml"), "--out", str(out)])
    assert isinstance(changed.exception, bench.UsageError)


def test_protocols_of_two_files_with_the_same_prompts_differ(tmp_path: Path) -> None:
    rows = "id,text,note\na,A slow waltz,{0}\nb,A fast reel,{0}\n"
    ids = []
    for name in ("one", "two"):
        suite = tmp_path / f"{name}.csv"
        suite.write_text(rows.format(name))
        invoke("run", *asked(str(suite), tmp_path / name))
        with Store.read(tmp_path / name) as store:
            ids.append(protocol_of(store).id)
    assert ids[0] != ids[1]


def test_own_clips_answer_the_prompts_of_a_file(tmp_path: Path) -> None:
    suite, clips = tmp_path / "captions.csv", tmp_path / "clips"
    ids = write_captions(suite, 3)
    clips.mkdir()
    for id in ids:
        soundfile.write(clips / f"{id}.wav", np.full(800, 0.5), 8000)
    metric, out = f"{TINY}:Peak", tmp_path / "run"
    (row,) = json.loads(invoke("score", clips, "--suite", suite, "--metric", metric, "--out", out, "--json"))
    assert (row["n"], row["value"]) == (3, 50.0)


def test_a_bundle_of_such_a_run_verifies(tmp_path: Path) -> None:
    suite, out, bundle = tmp_path / "captions.csv", tmp_path / "run", tmp_path / "run.zip"
    write_captions(suite, 4)
    words = ["--suite", str(suite), "--model", "noise", "--metric", "rhythm-grid", "--set", "duration=1"]
    invoke("run", *words, "--out", out)
    invoke("export", "bundle", out, bundle)
    suite.unlink()
    assert invoke("verify", bundle)
