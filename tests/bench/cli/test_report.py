"""``tunebench report`` from end to end: what it writes, what it leaves alone, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

import bench
from bench.cli import report
from bench.comparison.compare import compare
from bench.errors import MissingError, TunebenchError
from bench.report.build import build_report, report_record
from bench.report.output_folder import MARKER, OutputFolder
from bench.storage.store import Store

app = typer.Typer()
app.command("report")(report.command)

PROMPTS = [
    {"id": "rock-1", "genre": "rock", "level": 1, "text": '</script><script>alert("1")</script>'},
    {"id": "rock-2", "genre": "rock", "level": 2, "text": "A slow rock ballad for guitar"},
    {"id": "jazz-1", "genre": "jazz", "level": 1, "text": "=1+1"},
    {"id": "jazz-2", "genre": "jazz", "level": 2, "text": "A jazz trio in a small room"},
]


def configuration(tiny: Path, folder: Path, models: tuple[str, ...], **settings: Any) -> dict[str, Any]:
    (folder / "four.yaml").write_text(yaml.safe_dump({"name": "four", "version": 1, "prompts": PROMPTS}))
    return {
        "suite": str(folder / "four.yaml"),
        "models": [
            {"name": f"{tiny}:Sine", "as": name, "params": {"hz": 200.0 + 50 * place, "bad": "error" if place else ""}}
            for place, name in enumerate(models)
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames"],
        "duration": 0.75,
        "executor": {"workers": 0},
        **settings,
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A run of two models with its report, which took no time to make."""
    folder = tmp_path_factory.mktemp("report")
    config = configuration(tiny, folder, ("low", "high"), seeds=[0, 1])
    run = bench.run(config, folder / "run").folder
    build_report(run, workers=0)
    return run


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "run"))


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--workers", "0"])


def refused(*arguments: object) -> TunebenchError:
    error = invoke(*arguments).exception
    assert isinstance(error, TunebenchError)
    return error


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_report_is_written_and_says_how_to_open_it(original: Path, tmp_path: Path) -> None:
    result = invoke(original, "--out", tmp_path / "r")
    assert result.exit_code == 0, result.exception
    assert result.stdout.strip() == str(tmp_path / "r" / "index.html")
    assert "14 clips; the first page loads" in result.stderr
    files = contents(tmp_path / "r")
    assert len([name for name in files if name.startswith("audio/")]) == 14
    for name in (
        "index.html",
        "about.html",
        "compare.html",
        "prompts/1.html",
        "data/scores.csv",
        "data/provenance.json",
    ):
        assert name in files
    assert b"</script><script>alert" not in b"".join(content for name, content in files.items() if "html" in name)
    assert sum(len(files[name]) for name in files if name == "index.html") < 1_000_000


def test_the_same_run_gives_the_same_report(run: Path) -> None:
    before = contents(run / "report")
    marks = {file: file.stat().st_mtime_ns for file in (run / "report" / "audio").iterdir()}
    assert build_report(run, workers=0) == run / "report"
    assert contents(run / "report") == before
    assert {file: file.stat().st_mtime_ns for file in (run / "report" / "audio").iterdir()} == marks


def test_a_report_only_reads_its_run(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "report")
    with Store.open(run):  # a driver is at work in it
        before = contents(run)
        build_report(run, tmp_path / "elsewhere", workers=0)
        assert contents(run) == before


def test_a_report_without_audio_leaves_alone_what_was_encoded(run: Path) -> None:
    before = {path: path.stat().st_ino for path in (run / "report" / "audio").iterdir()}
    build_report(run, audio=None, workers=0)
    page = (run / "report" / "prompts" / "1.html").read_text()
    assert "<audio" not in page and "built without audio" in page
    assert before and {path: path.stat().st_ino for path in (run / "report" / "audio").iterdir()} == before
    build_report(run, workers=0)
    assert "<audio" in (run / "report" / "prompts" / "1.html").read_text()
    assert {path: path.stat().st_ino for path in (run / "report" / "audio").iterdir()} == before


def test_what_is_gone_is_removed_and_what_is_not_ours_stays(run: Path, tiny: Path, tmp_path: Path) -> None:
    out = run / "report"
    (out / "notes.txt").write_text("mine")
    (out / "prompts" / "mine.html").write_text("mine")
    (out / "audio" / "mine.flac").write_text("mine")
    other = tmp_path / "other"
    other.mkdir()
    config = configuration(tiny, other, ("low",), seeds=[0], metrics=[f"{tiny}:Peak"])
    smaller = bench.run({**config, "suite": "quick@1"}, other / "run").folder
    build_report(smaller, out, workers=0)
    build_report(run, workers=0)
    assert (out / "prompts" / "5.html").exists() is False
    mine = {"notes.txt", "prompts/mine.html", "audio/mine.flac"}
    expected = build_report(run, tmp_path / "anew", workers=0)
    assert set(contents(out)) == set(contents(expected)) | mine
    assert {name for name, content in contents(out).items() if content == b"mine"} == mine


