"""Set metrics compared: the metric, the vectors and the reference found again, tests kept, and what is said if not."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from re import findall
from typing import Any

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

import bench
from bench import Audio, UsageError
from bench.cli import leaderboard
from bench.comparison.compare import ComparisonOptions, compare, compare_all
from bench.comparison.result import Comparison
from bench.comparison.store_tests import store_set_tests
from bench.contracts.audio import write_flac
from bench.contracts.clip_view import View
from bench.contracts.notice import Notice
from bench.contracts.set_metric import gather
from bench.leaderboard.render import render
from bench.progress import Silent
from bench.references.load import load_reference
from bench.scores.aggregate import read_set_scores
from bench.storage.digests import write_digests
from bench.storage.store import Store
from metrics.kernel import KernelAudioDistance

Make = Callable[..., Path]
PLUGINS = Path(__file__).parents[2] / "plugins"
LEVELS, BANDS = PLUGINS / "levels.py", f"{PLUGINS / 'tiny.py'}:Bands"
KAD = {"name": "kad", "params": {"embedder": BANDS}}
BASE = {"name": f"{LEVELS}:Levels", "as": "base"}
LOUDER = {"name": f"{LEVELS}:Levels", "as": "louder", "params": {"shift": 0.2, "salt": 1}}


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve recordings of noise, two of each genre."""
    rng, folder = np.random.default_rng(3), tmp_path_factory.mktemp("reference") / "music"
    for place, genre in enumerate(("choral", "classical", "dance", "jazz", "pop", "rock") * 2):
        noise = rng.normal(size=4000)
        level = (0.3 + 0.02 * place) / np.abs(noise).max()
        write_flac(folder / genre / f"{place}.flac", Audio(level * noise, 8000))
    return folder


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Make:
    def run(*models: dict[str, Any], **changes: Any) -> Path:
        config = {
            "models": list(models),
            "metrics": [KAD],
            "seeds": [0, 1],
            "duration": 0.5,
            "reference": str(music),
            "executor": {"workers": 0},
            **changes,
        }
        return bench.run(config, tmp_path_factory.mktemp("run")).folder

    return run


@pytest.fixture(scope="module")
def made(make: Make) -> Path:
    return make(BASE, LOUDER)


