"""Wherever a public function takes a path, text will do, and whatever can be shown is shown with ``progress=True``."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

import bench
import models.training
from bench import UsageError
from tests.bench.test_public_names import OURS, hints, types_in

TAKEN = ("Run", "AuditRequest")  # the other classes are given by functions and not made by callers


def _functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public functions, the constructors of what callers make, and their methods."""
    for module in (bench, models.training):
        assert isinstance(module, ModuleType)
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield name, found
            elif inspect.isclass(found) and found.__module__.startswith(OURS):
                for own, member in vars(found).items():
                    if inspect.isfunction(member) and (
                        not own.startswith("_") or (own == "__init__" and name in TAKEN)
                    ):
                        yield name if own == "__init__" else f"{name}.{own}", member


def _places() -> dict[str, set[str]]:
    """By public function, the parameters that take a path."""
    found: dict[str, set[str]] = {}
    for name, function in _functions():
        for parameter, hint in hints(function).items():
            kinds = set(types_in(hint))
            if parameter != "return" and {Path, os.PathLike} & kinds:
                found.setdefault(name, set()).add(parameter)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A run of two models, one in shards, music, statistics, ratings and configurations."""
    folder = tmp_path_factory.mktemp("paths")
    config = {
        "models": [{"name": f"{tiny}:Sine", "as": name, "params": {"hz": hz}} for name, hz in (("a", 200), ("b", 500))],
        "metrics": [f"{tiny}:Peak"],
        "duration": 0.25,
        "executor": {"workers": 0},
    }
    (folder / "run.yaml").write_text(bench.RunConfig.model_validate(config).as_yaml())
    bench.run(config, folder / "run")
    for part in (1, 2):
        bench.run(config, folder / "shards", shard=bench.Shard(part, 2))
    rng = np.random.default_rng(0)
    (folder / "music").mkdir()
    for name in ("one", "two"):
        soundfile.write(folder / "music" / f"{name}.wav", 0.1 * rng.standard_normal(8000), 8000)
    np.savez(folder / "statistics.npz", mu=np.zeros(8), cov=np.eye(8))
    prompts = bench.load_suite("quick@1").prompts[:4]
    ratings = [f"{who},{p.id},{model},3" for who in ("ann", "bob") for p in prompts for model in ("a", "b")]
    (folder / "ratings.csv").write_text("\n".join(["listener,prompt,model,rating", *ratings]))
    votes = [f"{who},{p.id},a,b,{'ab'[n % 2]}" for who in ("ann", "bob") for n, p in enumerate(prompts)]
    (folder / "votes.csv").write_text("\n".join(["listener,prompt,a,b,choice", *votes]))
    (folder / "train.yaml").write_text("base: {kind: audioldm, checkpoint: none}\ndata: {path: none}\nsteps: 1\n")
    (folder / "test.yaml").write_text("kind: preference\n")
    return folder


def _calls(folder: Path, out: Path, tiny: Path) -> dict[str, Callable[[], object]]:
    """By public function, a call of it with text for each path."""
    run, made = str(folder / "run"), bench.Run(str(folder / "run"))
    bands, ratings = f"{tiny}:Bands", str(folder / "ratings.csv")
    training = models.training.load_train_config(str(folder / "train.yaml"))

    def packed() -> str:
        return str(bench.pack_bundle(run, str(out / "run.zip")).path)

    def reference() -> str:
        path = str(out / "reference.safetensors")
        bench.build_reference(str(folder / "music"), bands, path)
        return path

    def merged() -> bench.Merged:
        return bench.merge_shards(str(shutil.copytree(folder / "shards", out / "shards")), plugin_files=True)

    def repaired() -> bench.Repaired:
        return bench.repair_run(str(shutil.copytree(run, out / "repaired")))

    def report() -> Path:
        return bench.build_report(run, str(out / "report"), ratings, _doses(out), audio=None, workers=0)

    def statistics() -> int:
        return bench.import_reference(
            str(folder / "statistics.npz"), bands, str(out / "i.safetensors"), options=bench.ImportOptions(windows=9)
        )

    def refused(call: Callable[[], object]) -> None:
        with pytest.raises(bench.TunebenchError):  # there is no such checkpoint, adapter or run
            call()

    def votes() -> bench.VotePredictions:
        preferences = bench.read_survey(str(folder / "votes.csv"))
        assert isinstance(preferences, bench.Preferences)
        return bench.predict_votes(run, preferences, resamples=20)

    def test() -> str:
        bench.create_listening_test(run, bench.ListeningTest(minutes=60), str(out / "test"))
        return str(out / "test")

    def audited() -> None:
        request = models.training.AuditRequest(str(out), str(folder / "music"), str(out))
        refused(lambda: models.training.audit_memorisation(request))

    return {
        "Run": lambda: bench.Run(run),
        "Run.compare": lambda: made.compare("a", "a", other=str(shutil.copytree(run, out / "other"))),
        "Run.report": lambda: made.report(str(out / "pages"), ratings, _doses(out), audio=None, workers=0),
        "build_board": lambda: bench.build_board(
            [packed()], str(out / "board"), options=bench.VerifyOptions(workers=0)
        ),
        "build_reference": reference,
        "build_report": report,
        "export_hugging_face": lambda: bench.export_hugging_face(run, str(out / "hf")),
        "find_duplicates": lambda: bench.find_duplicates([str(folder / "music")]),
        "import_reference": statistics,
        "inspect_run": lambda: bench.inspect_run(run),
        "load_config": lambda: bench.load_config(str(folder / "run.yaml")),
        "create_listening_test": test,
        "load_listening_test": lambda: bench.load_listening_test(str(folder / "test.yaml")),
        "read_listening_test": lambda: refused(lambda: bench.read_listening_test(test())),
        "write_listening_pages": lambda: bench.write_listening_pages(test(), str(out / "site")),
        "load_reference": lambda: bench.load_reference(reference()),
        "log_to_mlflow": lambda: refused(lambda: bench.log_to_mlflow(str(out))),
        "log_to_wandb": lambda: refused(lambda: bench.log_to_wandb(str(out))),
        "make_environments": lambda: refused(lambda: bench.make_environments(str(folder / "run.yaml"))),
        "merge_shards": merged,
        "pack_bundle": packed,
        "predict_ratings": lambda: bench.predict_ratings(run, bench.read_ratings(ratings), resamples=20),
        "predict_votes": votes,
        "preview_run": lambda: bench.preview_run(str(folder / "run.yaml"), run),
        "push_to_hub": lambda: refused(lambda: bench.push_to_hub(str(out), "none")),
        "read_audio": lambda: bench.read_audio(str(folder / "music" / "one.wav")),
        "read_ratings": lambda: bench.read_ratings(ratings),
        "read_survey": lambda: bench.read_survey(ratings),
        "repair_run": repaired,
        "rescore": lambda: bench.rescore(str(shutil.copytree(run, out / "rescored")), plugin_files=True),
        "run": lambda: bench.run(str(folder / "run.yaml"), str(out / "run")),
        "score_audio": lambda: list(bench.score_audio([str(folder / "music" / "one.wav")], [f"{tiny}:Peak"])),
        "write_survey_template": lambda: bench.write_survey_template(run, "jspsych", str(out / "survey")),
        "verify_bundle": lambda: bench.verify_bundle(packed(), workers=0, keep=str(out / "kept")),
        "AuditRequest": audited,
        "compare_speed": lambda: refused(lambda: models.training.compare_speed(training, cache=str(out))),
        "load_train_config": lambda: models.training.load_train_config(str(folder / "train.yaml")),
        "record_choice": lambda: refused(
            lambda: models.training.record_choice(str(out), bench.load_suite("quick@1"), "chosen by a run")
        ),
        "merge_adapter": lambda: refused(lambda: models.training.merge_adapter(str(out / "none"), str(out / "merged"))),
        "train_model": lambda: refused(lambda: models.training.train_model(training, str(out / "trained"))),
    }


def _doses(out: Path) -> str:
    (out / "doses.json").write_text("[]")
    return str(out / "doses.json")


def test_paths_may_be_text_or_anything_that_is_one() -> None:
    for name, function in _functions():
        for parameter, hint in hints(function).items():
            kinds = set(types_in(hint))
            assert parameter == "return" or Path not in kinds, f"{name}: {parameter} takes no text"
            assert os.PathLike not in kinds or parameter == "return" or str in kinds, f"{name}: {parameter}"


@pytest.mark.parametrize("name", sorted(_places()))
def test_text_is_taken_for_a_path(name: str, folder: Path, tmp_path: Path, tiny: Path) -> None:
    if name in ("train_model", "compare_speed", "merge_adapter"):
        pytest.importorskip("diffusers")
    _calls(folder, tmp_path, tiny)[name]()


def test_no_path_is_left_out(folder: Path, tmp_path: Path, tiny: Path) -> None:
    assert sorted(_calls(folder, tmp_path, tiny)) == sorted(_places())


def test_whatever_can_be_shown_is_shown_when_asked() -> None:
    told = {name: hints(function)["progress"] for name, function in _functions() if "progress" in hints(function)}
    assert len(told) >= 15
    for name, hint in told.items():
        assert {bool, bench.Progress, type(None)} <= set(types_in(hint)), name


def test_progress_is_shown(folder: Path, tmp_path: Path, tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, music = str(folder / "run"), str(folder / "music")
    reference = tmp_path / "r.safetensors"
    shows: dict[str, Callable[[], object]] = {
        "packing files": lambda: bench.pack_bundle(run, tmp_path / "run.zip", progress=True),
        "decoding clips": lambda: bench.verify_bundle(tmp_path / "run.zip", workers=0, progress=True),
        "embedding recordings": lambda: bench.build_reference(music, f"{tiny}:Bands", reference, progress=True),
        "scoring audio": lambda: list(bench.score_audio([f"{music}/one.wav"], [f"{tiny}:Peak"], progress=True)),
    }
    for stage, call in shows.items():
        call()
        assert f"{stage}: " in capfd.readouterr().err


def test_one_piece_of_audio_is_no_list_of_them(folder: Path) -> None:
    one: Any
    for one in ("take.wav", Path("take.wav"), bench.read_audio(folder / "music" / "one.wav")):
        with pytest.raises(UsageError):
            bench.score_audio(one, ["key-adherence"])


def test_a_reference_file_has_the_ending_that_runs_look_for(folder: Path, tmp_path: Path, tiny: Path) -> None:
    bands = f"{tiny}:Bands"
    for call in (
        lambda: bench.build_reference(folder / "music", bands, tmp_path / "music.npz"),
        lambda: bench.import_reference(folder / "statistics.npz", bands, tmp_path / "music"),
        lambda: bench.build_reference(folder / "nowhere", bands, tmp_path / "m.safetensors"),
    ):
        with pytest.raises(UsageError):
            call()
    assert not list(tmp_path.iterdir())