def test_pages_and_folders_of_an_earlier_report_go(run: Path, tiny: Path, tmp_path: Path) -> None:
    out = run / "report"
    assert list((out / "data" / "compare").iterdir())
    other = tmp_path / "other"
    other.mkdir()
    alone = bench.run(configuration(tiny, other, ("low",), seeds=[0]), other / "run").folder
    build_report(alone, out, workers=0)
    assert set(contents(out)) == set(contents(build_report(alone, workers=0)))
    assert not (out / "data" / "compare").exists()


def test_a_folder_of_something_else_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    assert MARKER in str(refused(run, "--out", tmp_path / "full"))
    assert MARKER in str(refused(run, "--out", run))
    assert list((tmp_path / "full").iterdir()) == [tmp_path / "full" / "thesis.tex"]
    assert "is a file" in str(refused(run, "--out", run / "run.db"))
    for marker in ("{}", "nonsense", "[" * 100_000, '{"kind": "tunebench report", "format": 1, "files": 3}'):
        (tmp_path / "full" / MARKER).write_text(marker)
        assert "is not that of a report" in str(refused(run, "--out", tmp_path / "full"))
    assert (tmp_path / "full" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "data/../../secret", ".."])
def test_a_marker_does_not_reach_beyond_its_folder(run: Path, name: str) -> None:
    marker = run / "report" / MARKER
    (run / "secret").write_text("kept")
    marker.write_text(json.dumps({"kind": "tunebench report", "format": 1, "files": [name]}))
    assert "is not that of a report" in str(refused(run))
    assert (run / "secret").read_text() == "kept"


def test_a_marker_does_not_reach_beyond_its_folder_through_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "secret").write_text("kept")
    (run / "report" / "link").symlink_to(tmp_path / "far")
    marker = run / "report" / MARKER
    marker.write_text(json.dumps({"kind": "tunebench report", "format": 1, "files": ["link/secret"]}))
    build_report(run, workers=0)
    assert (tmp_path / "far" / "secret").read_text() == "kept"


BUILD = """
import sys, pathlib
from bench.comparison.compare import compare
from bench.report.build import build_report, report_record
build_report(pathlib.Path(sys.argv[1]), workers=0)
"""


def test_a_report_that_was_killed_is_finished_by_the_same_command(run: Path) -> None:
    undisturbed = contents(run / "report")
    shutil.rmtree(run / "report")
    building = subprocess.Popen([sys.executable, "-c", BUILD, str(run)])
    while not (run / "report" / MARKER).exists() and building.poll() is None:
        time.sleep(0.01)
    building.send_signal(signal.SIGKILL)
    assert building.wait() == -signal.SIGKILL
    assert set(contents(run / "report")) < set(undisturbed)
    build_report(run, workers=0)
    assert contents(run / "report") == undisturbed


def test_a_report_that_was_killed_while_pages_took_their_places_is_finished(run: Path) -> None:
    out = run / "report"
    undisturbed = contents(out)
    listed = json.loads((out / MARKER).read_text())["files"]
    (out / ".fresh" / "data").mkdir(parents=True)
    (out / ".fresh" / "data" / "scores.csv").write_text("half")
    for name in listed[::2]:
        (out / name).unlink()
    (out / "prompts" / "99.html").write_text("of the report before")
    marker = {"kind": "tunebench report", "format": 1, "files": [*listed, "prompts/99.html"]}
    (out / MARKER).write_text(json.dumps(marker))
    build_report(run, workers=0)
    assert contents(out) == undisturbed


def test_one_build_at_a_time_has_a_folder(run: Path) -> None:
    out = run / "report"
    before = contents(out)
    with OutputFolder.of(out):
        error = refused(run)
        assert error.exit_code == 2
        assert str(out) in str(error) and "--out" in str(error)
    assert contents(out) == before
    assert invoke(run).exit_code == 0
    assert contents(out) == before


def test_a_build_that_died_at_once_leaves_a_folder_to_build_in(run: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "report.lock").touch()
    assert invoke(run, "--out", tmp_path / "r").exit_code == 0


def test_a_run_whose_name_is_no_text(run: Path, tmp_path: Path) -> None:
    try:
        strange = run.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    except OSError:
        pytest.skip("this disk takes no name that is not UTF-8")
    with Store.read(strange) as store:
        (strange / store.made()[0].path).write_bytes(b"not a sound")
    build_report(strange, workers=0)
    assert "caf\ufffd" in (strange / "report" / "index.html").read_text()


