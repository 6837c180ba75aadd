"""Results as they arrive: in terminals of any width and encoding, in pipes and in files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import bench

Command = Callable[..., "subprocess.CompletedProcess[str]"]
ROWS = ("an-untuned-base", "tuned-for-jazz", "tuned-for-choral", "noise")


METRIC = """

class {name}(ClipMetric):
    unit, direction = "% of full scale", "higher"

    def score(self, clip):
        peak = clip.audio.peak
        return Score.undefined(f"too loud: {{peak:.2f}}") if peak > {limit} else Score.of({factor} * peak)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A run whose table is wider than 120 columns."""
    folder = tmp_path_factory.mktemp("wide")
    plugins = folder / "metrics.py"
    names = ["HighestPeak", "HighestPeakOfAll", "Crest", "Undefined", "HeadroomUsed", "Constant"]
    parts = [
        METRIC.format(name=name, limit=0.45 - 0.3 * (name == "Undefined"), factor=100 * (name != "Constant"))
        for name in names
    ]
    plugins.write_text("from bench import ClipMetric, Score\n" + "".join(parts))
    levels = tiny.with_name("levels.py")
    models = [{"name": f"{levels}:Levels", "as": name, "params": {"salt": salt}} for salt, name in enumerate(ROWS)]
    metrics = [f"{plugins}:{name}" for name in names]
    config = {"suite": "quick@1", "models": models, "metrics": metrics, "duration": 0.1, "executor": {"workers": 0}}
    return bench.run(config, folder / "run").folder


COMMANDS = {
    "leaderboard": ("leaderboard",),
    "genres": ("leaderboard", "--by", "genre", "--with-published"),
    "compare": ("compare", ROWS[0], ROWS[1]),
}


def arguments(command: tuple[str, ...], folder: Path) -> list[str | Path]:
    return [command[0], folder, *command[1:]]


@pytest.mark.slow(3)
@pytest.mark.parametrize(
    ("command", "columns"), [("leaderboard", 80), ("leaderboard", 120), ("genres", 80), ("compare", 80)]
)
def test_tables_fit_the_terminal(
    command: str,
    columns: int,
    folder: Path,
    in_terminal: Callable[..., str],
    tunebench: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = arguments(COMMANDS[command], folder)
    shown = in_terminal(*words, columns=columns)
    assert max(map(len, shown.splitlines())) <= columns and "\x1b" not in shown
    piped = tunebench(*words).stdout
    assert sorted(set(shown.split())) == sorted(set(piped.split()))
    assert max(map(len, piped.splitlines())) > columns
    monkeypatch.setenv("COLUMNS", str(columns))
    assert tunebench(*words).stdout == shown


@pytest.mark.slow(2)
def test_no_color_changes_nothing(
    folder: Path, in_terminal: Callable[..., str], tunebench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = in_terminal("leaderboard", folder, columns=100, NO_COLOR="1")
    monkeypatch.setenv("COLUMNS", "100")
    assert shown == tunebench("leaderboard", folder).stdout


def shows_ascii(text: str) -> None:
    assert text.isascii() and "?" not in text and "B - A [95 %]" in text and " ? " not in text


@pytest.mark.slow(2)
def test_signs_are_ascii_where_python_is_told_so(folder: Path, in_terminal: Callable[..., str]) -> None:
    shown = in_terminal(*arguments(COMMANDS["compare"], folder), columns=80, PYTHONIOENCODING="ascii")
    shows_ascii(shown)
    assert max(map(len, shown.splitlines())) <= 80


def test_signs_are_ascii_in_the_locale_c(
    folder: Path, tunebench: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "Müller’s – waltz"
    suite = {"name": "s", "version": 1, "prompts": [{"id": "a", "text": text}]}
    (tmp_path / "s.yaml").write_text(json.dumps(suite))
    monkeypatch.setenv("LC_ALL", "C")
    shows_ascii(tunebench(*arguments(COMMANDS["compare"], folder)).stdout)
    board = tunebench("leaderboard", folder).stdout
    assert board.isascii() and "(% of full scale up)" in board and "+/-" in board
    said = tunebench("leaderboard", "Müller −1").stderr
    assert "M\\u00fcller -1" in said and "run.db" in said
    assert "M\\u00fcller's - waltz" in tunebench("list", "prompts", "s.yaml").stdout
    listed = tunebench("list", "prompts", "s.yaml", "--json").stdout
    assert text in tunebench("list", "prompts", "s.yaml", "--format", "csv").stdout  # data are not altered
    assert tunebench("list", "prompts", "s.yaml", "-o", "s.csv").returncode == 0
    assert text in (tmp_path / "s.csv").read_text(encoding="utf-8")
    assert listed.isascii() and json.loads(listed)[0]["text"] == text


def test_the_ending_says_the_format(folder: Path, tunebench: Command, tmp_path: Path) -> None:
    printed = {
        ".txt": tunebench("leaderboard", folder).stdout,
        ".json": tunebench("leaderboard", folder, "--json").stdout,
        ".MD": tunebench("leaderboard", folder, "--format", "markdown").stdout,
        ".tex": tunebench("leaderboard", folder, "--format", "latex").stdout,
    }
    for ending, text in printed.items():
        ran = tunebench("leaderboard", folder, "-o", f"board{ending}")
        assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
        assert (tmp_path / f"board{ending}").read_text(encoding="utf-8") == text
    assert tunebench("leaderboard", folder, "-o", "board.parquet").returncode == 0
    assert set(pd.read_parquet(tmp_path / "board.parquet").model) == set(ROWS)
    assert len(list(tmp_path.iterdir())) == 5  # and nothing that was only begun
    ran = tunebench("compare", folder, *ROWS[:2], "-o", "pair.csv")
    assert (tmp_path / "pair.csv").read_text() == tunebench("compare", folder, *ROWS[:2], "--format", "csv").stdout


def test_what_is_asked_for_goes_before_the_ending(folder: Path, tunebench: Command, tmp_path: Path) -> None:
    assert tunebench("leaderboard", folder, "--json", "-o", "board.csv").returncode == 0
    assert json.loads((tmp_path / "board.csv").read_text())
    assert tunebench("leaderboard", folder, "--format", "csv", "-o", "board.data").returncode == 0
    for file in ("board", "board.xlsx", "board.docx"):
        ran = tunebench("leaderboard", folder, "-o", file)
        assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
        assert not (tmp_path / file).exists()
    assert tunebench("compare", folder, *ROWS[:2], "-o", "pair.tex").returncode == 2


def test_what_is_no_plain_file_is_written_to_and_not_replaced(folder: Path, tunebench: Command, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "kept.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    reader = os.open(tmp_path / "pipe.csv", os.O_RDONLY | os.O_NONBLOCK)
    for name in ("link.csv", "pipe.csv"):
        ran = tunebench("leaderboard", folder, "-o", name)
        assert (ran.returncode, ran.stderr) == (0, "")
    assert os.read(reader, 13) == b"model,metric,"
    os.close(reader)
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "pipe.csv").is_fifo()
    assert (tmp_path / "kept.csv").read_text().startswith("model,metric,")


def test_what_was_written_before_stays_where_nothing_can_be_written(
    folder: Path, tunebench: Command, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    ran = tunebench("leaderboard", folder, "-o", "kept", "--format", "csv")
    assert ran.returncode == 2 and "cannot write kept" in ran.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]


MISSING = [
    ("run", "none.yaml"),
    ("score", "none"),
    ("leaderboard", "none"),
    ("compare", "none", "a", "b"),
    ("report", "none"),
    ("merge", "none"),
    ("export", "scores", "none", "x.csv"),
    ("export", "bundle", "none"),
    ("export", "wandb", "none"),
    ("verify", "none.zip"),
    ("board", "none.zip", "--out", "x"),
    ("reference", "build", "none", "--embedder", "musicnn-msd", "--out", "x.safetensors"),
    ("reference", "import", "none.npz", "--embedder", "musicnn-msd", "--out", "x.safetensors"),
    ("reference", "show", "none.safetensors"),
    ("check", "run", "none"),
    ("check", "model", "none.py:M"),
    ("survey", "analyze", "none.csv"),
    ("survey", "power", "--from", "none.csv"),
    ("list", "prompts", "none.yaml"),
]


def test_a_missing_file_has_one_exit_code(tunebench: Command) -> None:
    for command in MISSING:
        ran = tunebench(*command)
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1), (command, ran.stderr)


@pytest.mark.parametrize("imported", ["bench.cli", "typer", "bench.cli.survey", "bench.leaderboard.render"])
def test_ctrl_c_while_it_is_imported_leaves_no_traceback(imported: str, folder: Path) -> None:
    import sys

    code = (
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {imported!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        f"sys.argv = ['tunebench', 'leaderboard', {str(folder)!r}]\n"
        "from bench.__main__ import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (130, "")
    assert "Traceback" not in ran.stderr
