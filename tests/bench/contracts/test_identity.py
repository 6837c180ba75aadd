"""Identities: what names things for good, whatever file they lie in, and what is not set has no part in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

import bench
from bench import Audio, MusicModel, Prompt
from bench.config.run_config import MetricConfig, parse_config
from bench.contracts import entry_points
from bench.contracts.clip_view import View, view_text
from bench.contracts.embedder import EmbedderRef
from bench.contracts.entry_points import Plugin
from bench.contracts.identity import identity_of, only_set, plugin_identity, plugin_label, portable, prompt_identity
from bench.contracts.model import GenerationRequest
from bench.contracts.plugins import find, load
from bench.errors import DataError, UsageError
from bench.hashing import fingerprint
from bench.leaderboard.render import read_board
from bench.planning.metric_plan import plan_embedder, plan_metric
from bench.planning.plan import PlannedModel, clip_id, make_plan, model_identity
from bench.scores.protocol import protocol_of
from bench.storage.store import Store

TINY = Path(__file__).parents[2] / "plugins" / "tiny.py"
PLUGINS = """
import numpy as np
from bench import Audio, ClipMetric, Embedder, EmbedderRef, MusicModel, Score

class Hum(MusicModel):
    sample_rate = 8000
    version = 3
    def __init__(self, hz=100.0, voice=None):
        self.hz = hz
    def fingerprint(self):
        return {"weights": "ab" * 32}
    def generate(self, requests):
        for r in requests:
            t = np.arange(round(r.duration * 8000)) / 8000
            yield Audio(0.2 * np.sin(2 * np.pi * self.hz * (1 + len(r.prompt.id)) * t), 8000)

class Level(Embedder):
    dimension = 2
    def embed(self, audio):
        mono = audio.mono()
        return np.array([[np.abs(mono).mean(), mono.std()]], dtype=np.float32)

class Mean(ClipMetric):
    embedders = (EmbedderRef("moved-level"),)
    def score(self, clip):
        return Score.of(float(clip.embedding(self.embedders[0]).mean()))
"""
CONFIG = {
    "models": ["moved-hum", {"name": "moved-hum", "as": "higher", "params": {"hz": 300}}],
    "metrics": ["moved-mean", {"name": "kad", "params": {"embedder": "moved-level"}}],
    "seeds": [0, 1],
    "duration": 0.1,
    "executor": {"workers": 0},
}

CLIPS = {
    "noise": "8112764461285445",
    "composer-loose": "b4f1c35f0050742f",
    "composer-offkey": "8781ce07629b061e",
    "composer": "0f94c68947e493d3",
}
METRICS = {
    "harmonic-accuracy@2": ["801506347411", ""],
    "melodic-complexity@2": ["17e89138b4c0", ""],
    "pitch-variety@2": ["1a0ad925dc3d", ""],
    "rhythmic-inconsistency@2": ["f9705ba11717", ""],
    "rhythm-grid@2": ["73a28d8e641c", ""],
    "tempo-adherence@2": ["f6ea8e5762a0", ""],
    "key-adherence@2": ["519341a1c0c4", ""],
    "genre-fit@2": ["0c99defb6b7b", "086c4468a88e"],
    "kad@2": ["2e075120d96c", "801f83b6e455"],
}
PROTOCOL = "82595b0d53ac"
EMBEDDER = "4af81df1716090b4"
REFERENCE = "2ed69242b637a561"


def install(folder: Path, module: str, distribution: str) -> None:
    """A package on the path as pip would leave it."""
    place = folder.joinpath(*module.split(".")).with_suffix(".py")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(PLUGINS)
    about = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        f"[tunebench.models]\nmoved-hum = {module}:Hum\n[tunebench.embedders]\nmoved-level = {module}:Level\n"
        f"[tunebench.metrics]\nmoved-mean = {module}:Mean\n"
    )


def forget() -> None:
    """Look at what is installed anew."""
    entry_points.declared.cache_clear()
    entry_points._packages.cache_clear()


@pytest.fixture
def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Installs the plugins in a module of some name, in place of what was installed before."""

    def installed_as(number: int, module: str, distribution: str = "My_Plugins") -> Path:
        for path in [path for path in sys.path if path.startswith(str(tmp_path))]:
            monkeypatch.setattr(sys, "path", [p for p in sys.path if p != path])
        folder = tmp_path / f"site-{number}"
        install(folder, module, distribution)
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        forget()
        return folder

    yield installed_as
    forget()