def test_what_is_missing_is_named_before_work_is_done(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    error = refused(original, "--out", tmp_path / "r")
    assert isinstance(error, MissingError)
    assert "pip install 'tunebench[report]'" in str(error)
    assert not (tmp_path / "r").exists()


def test_damage_is_said_and_does_not_stop_the_report(run: Path) -> None:
    with Store.read(run) as store:
        first, second, *_ = store.made()
    (run / first.path).write_bytes(b"not a sound")
    (run / second.path).unlink()
    pages = build_report(run, run / "anew", workers=0)
    page = (pages / "prompts" / "1.html").read_text()
    assert f"{first.path}: " in page
    assert f"{second.path}: " in page
    assert str(run) not in "".join(file.read_text() for file in pages.rglob("*.html"))


def test_ratings_that_are_named_must_be_readable(run: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("one,two\n1,2\n")
    assert refused(run, "--ratings", tmp_path / "r.csv").exit_code == 5
    assert refused(run, "--doses", tmp_path / "r.csv").exit_code == 5


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    assert "run.db" in str(refused(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_all_that_pages_say_comes_as_json_without_what_pages_need(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(run / "report")
    for name in ("jinja2", "PIL"):
        monkeypatch.setitem(sys.modules, name, None)
    result = invoke(run, "--json")
    assert result.exit_code == 0, result.exception
    record = json.loads(result.stdout)
    assert record == json.loads(json.dumps(report_record(run)))
    assert {model["label"] for model in record["models"]} == {"low", "high"}
    assert not (run / "report").exists()
    assert refused(run, "--json", "--out", run / "pages").exit_code == 2


def test_the_json_of_a_report_is_what_it_shows(original: Path) -> None:
    record = json.loads((original / "report" / "data" / "report.json").read_text())
    alone = json.loads(json.dumps(report_record(original)))
    assert [clip.pop("media") is not None for clip in record["clips"]].count(True) == 14
    assert [clip.pop("media") for clip in alone["clips"]].count(None) == 16
    assert record == alone
    for leader in record["leaderboard"]:
        assert leader["protocol"] == record["protocol"]["id"]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> tuple[Path, Path]:
    """A run of the protocol of ``original``, and one of shorter clips."""
    folder = tmp_path_factory.mktemp("others")
    alike = bench.run(configuration(tiny, folder, ("other",), seeds=[0, 1]), folder / "alike").folder
    short = bench.run(configuration(tiny, folder, ("low",), seeds=[0], duration=0.5), folder / "short").folder
    return alike, short


def test_runs_stand_side_by_side_a_table_a_protocol(original: Path, others: tuple[Path, Path], tmp_path: Path) -> None:
    alike, short = others
    out = tmp_path / "all"
    result = invoke(original, short, alike, "--out", out)
    assert result.exit_code == 0, result.exception
    assert "20 clips" not in result.stderr and "26 clips" in result.stderr
    first, second = json.loads((out / "data" / "report.json").read_text())["tables"]
    assert [run["name"] for run in first["runs"]] == ["run", "alike"]
    assert [run["folder"] for run in first["runs"]] == ["runs/1", "runs/3"]
    assert {row["model"] for row in first["leaderboard"]} == {"run: low", "run: high", "alike: other"}
    assert {row["model"] for row in second["leaderboard"]} == {"short: low"}
    assert first["apart"] == "" and "duration" in second["apart"]
    assert {(c["a"], c["b"]) for c in first["comparisons"]} == {("run: low", "alike: other")}
    compared = compare(original, "low", "other", alike)
    assert [c["estimate"] for c in first["comparisons"]] == [c.estimate for c in compared]
    assert second["comparisons"] == second["findings"] == []
    page = (out / "index.html").read_text()
    assert page.count('class="board"') == 2
    for folder in ("runs/1", "runs/2", "runs/3"):
        assert f'href="{folder}/index.html"' in page
        assert (out / folder / "prompts" / "1.html").is_file()
    assert contents(out / "runs" / "1") == contents(original / "report") | {"report.lock": b""}


def test_a_run_that_is_left_out_goes_and_what_is_not_ours_stays(
    original: Path, others: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "all"
    assert invoke(original, *others, "--out", out).exit_code == 0
    (out / "runs" / "mine").mkdir()
    (out / "runs" / "9").mkdir()
    assert invoke(original, others[0], "--out", out).exit_code == 0
    assert {folder.name for folder in (out / "runs").iterdir()} == {"1", "2", "mine", "9"}
    assert len(json.loads((out / "data" / "report.json").read_text())["tables"]) == 1
    before = contents(out)
    assert invoke(original, others[0], "--out", out).exit_code == 0
    assert contents(out) == before


def test_what_several_runs_cannot_have_is_refused(original: Path, others: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "all"
    for arguments in (
        (original, others[0]),
        (original, original, "--out", out),
        (original, others[0], "--out", out, "--json"),
        (original, others[0], "--out", out, "--ratings", "r.csv"),
        (original, tmp_path / "none", "--out", original),
    ):
        assert refused(*arguments).exit_code == 2, arguments
    assert not out.exists()
    assert refused(original, tmp_path / "none", "--out", out).exit_code == 2
    assert not (out / "index.html").exists()


def test_help_is_light() -> None:
    heavy = "numpy pydantic jinja2 soundfile PIL pandas"
    code = f"import sys; import bench.cli.report; print([m for m in '{heavy}'.split() if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert ran.stdout.strip() == "[]"


def test_from_the_command_line(tunebench: Callable[..., subprocess.CompletedProcess[str]], original: Path) -> None:
    ran = tunebench("report", str(original), "--out", "pages", "--workers", "1")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "pages/index.html\n"
    assert ran.stderr.endswith("put the folder on any web server\n")
    assert "Traceback" not in ran.stderr
