"""Names of plugins: with a version, with a package, and declared by several packages at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.config.run_config import MetricConfig, parse_config
from bench.contracts.clip_view import View
from bench.contracts.embedder import EmbedderRef, load_embedder
from bench.contracts.entry_points import OWN_PACKAGE, Plugin
from bench.contracts.plugins import canonical_name, find, is_declared, load, plain_name, short_name
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import UsageError
from bench.pipeline.run import default_folder
from bench.planning.metric_plan import PlannedMetric, metrics_named, plan_embedder, plan_metric, plan_metrics
from bench.planning.plan import make_plan
from bench.references.find import find_reference

BUZZ = Path(__file__).parents[2] / "data" / "plugin" / "tunebench-buzz"
Groups = Mapping[str, Mapping[str, str]]


ODD = """
from bench import ClipMetric, EmbedderRef, MissingError, MusicModel, Score

class Fine(MusicModel):
    def generate(self, requests): return []

class Quits(Fine):
    @classmethod
    def require(cls): raise SystemExit(3)

class Lacks(Fine):
    @classmethod
    def require(cls): import no_such_module_anywhere

class Asks(Fine):
    examples = {"place": "here"}
    def __init__(self, place, other, more=2): pass

class Explodes(Fine):
    def __init__(self): raise RuntimeError("no\\nway")

class NoWeights(Fine):
    def check_weights(self): raise MissingError("fetch them")

class Divides(Fine):
    def check_weights(self): 1 / 0

class Metric(ClipMetric):
    def score(self, clip): return Score.of(1)

class NeedsClap(Metric):
    embedders = (EmbedderRef("clap", {"checkpoint": "/no/such/folder"}),)

class NeedsVersion(Metric):
    embedders = (EmbedderRef("musicnn-msd@3"),)

class NeedsMusicnn(Metric):
    embedders = (EmbedderRef("tunebench/musicnn-msd@1"),)

def function(): return Fine()
"""
ODD_STATES = {
    "Fine": "ready",
    "Quits": "SystemExit",
    "Lacks": "no_such_module_anywhere",
    "Asks": "needs place=…, other=… (for example place=here)",
    "Explodes": "RuntimeError: no way",
    "NoWeights": "fetch them",
    "Divides": "ZeroDivisionError",
    "Metric": "not a subclass of bench.MusicModel",
    "function": "not a subclass of bench.MusicModel",
    "NeedsClap": "torch",
    "NeedsVersion": "'musicnn-msd@1' is",
    "NeedsMusicnn": "ready",
}


def declare(site: Path, package: str, groups: Groups) -> None:
    """Install a package's metadata, as an installer writes it; its modules must lie in ``site`` too."""
    folder = site / f"{package}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    sections = [
        "\n".join([f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())])
        for group, entries in groups.items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(sections) + "\n")


def install(site: Path, package: Path) -> None:
    """Install a package's modules and the entry points of its ``pyproject.toml``."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    declare(site, project["name"], project["entry-points"])
    for module in package.glob("*.py"):
        shutil.copy(module, site)


def python(site: Path, code: str) -> Any:
    """What code prints as JSON, in a process that has the packages in ``site`` beside tunebench."""
    ran = subprocess.run([sys.executable, "-c", code], env=_with(site), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def _with(site: Path) -> dict[str, str]:
    before = [path for path in [os.environ.get("PYTHONPATH")] if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *before])}


def meanings(site: Path, kind: str, *names: str) -> list[list[str]]:
    """For each name its package and target, or the class and text of the error that loading it gives."""
    code = f"""
import json
from bench.contracts.plugins import find, load
def meaning(name):
    try:
        plugin = find({kind!r}, name)
        load(plugin)
        return [plugin.distribution, plugin.target]
    except Exception as error:
        return [type(error).__name__, str(error)]