def names(out: Path, suite: Path) -> dict[str, Any]:
    """Everything that is named after plugins, and a protocol."""
    plan = make_plan(parse_config({**CONFIG, "suite": str(suite)}))
    music = out.parent / "music"
    bench.run({**CONFIG, "suite": str(suite), "reference": str(music)}, out)
    with Store.read(out) as store:
        return {
            "models": [model.fingerprint for model in plan.models],
            "clips": [clip.id for clip in plan.clips],
            "metrics": [metric.key(View(1.0)) for metric in plan.metrics],
            "embedders": [e.fingerprint for metric in plan.metrics for e in metric.embedders],
            "references": store.rows("SELECT reference FROM metrics"),
            "protocol": protocol_of(store).id,
        }


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    import numpy as np
    import soundfile

    (tmp_path / "music").mkdir()
    for number in range(4):
        tone = 0.1 * (1 + number) * np.sin(np.arange(800) / (3 + number))
        soundfile.write(tmp_path / "music" / f"{number}.wav", tone, 8000)
    prompts = [{"id": f"p{'x' * i}", "text": f"tune {i}"} for i in range(5)]
    (tmp_path / "five.yaml").write_text(yaml.safe_dump({"name": "five", "version": 1, "prompts": prompts}))
    return tmp_path / "five.yaml"


def test_a_moved_module_changes_nothing(installing: Any, suite: Path, tmp_path: Path) -> None:
    installing(1, "first_place")
    first = names(tmp_path / "one", suite)
    installing(2, "another_place.far.down", "my-plugins")  # which is the same name to an index
    assert names(tmp_path / "two", suite) == first
    # The first run goes on in the second installation as if nothing had happened.
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "one" / "audio").glob("*/*"))
    bench.run({**CONFIG, "suite": str(suite), "reference": str(tmp_path / "music")}, tmp_path / "one")
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "one" / "audio").glob("*/*")) == before


def test_another_distribution_is_another_plugin(installing: Any, suite: Path) -> None:
    config = parse_config({**CONFIG, "suite": str(suite)})
    installing(1, "first_place")
    ours = make_plan(config)
    installing(2, "second_place", "someone-elses")
    theirs = make_plan(config)
    assert not {clip.id for clip in ours.clips} & {clip.id for clip in theirs.clips}
    assert ours.metrics[0].key(View()) != theirs.metrics[0].key(View())