@pytest.fixture(scope="module")
def plugged(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a run scored by a distance of a plugin file, whose test is this."""

    def run(test: str) -> Path:
        plugin = tmp_path_factory.mktemp("plugin") / "mine.py"
        plugin.write_text(
            "from bench.contracts.set_metric import Difference\n"
            "from metrics.kernel import KernelAudioDistance\n"
            "class Mine(KernelAudioDistance):\n"
            f"    def difference(self, a, b, reference, seed):\n        {test}\n"
        )
        mine = {"name": f"{plugin}:Mine", "params": {"embedder": BANDS}}
        return make(BASE, LOUDER, metrics=[mine], seeds=[0])

    return run


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for tests of set metrics that readers make."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/tunebench/set-tests"


def forget(folder: Path) -> None:
    """Remove the tests that a run holds."""
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute("DELETE FROM set_tests")
        db.commit()


def stored(folder: Path) -> dict[str, str]:
    with Store.read(folder) as store:
        return dict(store.rows("SELECT key, test FROM set_tests"))


def the_test(folder: Path, **how: Any) -> Comparison:
    (found,) = compare(folder, "base", "louder", options=ComparisonOptions(**how))
    return found


def test_it_is_the_metrics_own_difference(folder: Path) -> None:
    ours = the_test(folder)
    (file,) = (folder / "references").glob("*.safetensors")
    reference = load_reference(file)
    with Store.read(folder) as store:
        vectors = store.embedded(reference.embedder, View().key)
        prompts = store.prompts()
        number = {prompt: place for place, prompt in enumerate(sorted(prompts))}
        sets = [
            gather(
                [
                    (place, number[clip.prompt], np.asarray(vectors[clip.content]))
                    for place, clip in enumerate(sorted(store.made(), key=lambda c: (c.prompt, c.content)))
                    if clip.model == label
                ],
                reference.embedder,
                {place: prompts[prompt] for prompt, place in number.items()},
            )
            for label in ("base", "louder")
        ]
        shown = read_set_scores(store, None)
    theirs = KernelAudioDistance(BANDS).difference(sets[0], sets[1], reference, 0)
    assert (ours.estimate, ours.low, ours.high) == pytest.approx((theirs.estimate, theirs.low, theirs.high))
    assert (ours.p, ours.null, ours.n) == (theirs.p, theirs.null, 12)
    assert ours.p_holm == ours.p and ours.p is not None and ours.p < 0.05 and ours.warnings == ()
    # Over the same prompts it is what the leaderboard's values differ by.
    values = [shown[label, ours.column.ref, "all"].value for label in ("base", "louder")]
    assert [ours.mean_a, ours.mean_b] == values
    assert ours.estimate is not None and values[0] is not None and values[1] is not None
    assert ours.estimate == pytest.approx(values[1] - values[0])
    assert ours.detectable is None and ours.superiority is None
    assert ours.better == ("base" if ours.estimate > 0 else "louder")


def test_the_other_way_round_it_is_mirrored(folder: Path) -> None:
    one = the_test(folder)
    (other,) = compare(folder, "louder", "base")
    assert one.estimate is not None and one.low is not None and one.high is not None
    assert other.estimate == pytest.approx(-one.estimate)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert (other.p, other.n, other.better) == (one.p, one.n, one.better)


def test_chance_is_of_the_two_halves_of_the_seeds(folder: Path) -> None:
    found = the_test(folder)
    assert found.chance is not None and found.estimate is not None
    assert found.chance.estimate is not None and found.chance.p is not None
    assert abs(found.chance.estimate) < abs(found.estimate) and found.chance.p > 0.05


def test_two_runs_say_what_one_says(folder: Path, make: Make) -> None:
    one = the_test(folder)
    (two,) = compare(make(BASE), "base", "louder", other=make(LOUDER))
    assert two == one


def test_groups_only_when_asked_for(folder: Path) -> None:
    with Store.read(folder) as store:
        assert len(compare_all(store, [("base", "louder")], ("genre",))) == 1
        assert len(compare_all(store, [("base", "louder")], ("genre",), sets_by_group=True)) == 7
    groups = {c.group: c for c in compare(folder, "base", "louder", options=ComparisonOptions(by="genre"))}
    assert len(groups) == 7
    # Jazz is compared with the reference's jazz, as on the leaderboard.
    jazz = groups["jazz"]
    assert jazz.estimate == pytest.approx((jazz.mean_b or 0) - (jazz.mean_a or 0))
    assert jazz.p is None and findall(r"\d+", jazz.reason or "") == ["2", "4"]


def test_other_numbers_of_seeds_are_named(folder: Path, make: Make) -> None:
    (found,) = compare(folder, "base", "louder", other=make(LOUDER, seeds=[0]))
    assert Notice("W-SEEDS", {"a": [2, 2], "b": [1, 1]}) in found.warnings


def test_prompts_of_one_only_are_left_out(folder: Path, make: Make) -> None:
    (found,) = compare(folder, "base", "louder", other=make({**LOUDER, "params": {"flaw": "rock"}}))
    assert found.n == 10 and (found.mean_a, found.mean_b) == (None, None)
    assert Notice("W-UNPAIRED", {"only_a": 2, "only_b": 0}) in found.warnings


def test_a_metric_without_a_test_says_so(make: Make) -> None:
    found = the_test(make(BASE, LOUDER, metrics=[f"{PLUGINS / 'tiny.py'}:Spread"]), plugin_files=True)
    assert found.estimate is None and found.reason and "test" in found.reason


class TestKept:
    def test_a_run_stores_what_tables_ask_for(self, folder: Path, cache: Path) -> None:
        """One pair, and each of two rows against itself; they need neither metric nor reference any more."""
        first, held = the_test(folder), stored(folder)
        assert len(held) == 3 and not cache.exists()
        shutil.rmtree(folder / "references")
        (folder / "config.yaml").unlink()
        assert the_test(folder) == first and first.p is not None and first.chance is not None

    def test_a_run_that_goes_on_makes_only_what_is_new(self, make: Make, cache: Path, tmp_path: Path) -> None:
        config = {"models": [BASE, LOUDER], "metrics": [KAD], "duration": 0.5, "executor": {"workers": 0}}
        config |= {"reference": str(make(BASE) / "references")}
        run = bench.run(config, tmp_path / "run").folder
        first = stored(run)
        assert len(first) == 1
        with Store.open(run) as store:
            ((key, test),) = first.items()
            store.store_set_test(key, json.dumps({**json.loads(test), "n": 11}))
        third = {**LOUDER, "as": "third", "params": {"shift": 0.3, "salt": 2}}
        bench.run({**config, "models": [BASE, LOUDER, third]}, run)
        assert len(stored(run)) == 3 and the_test(run).n == 11
        # Of other clips the old tests are none.
        bench.run({**config, "models": [BASE, LOUDER, third], "seeds": [0, 1]}, run)
        assert len(stored(run)) == 6 and not first.keys() & stored(run).keys()
        assert not cache.exists()

    @pytest.mark.parametrize("absent", [5, 12])
    def test_a_test_of_clips_that_are_not_embedded_yet_is_not_kept(
        self, folder: Path, cache: Path, absent: int
    ) -> None:
        """As in a run that another command extended: once it is scored again, all its clips are tested."""
        first = the_test(folder)
        forget(folder)
        some = f"SELECT DISTINCT content FROM clips WHERE model = 'louder' ORDER BY prompt, seed LIMIT {2 * absent}"
        with sqlite3.connect(folder / "run.db") as db:
            db.execute("CREATE TABLE away AS SELECT * FROM embeddings")
            db.execute(f"DELETE FROM embeddings WHERE content IN ({some})")
            write_digests(db)
        found = the_test(folder)
        assert (found.n, found.p) != (first.n, first.p)
        with sqlite3.connect(folder / "run.db") as db:
            db.execute("INSERT OR IGNORE INTO embeddings SELECT * FROM away")
            db.execute("DROP TABLE away")
            write_digests(db)
        assert the_test(folder) == first
        assert cache.exists()

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"p": 7}', "\udc80"])
    def test_damage_in_a_run_costs_only_time(self, folder: Path, cache: Path, content: str) -> None:
        first = the_test(folder)
        with closing(sqlite3.connect(folder / "run.db")) as db:
            db.execute("UPDATE set_tests SET test = CAST(? AS TEXT)", (content.encode(errors="surrogateescape"),))
            db.commit()
        assert the_test(folder) == first
        assert len(list(cache.iterdir())) == 2

    @pytest.mark.parametrize(
        "damage", [lambda _: b"", lambda kept: kept[:-3], lambda kept: kept[:90] + b"\xff" + kept[91:]]
    )
    def test_damage_in_the_cache_costs_only_time(
        self, folder: Path, cache: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        forget(folder)
        first = the_test(folder)
        whole = {file: file.read_bytes() for file in cache.iterdir()}
        assert len(whole) == 2
        for file, content in whole.items():
            file.write_bytes(damage(content))
        assert the_test(folder) == first
        assert {file: file.read_bytes() for file in cache.iterdir()} == whole

    def test_a_cache_that_takes_nothing_costs_only_time(self, folder: Path, cache: Path) -> None:
        first = the_test(folder)
        forget(folder)
        cache.parents[1].write_bytes(b"a file")
        assert the_test(folder) == first

    def test_other_embeddings_of_the_same_sounds_are_another_test(self, folder: Path, cache: Path) -> None:
        """The cache is for all runs, and one may hold anything."""
        forget(folder)
        first = the_test(folder)
        with closing(sqlite3.connect(folder / "run.db")) as db:
            db.execute("UPDATE embeddings SET vectors = zeroblob(length(vectors)) WHERE rowid = 1")
            db.commit()
        assert the_test(folder).estimate != first.estimate
        assert cache.exists()

    def test_other_clips_are_another_test(self, folder: Path, make: Make) -> None:
        first = the_test(folder)
        assert the_test(make(BASE, LOUDER, seeds=[0, 1, 2])).estimate != first.estimate

    @pytest.mark.parametrize(
        "numbers",
        [
            (1e308, -1e308, 1e308, 0.001),
            (1.0, 2.0, 0.0, 0.5),
            (3.0, 0.0, 2.0, 0.5),
            (-1.0, 0.0, 2.0, 0.5),
            (1.0, 0.0, float("nan"), 0.5),
            (1.0, 0.0, 2.0, 0.0),
            (1.0, 0.0, 2.0, 1.5),
            (1.0, None, 0.0, 0.5),
        ],
    )
    def test_impossible_differences_cost_their_own_row_and_are_not_kept(
        self, plugged: Callable[[str], Path], numbers: tuple[float | None, ...]
    ) -> None:
        said = ", ".join("float('nan')" if number != number else repr(number) for number in numbers)
        found = the_test(run := plugged(f"return Difference({said}, '')"), plugin_files=True)
        assert found.estimate is found.p is None
        assert found.reason is not None and "within its interval with a p in (0, 1]" in found.reason
        assert stored(run) == {}

    def test_what_is_not_what_was_stored_is_not_believed(self, folder: Path) -> None:
        first = the_test(folder)
        with closing(sqlite3.connect(folder / "run.db")) as db:
            db.execute("UPDATE set_tests SET test = json_set(test, '$.p', 0.5)")
            db.commit()
        assert the_test(folder) == first and first.p != 0.5


def test_a_leaderboard_runs_plugin_files_where_it_may(plugged: Callable[[str], Path], cache: Path) -> None:
    forget(run := plugged("return Difference(1.0, 0.5, 1.5, 0.001, '')"))
    assert not cache.exists()
    app = Typer()
    app.command()(leaderboard.command)
    for options, tied in (([], True), (["--plugin-files"], False)):
        done = CliRunner().invoke(app, [str(run), "--json", *options], catch_exceptions=False)
        places = {(row["rank_best"], row["rank_worst"]) for row in json.loads(done.stdout)}
        assert (places == {(1, 1), (2, 2)}) is not tied


@pytest.mark.usefixtures("cache")
class TestReference:
    def lost(self, folder: Path) -> Path:
        """The run's reference, moved to where nobody looks for it, and no test that was made with it."""
        forget(folder)
        (file,) = (folder / "references").glob("*.safetensors")
        return Path(shutil.move(file, folder.parent / "elsewhere.safetensors"))

    def test_is_found_where_it_is_named(self, folder: Path, made: Path) -> None:
        there = self.lost(folder)
        gone = the_test(folder)
        assert gone.reason is not None and gone.estimate is None and gone.warnings == ()
        assert "the reference 'music'" in gone.reason
        assert "--reference" in gone.reason
        assert the_test(folder, reference=str(there)) == the_test(made)

    def test_another_one_is_not_taken(self, folder: Path, make: Make, tmp_path: Path) -> None:
        self.lost(folder)
        write_flac(
            tmp_path / "noise/0.flac", Audio(np.random.default_rng(1).normal(0, 0.1, 4000).astype(np.float32), 8000)
        )
        write_flac(
            tmp_path / "noise/1.flac", Audio(np.random.default_rng(2).normal(0, 0.1, 4000).astype(np.float32), 8000)
        )
        other = make(BASE, LOUDER, reference=str(tmp_path / "noise"))
        found = the_test(folder, reference=str(other / "references"))
        assert found.estimate is None and found.reason is not None and "--reference" in found.reason
        # Two runs against two references have no common distance.
        (apart,) = compare(made_again := make(BASE), "base", "louder", other=other)
        assert apart.reason is not None and ": music (" in apart.reason
        assert str(made_again) in apart.reason and "noise (" in apart.reason

    def test_no_such_place_is_refused(self, folder: Path) -> None:
        with pytest.raises(UsageError, match=r"'composr'.*'composer'"):
            the_test(folder, reference="composr")

    def test_other_views_have_no_common_distance(self, make: Make) -> None:
        one, two = make(BASE), make(LOUDER, common={"seconds": 0.25})
        (found,) = compare(one, "base", "louder", other=two)
        assert found.reason is not None
        assert f"view: whole clips in {one} and the first 0.25 s in {two}" in found.reason
        (alike,) = compare(make(BASE, common={"seconds": 0.25}), "base", "louder", other=two)
        assert alike.p is not None


@pytest.mark.usefixtures("cache")
def test_a_metric_that_changed_since_is_not_taken(make: Make, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    text = "from metrics.kernel import KernelAudioDistance\nclass Mine(KernelAudioDistance):\n    pass\n"
    plugin.write_text(text)
    run = make(BASE, LOUDER, metrics=[{"name": f"{plugin}:Mine", "params": {"embedder": BANDS}}])
    plugin.write_text(text + "\n# changed\n")
    forget(run)
    reason = the_test(run, plugin_files=True).reason
    assert reason is not None and "Mine' changed" in reason and "'tunebench score'" in reason
    plugin.write_text(text.replace("pass", "def difference(self, a, b, reference, seed):\n        return 1 / 0"))
    run = make(BASE, LOUDER, metrics=[{"name": f"{plugin}:Mine", "params": {"embedder": BANDS}}])
    assert (the_test(run, plugin_files=True).reason or "").startswith("ZeroDivisionError")
    assert stored(run) == {}
    plugin.write_text(text)
    assert the_test(
        make(BASE, LOUDER, metrics=[{"name": f"{plugin}:Mine", "params": {"embedder": BANDS}}]), plugin_files=True
    ).p


@pytest.mark.usefixtures("cache")
def test_a_run_brings_no_code_along(make: Make, tmp_path: Path) -> None:
    plugin, done = tmp_path / "mine.py", tmp_path / "done"
    text = "from metrics.kernel import KernelAudioDistance\nclass Mine(KernelAudioDistance):\n    pass\n"
    plugin.write_text(text)
    run = make(BASE, LOUDER, metrics=[{"name": f"{plugin}:Mine", "params": {"embedder": BANDS}}])
    plugin.write_text(f"open({str(done)!r}, 'w').close()\n{text}")
    forget(run)
    reason = the_test(run).reason
    assert reason is not None and "plugin file" in reason and "--plugin-files" in reason
    render(run)
    assert not done.exists()
    plugin.write_text(text)
    assert the_test(run, plugin_files=True).p == the_test(run).p  # what was kept needs no code


def test_too_many_pairs_are_told_and_not_tested(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("compare", "store_tests"):
        monkeypatch.setattr(f"bench.comparison.{module}.MOST_PAIRS", 0)
    forget(folder)
    with Store.open(folder) as store:
        store_set_tests(store, Silent())
    assert len(stored(folder)) == 2  # each row against itself
    with Store.read(folder) as store:
        (found,) = compare_all(store, [("base", "louder")])
    assert found.p is None and found.reason is not None and "tunebench compare" in found.reason
    assert "tunebench compare" in str(render(folder)) and not cache.exists()