print(json.dumps([meaning(name) for name in {names!r}]))
"""
    found: list[list[str]] = python(site, code)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on Python's path with the package tunebench-buzz, which declares ``noise`` beside its own ``buzz``."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, BUZZ)
    return folder


class TestTwoPackagesWithOneName:
    def test_list_has_both_and_says_who_declares_the_name(self, site: Path, tunebench: Any) -> None:
        ran = tunebench("list", "models", "--json", PYTHONPATH=_with(site)["PYTHONPATH"])
        assert ran.returncode == 0, ran.stderr
        listed = {entry["name"]: entry for entry in json.loads(ran.stdout)}
        assert not listed["noise"]["usable"]
        assert "tunebench (" in listed["noise"]["summary"] and "tunebench-buzz (" in listed["noise"]["summary"]
        assert listed["buzz"]["package"] == listed["tunebench-buzz/noise"]["package"] == "tunebench-buzz"
        assert listed["tunebench/noise"]["target"] == "models.composer.controls:Noise"
        assert listed["composer"]["usable"] and listed["tunebench/noise"]["usable"]

    def test_doctor_tries_both(self, site: Path) -> None:
        code = "import json; from bench.installation.readiness import readiness; print(json.dumps(readiness('model')))"
        models = python(site, f"import sys; sys.modules['torch'] = None\n{code}")
        assert models["buzz"] == models["tunebench/noise"] == models["tunebench-buzz/noise"] == "ready"
        assert models["composer"] == "ready"
        assert "tunebench-buzz/noise" in models["noise"] and models["noise"] != "ready"

    def test_other_names_run_and_so_does_one_of_both(self, site: Path, tmp_path: Path, tunebench: Any) -> None:
        (tmp_path / "c.yaml").write_text(
            "{models: [buzz, {name: tunebench/noise@1, params: {}}], metrics: [crest@1], duration: 0.1, "
            "executor: {workers: 1}}"
        )
        ran = tunebench("run", "c.yaml", "--json", PYTHONPATH=_with(site)["PYTHONPATH"])
        assert ran.returncode == 0, ran.stderr
        rows = json.loads(ran.stdout)
        assert {(row["model"], row["metric"], row["n"]) for row in rows} == {
            ("buzz", "crest@1", 12),
            ("noise", "crest@1", 12),
        }

    def test_the_default_run_says_what_to_do(self, site: Path, tunebench: Any) -> None:
        ran = tunebench("run", "--dry-run", PYTHONPATH=_with(site)["PYTHONPATH"])
        assert ran.returncode == 2
        assert "'tunebench/noise' or 'tunebench-buzz/noise'" in ran.stderr and "uninstall" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_the_clips_of_one_of_both_are_those_of_the_plain_name(self, site: Path) -> None:
        code = """