def test_a_plugin_file_is_its_class_and_its_content(tmp_path: Path) -> None:
    for place in ("a/mine.py", "b/c/other.py"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(TINY.read_text() + "# of this test alone\n")
    files = [f"{tmp_path}/a/mine.py", f"{tmp_path}/b/c/other.py"]
    configs = [parse_config({"models": [{"name": f"{file}:Sine", "as": "sine"}], "metrics": []}) for file in files]
    one, two = map(make_plan, configs)
    assert [clip.id for clip in one.clips] == [clip.id for clip in two.clips]
    for name in ("Peak", "Spread"):
        keys = {plan_metric(MetricConfig(name=f"{file}:{name}")).params_hash for file in files}
        assert len(keys) == 1
    assert len({plan_embedder(EmbedderRef(f"{file}:Bands")).fingerprint for file in files}) == 1
    # A parameter that names a plugin file is what is in it, too.
    kads = {plan_metric(MetricConfig(name="kad", params={"embedder": f"{file}:Bands"})).params_hash for file in files}
    assert len(kads) == 1
    (tmp_path / "a" / "mine.py").write_text(TINY.read_text() + "# changed\n")
    changed = make_plan(configs[0])
    assert not {clip.id for clip in changed.clips} & {clip.id for clip in two.clips}
    assert plan_metric(MetricConfig(name="kad", params={"embedder": f"{files[0]}:Bands"})).params_hash not in kads


def test_built_in_ids_are_for_good() -> None:
    """Names of our own clips, metrics, embedders, reference and protocol: moving or renaming a module changes none."""
    from bench.references.find import find_reference
    from bench.scores.protocol import ShownMetric, make_protocol

    plan = make_plan(parse_config({"suite": "quick@1", "duration": 10}))
    assert {clip.model: clip.id[:16] for clip in reversed(plan.clips)} == CLIPS
    assert {metric.ref: [key[:12] for key in metric.key(View())[2:4]] for metric in plan.metrics} == METRICS
    shown = [
        ShownMetric(m.ref, m.params_hash, m.key(View()).embedder, "{}" if m.embedders else "") for m in plan.metrics
    ]
    assert make_protocol("quick@1", 10.0, plan.suite.prompts, shown).id == PROTOCOL
    embedder = plan_embedder(EmbedderRef("musicnn-msd"))
    assert embedder.fingerprint[:16] == EMBEDDER
    assert find_reference("composer", embedder).fingerprint[:16] == REFERENCE


@dataclass(frozen=True)
class LaterPrompt(Prompt):
    """A prompt as a later version may have it."""

    lyrics: str | None = None
    controls: tuple[str, ...] = ()


def test_a_field_that_is_not_set_is_no_part_of_an_identity() -> None:
    now = Prompt("p", "a tune", "jazz", 2, 120)
    later = LaterPrompt("p", "a tune", "jazz", 2, 120)
    sung = LaterPrompt("p", "a tune", "jazz", 2, 120, lyrics="la la")
    model = {"plugin": {"name": "m", "version": 1}}
    planned = PlannedModel("m", Plugin("model", "m", "module:M"), {}, model, {}, 8000, 1, None)
    ids = [clip_id(planned, GenerationRequest(prompt, 0, 1.0)) for prompt in (now, later, sung)]
    assert ids[0] == ids[1] != ids[2]
    assert prompt_identity(later) == {"text": "a tune", "genre": "jazz", "level": 2, "bpm": 120}

    plugin = Plugin("embedder", "e", "module:E", "dist")
    without = identity_of(plugin, 1, {"rate": 16000}, {"weights": "ab"})
    assert identity_of(plugin, 1, {"rate": 16000, "front_end": None}, {"weights": "ab", "commit": ""}) == without
    assert identity_of(plugin, 1, {"rate": 16000, "front_end": "torch"}, {"weights": "ab"}) != without


def test_what_is_set_is_a_part() -> None:
    assert only_set({"a": None, "b": "", "c": [], "d": {}, "e": 0, "f": False, "g": 0.0}) == {
        "e": 0,
        "f": False,
        "g": 0,
    }
    plugin = Plugin("model", "m", "module:M", "Some.Dist_Name")
    named = {"name": "m", "distribution": "some-dist-name", "version": 2}
    assert plugin_identity(plugin, 2) == named
    # A parameter that is an empty text or 0 is a value; only None is none.
    given = identity_of(plugin, 2, {"tag": "", "scale": 0.0, "adapter": None, "names": []})
    assert given == {"plugin": named, "params": {"tag": "", "scale": 0.0, "names": []}}
    with pytest.raises(UsageError, match="'params'"):
        identity_of(plugin, 2, {}, {"params": 1})
    assert portable({"a": ["no/file.py:There"]}) == {"a": ["no/file.py:There"]}


def test_plugins_have_a_short_name() -> None:
    assert plugin_label({"plugin": {"name": "kad", "distribution": "d", "version": 2}}) == "kad@2"
    assert plugin_label({"plugin": {"class": "Mine", "version": 1, "source": "ab"}}) == "Mine@1"
    assert plugin_label({"class": "models.stable_audio:StableAudio@2"}) == "StableAudio@2"  # of a run of layout 2
    assert plugin_label({}) == "unknown"


def test_a_tempo_is_one_whoever_wrote_it() -> None:
    """A suite's file says 120, the database gives 120.0 back."""
    ids = {fingerprint(prompt_identity(Prompt("p", "t", bpm=bpm))) for bpm in (120, 120.0)}
    assert len(ids) == 1
    assert fingerprint(prompt_identity(Prompt("p", "t", bpm=120.5))) not in ids


@pytest.mark.parametrize(
    ("view", "key", "words"),
    [
        (View(), "{}", "whole clips"),
        (View(8), '{"seconds":8.0}', "the first 8 s"),
        (View(8.125, 8000), '{"band":8000.0,"seconds":8.125}', "the first 8.125 s, up to 8000 Hz"),
        (View(1234.567), '{"seconds":1234.567}', "the first 1234.57 s"),
    ],
)
def test_a_view_is_data(view: View, key: str, words: str) -> None:
    assert view.key == key and View.of_key(key).key == key
    assert view_text(key) == words and view_text("") == ""


@pytest.mark.parametrize(
    "key", ["", "[]", "null", '{"seconds":"8"}', '{"seconds":-1}', '{"seconds":NaN}', '{"seconds":true}', '{"rate":1}',
            '{"seconds":1e999}', "whole clips", '{"band":0}']
)  # fmt: skip
def test_what_is_no_view(key: str) -> None:
    with pytest.raises(DataError):
        View.of_key(key)


class TestPromptsWithoutGenreAndLevel:
    CONFIG: ClassVar[dict[str, Any]] = {
        "models": [{"name": f"{TINY}:Sine", "as": "low"},
                   {"name": f"{TINY}:Sine", "as": "high", "params": {"hz": 900}}],
        "metrics": [f"{TINY}:Peak", f"{TINY}:Spread", "genre-fit"],
        "duration": 0.3,
        "executor": {"workers": 0},
    }  # fmt: skip

    @pytest.fixture
    def run(self, suite: Path, tmp_path: Path) -> Path:
        return bench.run({**self.CONFIG, "suite": str(suite)}, tmp_path / "run").folder

    def test_all_is_computed_and_nothing_is_grouped(self, run: Path) -> None:
        cells = {(cell.model, cell.column.ref): cell.estimate for cell in read_board(run, plugin_files=True).cells}
        assert cells["low", "Peak@1"].n == 5
        assert cells["low", "Spread@1"].value is not None
        with Store.read(run) as store:
            assert store.rows("SELECT DISTINCT grouping FROM set_scores") == [("all",)]
            reasons = store.rows("SELECT DISTINCT reason FROM scores WHERE metric = 'genre-fit'")
            assert len(reasons) == 1 and "genre" in str(reasons[0])
        for by in ("genre", "level"):
            with pytest.raises(UsageError, match=rf"\b{by}\b"):
                read_board(run, by)
            with pytest.raises(UsageError, match=rf"\b{by}\b"):
                bench.Run(run).compare("low", "high", by)

    def test_tables_bundles_and_pages_do_without(self, run: Path, tmp_path: Path) -> None:
        pytest.importorskip("jinja2")
        from bench.bundle.pack import pack
        from bench.bundle.verify import verify
        from bench.report.build import build_report
        from bench.scores.clip_table import clip_table, written

        with Store.read(run) as store:
            table = clip_table(store)
        assert table["genre"].isna().all() and table["level"].isna().all()
        assert b"nan" not in written(table, "csv").lower()
        found = verify(pack(run, tmp_path / "b.zip").path, workers=0)
        assert found.damage == () and found.deviations == ()
        build_report(run, tmp_path / "report")
        page = (tmp_path / "report" / "prompts" / "1.html").read_text()
        assert "None" not in page and "None" not in (tmp_path / "report" / "prompts.html").read_text()

    def test_some_have_a_genre(self, suite: Path, tmp_path: Path) -> None:
        content = yaml.safe_load(suite.read_text())
        for prompt in content["prompts"][:2]:
            prompt["genre"] = "jazz"
        suite.write_text(yaml.safe_dump(content))
        run = bench.run({**self.CONFIG, "suite": str(suite)}, tmp_path / "run").folder
        cells = read_board(run, "genre", plugin_files=True).cells
        assert {cell.group: cell.planned for cell in cells} == {"all": 5, "jazz": 2}
        compared = bench.Run(run).compare("low", "high", "genre")
        assert set(compared["group"]) == {"all", "jazz"}


def test_the_composer_does_without_a_genre() -> None:
    from models.composer.writing.prompt_parser import parse_prompt

    assert parse_prompt(Prompt("p", "A bebop tune")).style == "jazz"
    assert parse_prompt(Prompt("p", "Something")).style == "pop"
    model = bench.contracts.plugins.create(find("model", "composer"), {}, bench.MusicModel)
    (audio,) = model.generate([GenerationRequest(Prompt("p", "A bebop tune"), 0, 1.0)])
    assert audio.frames == 44_100


def test_two_names_of_one_model_give_one_identity() -> None:
    class Tuned(Silent):
        identity_name = "silent"

    plugins = [Plugin("model", name, "module:Silent", "dist") for name in ("silent", "silent-lora")]
    one, two = (model_identity(p, model, {}, "row") for p, model in zip(plugins, (Silent(), Tuned()), strict=True))
    assert one == two
    for name in ("audioldm", "stable-audio"):
        assert load(find("model", f"{name}-lora")).identity_name == name


class Silent(MusicModel):
    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio]:
        return [Audio(np.zeros((1, 8), np.float32), 8) for _ in requests]
