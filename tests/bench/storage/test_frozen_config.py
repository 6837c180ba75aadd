"""The configuration that is kept with a run: all rows, seeds and metrics that it holds, whatever commands made them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml

import bench
from bench import UsageError
from bench.bundle.pack import pack
from bench.bundle.verify import verify
from bench.config.run_config import RunConfig, load_config, parse_config
from bench.pipeline.run import rescore
from bench.storage.store import Store

Write = Callable[..., Path]
Configure = Callable[..., dict[str, Any]]
SUITE = {
    "name": "four",
    "version": 1,
    "prompts": [{"id": f"pop-{n}", "genre": "pop", "level": 1, "text": "tune " * n} for n in (1, 2, 3, 4)],
}


@pytest.fixture
def configure(tmp_path: Path, tiny: Path) -> Configure:
    (tmp_path / "four.yaml").write_text(yaml.safe_dump(SUITE))

    def write(*models: Any, **settings: Any) -> dict[str, Any]:
        suite = str(tmp_path / "four.yaml")
        common: dict[str, Any] = {"metrics": [f"{tiny}:Peak"], "duration": 0.25, "executor": {"workers": 0}}
        return {"suite": suite, "models": list(models), **common, **settings}

    return write


@pytest.fixture
def sine(tiny: Path) -> Callable[..., dict[str, Any]]:
    def row(label: str, hz: float, **more: Any) -> dict[str, Any]:
        return {"name": f"{tiny}:Sine", "as": label, "params": {"hz": hz}, **more}

    return row


def kept(folder: Path) -> RunConfig:
    return load_config(folder / "config.yaml")


def seeds(config: RunConfig) -> dict[str, Any]:
    return {model.row: config.seeds_of(model) for model in config.models}


def test_a_run_without_seeds_keeps_the_seed_it_has(configure: Configure, sine: Any, tmp_path: Path) -> None:
    bench.run(configure(sine("a", 200)), tmp_path / "run")
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["seeds"] == [0]


def test_a_run_that_grew_keeps_all_of_it(configure: Configure, sine: Any, tmp_path: Path, tiny: Path) -> None:
    out = tmp_path / "run"
    bench.run(configure(sine("a", 200), sine("b", 300)), out)
    bench.run(configure(sine("c", 400), sine("b", 300), seeds=[3, 1], metrics=[f"{tiny}:Frames"]), out)
    config = kept(out)
    assert seeds(config) == {"a": (0,), "b": (0, 3, 1), "c": (3, 1)}
    assert {model.row: model.params["hz"] for model in config.models} == {"a": 200, "b": 300, "c": 400}
    assert [metric.base for metric in config.metrics] == ["Peak", "Frames"]
    with Store.read(out) as store:
        clips = set(store.rows("SELECT id, model, prompt, seed FROM clips"))
    # It is the configuration of this run: in a new folder it makes the same clips, in this one none.
    bench.run(config, tmp_path / "anew")
    with Store.read(tmp_path / "anew") as store:
        assert set(store.rows("SELECT id, model, prompt, seed FROM clips")) == clips
    bench.run(config, out)
    assert kept(out) == config


def test_metrics_are_those_that_tables_show(configure: Configure, sine: Any, tmp_path: Path, tiny: Path) -> None:
    out = tmp_path / "run"
    fragile = {"name": f"{tiny}:Fragile", "params": {"how": "raise"}}
    bench.run(configure(sine("a", 200), metrics=[f"{tiny}:Peak", fragile, f"{tiny}:Frames"]), out)
    other = {"name": f"{tiny}:Fragile", "params": {"how": "again"}}
    bench.run(configure(sine("a", 200), metrics=[other]), out)
    assert [(m.base, m.params) for m in kept(out).metrics] == [
        ("Peak", {}),
        ("Fragile", {"how": "again"}),
        ("Frames", {}),
    ]


def test_scoring_again_is_kept_too(configure: Configure, sine: Any, tmp_path: Path, tiny: Path) -> None:
    out = bench.run(configure(sine("a", 200)), tmp_path / "run").folder
    common = {"seconds": 0.2, "band": None}
    again = configure(sine("x", 999), metrics=[f"{tiny}:Loudest"], common=common, seeds=[7])
    rescore(out, parse_config(again))
    config = kept(out)
    assert [metric.base for metric in config.metrics] == ["Peak", "Loudest"]
    assert (config.common.seconds, seeds(config)) == (0.2, {"a": (0,)})
    # How clips were made is not known where the file is gone, and is not made up.
    (out / "config.yaml").unlink()
    rescore(out, parse_config(again))
    assert not (out / "config.yaml").exists()


def test_files_have_seeds_of_their_own(configure: Configure, sine: Any, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for number in (1, 2, 3, 4):
        soundfile.write(tmp_path / "clips" / f"pop-{number}_{number * 50}.wav", [0.1 * number] * 2000, 8000)
    row = {"name": "folder", "as": "mine", "params": {"path": str(tmp_path / "clips")}}
    out = bench.run(configure(sine("a", 200, seeds=[0, 1]), row), tmp_path / "run").folder
    assert seeds(kept(out)) == {"a": (0, 1), "mine": "auto"}
    # A list would ask every prompt for what files of others have.
    bench.run(configure(row, seeds=[50]), out)
    assert seeds(kept(out)) == {"a": (0, 1), "mine": "auto"}


def test_a_configuration_that_was_lost(configure: Configure, sine: Any, tmp_path: Path) -> None:
    out = bench.run(configure(sine("a", 200)), tmp_path / "run").folder
    notes: list[str] = []

    class Listener:
        def begin(self, stage: str, total: int, done: int) -> None: ...
        def advance(self, count: int) -> None: ...
        def note(self, message: str) -> None:
            notes.append(message)

    for content in (None, "models: ["):
        (out / "config.yaml").unlink() if content is None else (out / "config.yaml").write_text(content)
        bench.run(configure(sine("b", 300)), out, Listener())
        assert seeds(kept(out)) == {"b": (0,)}
    assert len(notes) == 2 and all(f"{out}/config.yaml" in note and " a " in note for note in notes)
    bench.run(configure(sine("a", 200)), out, Listener())
    assert seeds(kept(out)) == {"b": (0,), "a": (0,)} and len(notes) == 2


def test_a_configuration_of_another_run_is_not_taken_in(configure: Configure, sine: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    config = configure(sine("a", 200), sine("b", 300))
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    bench.run(configure(sine("c", 400)), tmp_path / "run")
    assert seeds(kept(tmp_path / "run")) == {"c": (0,)}


class TestBundle:
    """Of installed metrics, since those of plugin files are not computed out of a bundle."""

    @pytest.fixture
    def grown(self, configure: Configure, sine: Any, tmp_path: Path) -> Path:
        metrics: dict[str, Any] = {"metrics": ["melodic-complexity"]}
        bench.run(configure(sine("a", 200), **metrics), tmp_path / "grown")
        return bench.run(configure(sine("b", 300), seeds=[0, 1], **metrics), tmp_path / "grown").folder

    def test_a_run_that_grew_is_packed_and_verified(self, grown: Path, tmp_path: Path) -> None:
        bundle = pack(grown, tmp_path / "b.zip")
        assert bundle.clips == 12
        found = verify(bundle.path, workers=0)
        assert found.holds and found.damage == ()

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda content: content["models"].pop(0), "model 'a'"),
            (lambda content: content["models"][0].update(seeds=[1]), "'a' with the seed 1"),
            (lambda content: content["models"][1].update(seeds=[0]), "seed 1 of 'b'"),
            (lambda content: content.update(metrics=["pitch-variety"]), "metric 'melodic-complexity'"),
        ],
    )
    def test_what_a_configuration_lacks_is_said(
        self, grown: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
    ) -> None:
        import hashlib
        import json
        import zipfile

        content = yaml.safe_load((grown / "config.yaml").read_text())
        change(content)
        with zipfile.ZipFile(pack(grown, tmp_path / "b.zip").path) as archive:
            held = {name: archive.read(name) for name in archive.namelist()}
        held["config.yaml"] = yaml.safe_dump(content).encode()
        index = json.loads(held["bundle.json"])
        index["files"]["config.yaml"] = {
            "sha256": hashlib.sha256(held["config.yaml"]).hexdigest(),
            "size": len(held["config.yaml"]),
        }
        held["bundle.json"] = json.dumps(index).encode()
        with zipfile.ZipFile(tmp_path / "changed.zip", "w") as archive:
            for name, packed in held.items():
                archive.writestr(name, packed)
        found = verify(tmp_path / "changed.zip", workers=0)
        assert not found.holds
        assert any(said in line for line in found.damage)
        # Nor is it packed like that.
        shutil.copytree(grown, tmp_path / "copy")
        (tmp_path / "copy" / "config.yaml").write_bytes(held["config.yaml"])
        with pytest.raises(UsageError) as refused:
            pack(tmp_path / "copy", tmp_path / "c.zip")
        assert said in str(refused.value)