import json
from bench.config.run_config import parse_config
from bench.planning.plan import make_plan
config = parse_config({"models": ["tunebench/noise"], "metrics": []})
print(json.dumps([config.models[0].row, make_plan(config).clips[0].id]))
"""
        alone = make_plan(parse_config({"models": ["noise"], "metrics": []}))
        assert python(site, code) == ["noise", alone.clips[0].id]

    def test_names_that_are_declared_wrongly_cost_nobody_else(self, tmp_path: Path) -> None:
        install(tmp_path, BUZZ)
        third = {
            "noise": "tb_buzz:Buzz",
            "gone": "no_such_module_anywhere:M",
            "wordy": "no value at all!",
            "bare": "tb_buzz",
            "extras": "tb_buzz:Buzz [fancy]",
            "lacking": "tb_buzz:Nothing",
        }
        declare(tmp_path, "Third.Party", {"tunebench.models": third, "tunebench.metrics": {"noise": "tb_buzz:Crest"}})
        # One package may name a thing twice, once in each of two lists that were joined.
        text = (tmp_path / "Third.Party-1.0.dist-info" / "entry_points.txt").read_text()
        twice = "[tunebench.models]\ntwice = tb_buzz:Buzz\ntwice = tb_buzz:Crest\n"
        (tmp_path / "Third.Party-1.0.dist-info" / "entry_points.txt").write_text(text + twice)
        broken = tmp_path / "broken-1.0.dist-info"
        broken.mkdir()
        (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
        (broken / "entry_points.txt").write_text("[tunebench.models]\nno equals sign\n")

        own = [["tunebench-buzz", "tb_buzz:Buzz"], ["third-party", "tb_buzz:Buzz"]]
        assert meanings(tmp_path, "model", "buzz", "third-party/noise", "tunebench-buzz/noise", "extras") == [
            own[0], own[1], own[0], own[1],
        ]  # fmt: skip
        assert meanings(tmp_path, "model", "THIRD_Party/noise@1", "composer") == [
            own[1],
            ["tunebench", "models.composer:Composer"],
        ]
        assert meanings(tmp_path, "metric", "noise") == [["third-party", "tb_buzz:Crest"]]
        errors = meanings(tmp_path, "model", "noise", "twice", "third-party/twice", "gone", "wordy", "bare", "lacking")
        assert [kind for kind, _ in errors] == ["UsageError"] * 3 + ["MissingError"] + ["UsageError"] * 3
        assert all(name in errors[0][1] for name in ("3 packages", "tunebench/noise", "third-party/noise"))
        assert all("third-party" in text for _, text in errors)
        assert "no_such_module_anywhere" in errors[3][1]
        assert "module:attribute" in errors[4][1] and "module:attribute" in errors[5][1]
        unreadable = (
            "import json; from bench.contracts.entry_points import unreadable_packages as u; "
            "print(json.dumps(dict(u())))"
        )
        assert list(python(tmp_path, unreadable)) == ["broken"]

    def test_doctor_survives_whatever_a_plugin_does(self, tmp_path: Path) -> None:
        (tmp_path / "odd.py").write_text(ODD)
        names = [name for name in ODD_STATES if name not in ("NeedsClap", "NeedsVersion", "NeedsMusicnn")]
        metrics = {name: f"odd:{name}" for name in ODD_STATES if name not in names}
        declare(tmp_path, "odd", {"tunebench.models": {n: f"odd:{n}" for n in names}, "tunebench.metrics": metrics})
        found = python(
            tmp_path,
            "import sys; sys.modules['torch'] = None\n"
            "import json; from bench.installation.readiness import readiness\n"
            "print(json.dumps({**readiness('metric'), **readiness('model')}))",
        )
        for name, state in ODD_STATES.items():
            assert state in found[name] and "\n" not in found[name], (name, found[name])
            assert (found[name] == "ready") == (state == "ready")

    def test_what_is_first_on_the_path_hides_an_older_copy_of_a_package(self, site: Path, tmp_path: Path) -> None:
        declare(tmp_path / "old", "tunebench_buzz", {"tunebench.models": {"noise": "old:Noise", "older": "old:Older"}})
        both = f"{site}{os.pathsep}{tmp_path / 'old'}"
        found = meanings(Path(both), "model", "tunebench-buzz/noise", "older")
        assert found[0] == ["tunebench-buzz", "tb_buzz:Buzz"]
        assert found[1][0] == "UsageError"


def test_metrics_of_two_packages_share_no_scores() -> None:
    def key(package: str | None) -> str:
        plugin = Plugin("metric", "crest", f"{package}:Crest", package)
        return PlannedMetric(plugin, {}, 1, "dB", "higher", "crest").params_hash

    assert len({key("acme"), key("tunebench-buzz"), key(OWN_PACKAGE)}) == 3


class TestVersions:
    """What tables print, ``name@version``, is accepted; and one thing is one thing, however it is written."""

    def test_names_without_version_package_and_file(self) -> None:
        assert plain_name("a/b@c.py:M") == "a/b@c.py:M"
        assert plain_name("a/b@c.py:M@12") == "a/b@c.py:M"
        assert plain_name("kad@one") == "kad@one"
        assert plain_name("@1") == "@1"
        assert short_name("acme/kad@2") == "kad"
        assert short_name("/home/me@work/mine.py:M") == "M"

    @pytest.mark.parametrize(
        ("kind", "name", "have"),
        [
            ("model", "composer", 1),
            ("model", "folder", 3),
            ("metric", "harmonic-accuracy", 2),
            ("metric", "kad", 2),
            ("embedder", "musicnn-msd", 1),
        ],
    )
    def test_the_installed_version_is_accepted_and_another_names_it(self, kind: Any, name: str, have: int) -> None:
        assert load(find(kind, f"{name}@{have}")) is load(find(kind, name))
        assert find(kind, f"{name}@{have}") == find(kind, name) == find(kind, f"tunebench/{name}@{have}")
        with pytest.raises(UsageError) as error:
            load(find(kind, f"{name}@{have + 6}"))
        assert f"'{name}@{have}'" in str(error.value) and f"'{name}@{have + 6}'" in str(error.value)

    def test_files_too(self, tiny: Path) -> None:
        for kind, name in (("model", "Sine"), ("metric", "Peak"), ("embedder", "Bands")):
            assert find(kind, f"{tiny}:{name}@1") == find(kind, f"{tiny}:{name}")  # type: ignore[arg-type]
            with pytest.raises(UsageError, match=f"'{tiny}:{name}@1'"):
                load(find(kind, f"{tiny}:{name}@4"))  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["kad@", "kad@one", "kad@1.0", "kad@1@2", "kad@-1"])
    def test_what_is_no_version_is_said(self, name: str) -> None:
        with pytest.raises(UsageError, match="'kad@1'"):
            find("metric", name)

    def test_parameters_are_written_apart(self) -> None:
        with pytest.raises(UsageError, match=r"\{name: kad, params: "):
            find("metric", "kad[embedder=vggish]@1")

    def test_suites_by_name_and_file(self, tmp_path: Path) -> None:
        path = tmp_path / "mine@2.yaml"
        path.write_text("{name: mine, version: 3, prompts: [{id: a, genre: pop, level: 1, text: A song}]}")
        for ref in (str(path), f"{path}@3"):
            assert load_suite_named(ref).ref == "mine@3"
        assert load_suite_named("tunebench/quick@1").ref == load_suite_named("quick").ref == "quick@1"
        assert default_folder({"suite": f"{path}@3"}).name == "mine@2"
        for ref, have in ((f"{path}@4", "mine@3"), ("genres@2", "genres@1")):
            with pytest.raises(UsageError, match=have):
                load_suite_named(ref)

    def test_references_have_none(self) -> None:
        embedder = plan_embedder(EmbedderRef("musicnn-msd@1"))
        assert find_reference("tunebench/composer", embedder) == find_reference("composer", embedder)
        with pytest.raises(UsageError, match="write 'composer'"):
            find_reference("composer@1", embedder)
        assert is_declared("reference", "composer@1") and not is_declared("reference", "./composer")

    @pytest.mark.parametrize(
        "content",
        [
            {"metrics": ["harmonic-accuracy", "harmonic-accuracy@2"]},
            {"models": ["composer", "composer@1"]},
            {"models": ["composer", {"name": "tunebench/composer"}]},
            {"models": [{"name": "composer-offkey@1", "sweep": {"share": [0.1]}}, "composer-offkey[share=0.1]"]},
        ],
    )
    def test_one_thing_under_two_names_is_named_twice(self, content: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match=r"(model|metric) '(harmonic-accuracy|composer)"):
            parse_config(content)

    def test_so_is_a_metric_with_its_defaults_written_out(self) -> None:
        entries = [
            MetricConfig(name="kad"),
            MetricConfig(name="tunebench/kad", params={"embedder": "tunebench/musicnn-msd@1"}),
        ]
        with pytest.raises(UsageError, match="metric 'kad@2' is"):
            plan_metrics(entries)

    def test_rows_are_labelled_without_version(self) -> None:
        config = parse_config({"models": [{"name": "composer-offkey@1", "sweep": {"share": [0.1, 0.2]}}, "noise@1"]})
        assert [model.row for model in config.models] == [
            "composer-offkey[share=0.1]",
            "composer-offkey[share=0.2]",
            "noise",
        ]

    def test_identities_are_those_of_the_plain_names(self, tiny: Path) -> None:
        def planned(**settings: Any) -> tuple[list[str], list[Any]]:
            plan = make_plan(parse_config({"duration": 1, **settings}))
            assert [metric.ref for metric in plan.metrics] == ["harmonic-accuracy@2", "kad@2", "Peak@1"]
            return [clip.id for clip in plan.clips], [metric.key(View()) for metric in plan.metrics]

        kad = {"name": "kad@2", "params": {"embedder": "musicnn-msd@1"}}
        plain = planned(
            suite="quick", models=["noise", f"{tiny}:Sine"], metrics=["harmonic-accuracy", "kad", f"{tiny}:Peak"]
        )
        assert plain == planned(
            suite="quick@1",
            models=["noise@1", f"{tiny}:Sine@1"],
            metrics=["tunebench/harmonic-accuracy@2", kad, f"{tiny}:Peak@1"],
        )

    def test_embedders_share_what_they_compute(self) -> None:
        assert EmbedderRef("musicnn-msd@1").share_name == EmbedderRef("musicnn-msd").share_name
        assert plan_embedder(EmbedderRef("musicnn-msd@1")) == plan_embedder(EmbedderRef("musicnn-msd"))
        assert canonical_name("embedder", "tunebench/musicnn-msd@1") == "musicnn-msd"
        with pytest.raises(UsageError, match="'musicnn-msd@1' is"):
            load_embedder(EmbedderRef("musicnn-msd@2"))
        with pytest.raises(UsageError, match="'musicnn-msd@1' is"):
            plan_metric(MetricConfig(name="fad", params={"embedder": "musicnn-msd@2"}))

    def test_configured_metrics_are_chosen_by_any_of_their_names(self) -> None:
        seeded = MetricConfig(name="fad-inf", params={"seed": 3})
        configured = [MetricConfig(name="kad@2", params={"bandwidth": 2.0}), seeded, MetricConfig(name="density")]
        for name in ("kad", "kad@2"):
            (chosen,) = metrics_named([name], configured)
            assert (chosen.name, chosen.params) == (name, {"bandwidth": 2.0})
        assert metrics_named(["fad-inf[seed=3]@1"], configured) == [seeded]
        assert metrics_named(["coverage@2"], configured) == [MetricConfig(name="coverage@2")]
        with pytest.raises(UsageError):
            plan_metrics(metrics_named(["kad@1"], configured))
