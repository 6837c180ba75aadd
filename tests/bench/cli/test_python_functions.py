"""What a command does, Python can do, too: each calls the public function, and both find the same."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

import bench
import models.training
from bench.survey.results import record

Command = Callable[..., "subprocess.CompletedProcess[str]"]
COMMANDS = Path(bench.__file__).parent / "cli"

# By command, its module and the function that does its work.
FUNCTIONS: dict[str, tuple[str, Any]] = {
    "run": ("run", bench.run),
    "run --dry-run": ("run", bench.preview_run),
    "score": ("score", bench.rescore),
    "merge": ("merge", bench.merge_shards),
    "report": ("report", bench.build_report),
    "export bundle": ("export", bench.pack_bundle),
    "export hf": ("export", bench.export_hugging_face),
    "export hf --push": ("export", bench.push_to_hub),
    "export wandb": ("export", bench.log_to_wandb),
    "export mlflow": ("export", bench.log_to_mlflow),
    "verify": ("verify", bench.verify_bundle),
    "board": ("board", bench.build_board),
    "reference build": ("reference", bench.build_reference),
    "reference import": ("reference", bench.import_reference),
    "reference show": ("reference", bench.load_reference),
    "check run": ("check_run", bench.inspect_run),
    "check run --repair": ("check_run", bench.repair_run),
    "check memorisation": ("memorisation", models.training.audit_memorisation),
    "environment make": ("environment", bench.make_environments),
    "check duplicates": ("duplicates", bench.find_duplicates),
    "survey analyze": ("survey", bench.analyze_survey),
    "survey template": ("survey_template", bench.write_survey_template),
    "survey new": ("survey_test", bench.create_listening_test),
    "survey pages": ("survey_test", bench.write_listening_pages),
    "survey agree": ("survey_agree", bench.predict_ratings),
    "survey agree, of preferences": ("survey_agree", bench.predict_votes),
    "train run": ("train", models.training.train_model),
    "train chosen-by": ("train", models.training.record_choice),
    "train merge": ("train", models.training.merge_adapter),
    "train speed": ("train", models.training.compare_speed),
}


def _called(module: str) -> set[int]:
    """The ids of the functions that a command's module imports and calls."""
    tree = ast.parse((COMMANDS / f"{module}.py").read_text())
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return {
        id(getattr(import_module(node.module), alias.name))
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if (alias.asname or alias.name) in names
    }


@pytest.mark.parametrize("command", FUNCTIONS)
def test_a_command_calls_the_public_function(command: str) -> None:
    module, function = FUNCTIONS[command]
    assert id(function) in _called(module)


