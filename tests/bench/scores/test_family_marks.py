"""Scores that share a family with what conditioned or trained the model that they judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.bundle.pack import pack
from bench.bundle.verify import verify
from bench.comparison.compare import compare
from bench.config.run_config import MetricConfig, ModelConfig, RunConfig, parse_config
from bench.contracts.family import Lineage, families
from bench.errors import DataError, UsageError
from bench.leaderboard.render import leaderboard, read_board, read_cells, render
from bench.pipeline.import_scores import ImportedColumn, import_scores
from bench.planning.metric_plan import plan_metric
from bench.planning.plan import make_plan
from bench.scores.family_marks import family_marks
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_models import read_lineages
from bench.storage.store import Store

LEVELS = Path(__file__).parents[2] / "plugins" / "levels.py"
SETTINGS: dict[str, Any] = {
    "suite": "quick@1",
    "models": [
        {"name": f"{LEVELS}:Levels", "as": "plain"},
        {
            "name": f"{LEVELS}:Levels",
            "as": "tuned",
            "params": {"shift": 0.2},
            "conditioned_on": "clap-laion",
            "trained_with": ["songeval", "mert"],
        },
    ],
    "metrics": [
        {"name": f"{LEVELS}:Peak", "family": ["mert", "notes"]},
        f"{LEVELS}:Loud",
        {"name": "diversity", "params": {"embedder": "musicnn-msd"}},
    ],
    "seeds": [0, 1],
    "limit": 4,
    "duration": 1.0,
    "executor": {"workers": 0},
}


def test_marks_are_of_shared_families_alone() -> None:
    lineage = Lineage(("clap-laion", "t5"), ("songeval",))
    (mark,) = family_marks("m", lineage, ("clap-laion", "songeval", "mert"))
    assert mark.code == "W-FAMILY"
    assert mark.params == {"model": "m", "conditioned_on": ["clap-laion"], "trained_with": ["songeval"]}
    for other in ((), ("clap-microsoft",), ("mert", "notes")):
        assert family_marks("m", lineage, other) == ()
    assert family_marks("m", Lineage(), ("clap-laion",)) == ()


@pytest.mark.parametrize("wrong", ["CLAP", "clap laion", "", "x" * 41, 3, ["mert", None]])
def test_a_name_of_another_form_is_refused(wrong: Any) -> None:
    if wrong == "":
        assert families(wrong, "metric 'm'") == ()
        wrong = [""]
    with pytest.raises(UsageError):
        families(wrong, "metric 'm'")
    with pytest.raises(UsageError):
        parse_config({"models": [{"name": "noise", "trained_with": wrong}]})


def test_what_the_backends_are_conditioned_on() -> None:
    """As their pipelines have it: Stable Audio Open reads T5, and CLAP it reads not."""
    from models.audioldm import AudioLDM, AudioLDMLora
    from models.audioldm2 import AudioLDM2
    from models.musicgen import MusicGen
    from models.stable_audio import StableAudio, StableAudioLora

    assert AudioLDM().conditioned_on() == ("clap-laion",) == AudioLDMLora(adapter="a").conditioned_on()
    assert set(AudioLDM2().conditioned_on()) == {"clap-laion", "t5", "gpt2"}
    assert StableAudio().conditioned_on() == ("t5",) == StableAudioLora(adapter="a").conditioned_on()
    assert MusicGen().conditioned_on() == ("t5",)
    assert make_plan(RunConfig(models=(ModelConfig(name="composer"),))).models[0].lineage == Lineage()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"name": "harmonic-accuracy"}, ("notes",)),
        ({"name": "rhythm-grid"}, ("rhythm",)),
        ({"name": "key-adherence"}, ("chroma",)),
        ({"name": "genre-fit"}, ("musicnn",)),
        ({"name": "kad"}, ("musicnn",)),
        ({"name": "diversity", "params": {"embedder": "musicnn-mtt"}}, ("musicnn",)),
        ({"name": "kad", "family": "mine"}, ("mine",)),
    ],
)
def test_a_metric_has_the_family_of_its_embedder_unless_it_or_its_configuration_says_otherwise(
    metric: dict[str, Any], expected: tuple[str, ...]
) -> None:
    planned = plan_metric(MetricConfig.model_validate(metric))
    assert planned.families == expected
    # What is said of it is no part of what it computes.
    unsaid = plan_metric(MetricConfig(name=metric["name"], params=metric.get("params", {})))
    assert planned.params_hash == unsaid.params_hash


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    bench.run(SETTINGS, folder)
    return folder


def test_tables_comparisons_and_records_mark_the_score(made: Path) -> None:
    marked = {(c.model, c.column.ref) for c in read_cells(made) for w in c.estimate.warnings if w.code == "W-FAMILY"}
    assert marked == {("tuned", "Peak@1")}
    for style in ("table", "markdown"):
        assert str(render(made, style)).count("W-FAMILY") == 1
    records = json.loads(str(render(made, "json")))
    assert {r["metric"]: r["families"] for r in records} == {
        "Peak@1": ["mert", "notes"],
        "Loud@1": [],
        "diversity@1": ["musicnn"],
    }
    assert {r["model"] for r in records if "W-FAMILY" in r["warning_codes"]} == {"tuned"}
    assert set(leaderboard(made)["families"]) == {"mert; notes", "", "musicnn"}
    compared = {c.column.ref: [w.code for w in c.warnings] for c in compare(made, "plain", "tuned")}
    assert {ref for ref, codes in compared.items() if "W-FAMILY" in codes} == {"Peak@1"}


def test_a_run_that_goes_on_says_what_is_known_today(made: Path, tmp_path: Path) -> None:
    from shutil import copytree

    folder = copytree(made, tmp_path / "run")
    models = [SETTINGS["models"][0], {**SETTINGS["models"][1], "conditioned_on": [], "trained_with": "musicnn"}]
    metrics = [f"{LEVELS}:Peak", *SETTINGS["metrics"][1:]]
    finished = bench.run({**SETTINGS, "models": models, "metrics": metrics}, folder)
    assert finished.folder == folder
    with Store.read(folder) as store:
        assert read_lineages(store) == {"plain": Lineage(), "tuned": Lineage((), ("musicnn",))}
        assert {m.name: m.families for m in shown_metrics(store)}["Peak"] == ()
    marked = {
        c.column.ref.partition("@")[0] for c in read_cells(folder) for w in c.estimate.warnings if w.code == "W-FAMILY"
    }
    assert marked == {"diversity"}


def test_an_imported_column_declares_its_family(made: Path, tmp_path: Path) -> None:
    from shutil import copytree

    folder = copytree(made, tmp_path / "run")
    with Store.read(folder) as store:
        clips = store.made()
    lines = [f"{clip.id},{number % 7 + (clip.model == 'plain')}" for number, clip in enumerate(clips)]
    (tmp_path / "s.csv").write_text("clip,value\n" + "\n".join(lines) + "\n")
    import_scores(folder, tmp_path / "s.csv", ImportedColumn("eval", direction="higher", families=("songeval",)))
    board = read_board(folder)
    (mark,) = {w for c in board.cells for w in c.estimate.warnings if (c.model, c.column.ref) == ("tuned", "eval@1")}
    assert mark.params["trained_with"] == ["songeval"]


def test_a_bundle_holds_with_its_marks(tmp_path: Path) -> None:
    models = [{"name": "composer", "conditioned_on": "chroma"}, "noise"]
    metrics = [{"name": "key-adherence"}, {"name": "harmonic-accuracy", "family": "mine"}]
    settings = {**SETTINGS, "models": models, "metrics": metrics, "seeds": [0], "duration": 3.0}
    bench.run(settings, tmp_path / "run")
    pack(tmp_path / "run", tmp_path / "run.zip")
    found = verify(tmp_path / "run.zip", workers=0)
    assert found.holds and not found.deviations and not found.unchecked


def test_a_lineage_that_no_tunebench_wrote_is_damage(made: Path, tmp_path: Path) -> None:
    import sqlite3
    from shutil import copytree

    folder = copytree(made, tmp_path / "run")
    for wrong in ("[]", '{"trained_with": [3]}', '{"conditioned_on": 7}', "{"):
        with sqlite3.connect(folder / "run.db") as db:
            db.execute("UPDATE models SET lineage = ?", (wrong,))
        with pytest.raises(DataError):
            render(folder)