@pytest.mark.parametrize("module", [bench, models.training])
def test_every_public_function_has_its_command_or_reads_something(module: ModuleType) -> None:
    """So that a new one finds its place in the list above."""
    functions = {name for name in module.__all__ if callable(getattr(module, name)) and name.islower()}
    listed = {id(function) for _, function in FUNCTIONS.values()}
    others = {"check_model", "load_config", "load_suite", "load_train_config", "parse_train_config", "read_audio",
              "load_listening_test", "read_listening_test", "read_ratings", "read_survey", "score_audio",
              "tracked_rows"}  # fmt: skip
    assert {name for name in functions if id(getattr(module, name)) not in listed} <= others


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of installed plugins, ratings of its clips, music, and statistics."""
    folder = tmp_path_factory.mktemp("both")
    prompts = "".join(
        f"  - {{id: p{n}, genre: {'ab'[n % 2]}, text: Song {n} in {key} major, key: {key} major}}\n"
        for n, key in enumerate("CDEFGA")
    )
    (folder / "suite.yaml").write_text(f"name: keys\nversion: 1\nprompts:\n{prompts}")
    config = {
        "suite": str(folder / "suite.yaml"),
        "models": ["noise", {"name": "noise", "as": "louder", "seeds": [1]}],
        "metrics": ["key-adherence"],
        "duration": 5,
        "executor": {"workers": 0},
    }
    (folder / "config.yaml").write_text(bench.RunConfig.model_validate(config).as_yaml())
    run = bench.run(folder / "config.yaml", folder / "run")
    rng = np.random.default_rng(1)
    rows = [
        f"{who},{row.prompt},{row.model},{3 + (row.model == 'noise') + rng.integers(-1, 2)}"
        for who in ("ann", "bob", "cleo", "dan")
        for row in run.clips().itertuples()
    ]
    (folder / "ratings.csv").write_text("\n".join(["listener,prompt,model,rating", *rows]))
    (folder / "music").mkdir()
    for name in ("one", "two", "three"):
        soundfile.write(folder / "music" / f"{name}.wav", 0.1 * rng.standard_normal(5 * 16_000), 16_000)
    np.savez(folder / "statistics.npz", mu=np.zeros(200), cov=np.eye(200))
    return folder


@pytest.fixture
def printed(folder: Path, tunebench: Command) -> Callable[..., Any]:
    """Run a command in that folder, and return what it printed as JSON."""

    def run(*arguments: str | Path, code: int = 0) -> Any:
        done = tunebench(*arguments, "--json", cwd=folder)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    return run


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_tables_of_a_run(folder: Path, printed: Callable[..., Any]) -> None:
    run = bench.Run(folder / "run")
    board = run.leaderboard("genre")
    for here, there in zip(board.to_dict("records"), printed("leaderboard", "run", "--by", "genre"), strict=True):
        for name in ("model", "metric", "group", "n", "planned", "protocol"):
            assert here[name] == there[name]
        for name in ("value", "low", "high"):
            assert here[name] == pytest.approx(np.nan if there[name] is None else there[name], nan_ok=True, abs=0)
    rows = printed("compare", "run", "noise", "louder")
    compared = run.compare("noise", "louder")
    for name in ("estimate", "low", "high", "p", "p_holm", "n"):
        np.testing.assert_array_equal(compared[name].astype(float), np.array([row[name] for row in rows], dtype=float))
    assert printed("run", "config.yaml", "--out", "run", "--dry-run") == _plain(
        bench.preview_run(folder / "config.yaml", folder / "run").record()
    )
    assert printed("check", "run", "run")["findings"] == bench.inspect_run(folder / "run") == []


def test_files_of_a_run(folder: Path, tunebench: Command, printed: Callable[..., Any], tmp_path: Path) -> None:
    run = bench.Run(folder / "run")
    for command in (("export", "bundle"), ("export", "hf")):
        assert tunebench(*command, "run", tmp_path / f"theirs-{command[1]}", cwd=folder).returncode == 0
    packed = bench.pack_bundle(run.folder, tmp_path / "ours.zip")
    assert packed.path.read_bytes() == (tmp_path / "theirs-bundle").read_bytes()
    verified = bench.verify_bundle(packed.path, workers=0)
    assert verified.holds and verified.numbers > 10
    found = printed("verify", packed.path, "--workers", "0")
    assert {**_plain(asdict(verified)), "holds": True} == found

    bench.export_hugging_face(run.folder, tmp_path / "ours")
    ours, theirs = (pd.read_parquet(tmp_path / name / "metadata.parquet") for name in ("ours", "theirs-hf"))
    pd.testing.assert_frame_equal(ours, theirs)

    assert (
        tunebench(
            "report", "run", "--audio", "none", "--workers", "0", "--out", tmp_path / "pages", cwd=folder
        ).returncode
        == 0
    )
    pages = run.report(tmp_path / "own", audio=None, workers=0)
    for file in sorted(path.relative_to(pages) for path in pages.rglob("*.html")):
        assert (pages / file).read_bytes() == (tmp_path / "pages" / file).read_bytes()


def test_shards(folder: Path, printed: Callable[..., Any], tmp_path: Path) -> None:
    for part in (1, 2):
        bench.run(folder / "config.yaml", tmp_path / "ours", shard=bench.Shard(part, 2))
    shutil.copytree(tmp_path / "ours", tmp_path / "theirs")
    merged = bench.merge_shards(str(tmp_path / "ours"))
    assert merged.lacking == []
    theirs = printed("merge", tmp_path / "theirs")
    assert [row["value"] for row in theirs] == merged.run.leaderboard()["value"].tolist()
    ours, whole = (run.scores().sort_values(["model", "prompt"]) for run in (merged.run, bench.Run(folder / "run")))
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), whole.reset_index(drop=True))


def test_references(folder: Path, tunebench: Command, tmp_path: Path) -> None:
    build = ("reference", "build", "music", "--embedder", "musicnn-msd", "--licence", "own")
    assert tunebench(*build, "--out", tmp_path / "a" / "r.safetensors", cwd=folder).returncode == 0
    options = bench.ReferenceOptions(about={"licence": "own", "synthetic": False})
    built = bench.build_reference(folder / "music", "musicnn-msd", tmp_path / "b" / "r.safetensors", options=options)
    assert built.recordings == 3
    statistics = ("reference", "import", "statistics.npz", "--embedder", "musicnn-msd", "--windows", "300")
    heard = ("--front-end", "tunebench")
    assert tunebench(*statistics, *heard, "--out", tmp_path / "a" / "i.safetensors", cwd=folder).returncode == 0
    about = {"licence": "", "synthetic": False, "provenance": {"imported": "statistics.npz", "model": None}}
    source, file = folder / "statistics.npz", tmp_path / "b" / "i.safetensors"
    imported = bench.ImportOptions(windows=300, front_end="tunebench", about=about)
    assert bench.import_reference(source, "musicnn-msd", file, options=imported) == 300
    for name in ("r.safetensors", "i.safetensors"):
        one, two = (bench.load_reference(tmp_path / side / name) for side in "ab")
        assert (one.name, one.fingerprint, one.windows) == (two.name, two.fingerprint, two.windows)
        assert dict(one.about) == dict(two.about)


def test_surveys(folder: Path, printed: Callable[..., Any]) -> None:
    survey = bench.read_survey(folder / "ratings.csv", models=["noise", "louder"])
    found = bench.analyze_survey(survey, margin=0.5)
    said = printed("survey", "analyze", "ratings.csv", "--margin", "0.5", "--models", "noise,louder")
    assert _plain(record(found)) == said
    table = pd.DataFrame(found.comparisons)
    assert table["estimate"].tolist() == [row["estimate"] for row in said["comparisons"]]
    predicted = bench.predict_ratings(folder / "run", bench.read_ratings(folder / "ratings.csv"))
    assert _plain(predicted.as_record()) == printed("survey", "agree", "run", "ratings.csv")


def test_checks_of_a_model(printed: Callable[..., Any]) -> None:
    report = bench.check_model("noise", duration=0.5)
    report.confirm()
    there = printed("check", "model", "noise", "--duration", "0.5")
    assert [(one.check, one.outcome) for one in report.findings] == [(one["check"], one["outcome"]) for one in there]


def test_scoring_again(folder: Path, printed: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        shutil.copytree(folder / "run", tmp_path / name)
    bench.rescore(tmp_path / "ours", metrics=["tempo-adherence"])
    theirs = printed("score", tmp_path / "theirs", "--metric", "tempo-adherence", "--workers", "0")
    ours = bench.Run(tmp_path / "ours").leaderboard()
    assert ours["metric"].tolist() == [row["metric"] for row in theirs]
    assert ours["value"].astype(object).where(ours["value"].notna(), None).tolist() == [row["value"] for row in theirs]
