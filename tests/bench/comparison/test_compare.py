"""Comparing rows of real runs: numbers computed another way, the laws they obey, and what is refused or marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from re import findall
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import bench
from bench import UsageError
from bench.comparison.compare import ComparisonOptions, compare, compare_all
from bench.comparison.pending import PendingComparison, finish
from bench.comparison.result import Comparison
from bench.comparison.run_reader import ComparedRun
from bench.comparison.set_tests import SetTests
from bench.contracts.notice import Notice
from bench.progress import Silent
from bench.stats.multiplicity import benjamini_hochberg, holm
from bench.stats.paired import sign_flip_p
from bench.storage.store import Store

Make = Callable[..., Path]
LEVELS = Path(__file__).parents[2] / "plugins" / "levels.py"
PEAK, LOUD = f"{LEVELS}:Peak", f"{LEVELS}:Loud"


def row(label: str, **params: Any) -> dict[str, Any]:
    return {"name": f"{LEVELS}:Levels", "as": label, "params": params}


BASE, LOUDER = row("base"), row("louder", shift=0.05, salt=1)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a run of some models; keyword arguments replace settings."""

    def run(*models: dict[str, Any], **changes: Any) -> Path:
        config = {
            "suite": "quick@1",
            "models": list(models),
            "metrics": [PEAK, LOUD],
            "seeds": [0, 1],
            "duration": 0.1,
            "executor": {"workers": 0},
            **changes,
        }
        return bench.run(config, tmp_path_factory.mktemp("run")).folder

    return run


@pytest.fixture(scope="module")
def folder(make: Make) -> Path:
    return make(BASE, LOUDER, row("other", salt=2), row("flawed", salt=3, flaw="rock"))


def by_metric(found: list[Comparison], group: str = "all") -> dict[str, Comparison]:
    return {c.column.ref: c for c in found if c.group == group}


def prompt_means(folder: Path, model: str, metric: str = "Peak", where: str = "1") -> dict[str, float]:
    with Store.read(folder) as store:
        query = (
            "SELECT prompt, AVG(value) FROM scores JOIN clips ON clips.id = clip JOIN prompts ON prompts.id = prompt "
            f"WHERE model = ? AND metric = ? AND value IS NOT NULL AND {where} GROUP BY prompt"
        )
        return dict(store.rows(query, (model, metric)))


def all_signs_p(differences: list[float]) -> float:
    """Every one of the 2ⁿ sums, written out."""
    d = np.array(differences)
    sums = np.abs(np.array(list(product((1, -1), repeat=len(d)))) @ d)
    return float(np.mean(sums >= abs(d.sum()) - 1e-9))


def known(p: float | None) -> float:
    assert p is not None
    return p


class TestNumbers:
    def test_are_those_of_another_computation(self, folder: Path) -> None:
        from scipy.stats import ttest_1samp

        ours = by_metric(compare(folder, "base", "louder"))["Peak@1"]
        a, b = (prompt_means(folder, model) for model in ("base", "louder"))
        d = [b[p] - a[p] for p in a]
        theirs = ttest_1samp(d, 0).confidence_interval()
        assert (ours.a, ours.b, ours.n, ours.grouping, ours.group) == ("base", "louder", 12, "all", "all")
        assert ours.estimate == pytest.approx(np.mean(d))
        assert (ours.low, ours.high) == pytest.approx(tuple(theirs))
        assert ours.p == all_signs_p(d)
        assert ours.effect == pytest.approx(np.mean(d) / np.std(d, ddof=1))
        assert ours.superiority == np.mean(np.array(d) > 0)
        assert (ours.mean_a, ours.mean_b) == pytest.approx((np.mean(list(a.values())), np.mean(list(b.values()))))
        assert ours.better == "louder" and ours.estimate is not None and 3 < ours.estimate < 7
        assert ours.detectable is not None and 0 < ours.detectable < 5

    def test_hits_and_misses_are_tested_exactly(self, make: Make) -> None:
        from scipy.stats import binomtest

        run = make(BASE, row("louder", shift=0.02, salt=4), seeds=[0], metrics=[LOUD], suite="genres@1")
        a, b = (prompt_means(run, model, "Loud") for model in ("base", "louder"))
        gained, lost = (sum(one[p] > two[p] for p in a) for one, two in ((b, a), (a, b)))
        assert gained + lost >= 2
        ours = by_metric(compare(run, "base", "louder"))["Loud@1"]
        assert ours.p == pytest.approx(binomtest(gained, gained + lost).pvalue)
        assert ours.better is None

    def test_intervals_stay_within_what_a_difference_can_be(self, make: Make) -> None:
        models = row("silent", shift=-0.39), row("full", shift=0.5)
        c = by_metric(compare(make(*models, seeds=[0]), "silent", "full"))["Loud@1"]
        assert (c.estimate, c.low, bool(c.reason)) == (100.0, None, True)
        assert c.p == 2 / 2**12

    def test_groups_are_compared_by_themselves(self, make: Make) -> None:
        run = make(BASE, LOUDER, suite="genres@1", seeds=[0])
        found = compare(run, "base", "louder", options=ComparisonOptions(by="genre"))
        assert [c.group for c in found[:2]] == ["all", "all"]
        assert [c.group for c in found[2::2]] == ["choral", "classical", "dance", "jazz", "pop", "rock"]
        a, b = (prompt_means(run, m, where="genre = 'jazz'") for m in ("base", "louder"))
        jazz = by_metric(found, "jazz")["Peak@1"]
        assert jazz.n == 6 and jazz.p == all_signs_p([b[p] - a[p] for p in a])
        assert by_metric(found) == by_metric(compare(run, "base", "louder"))
        levels = compare(run, "base", "louder", options=ComparisonOptions(by="level"))
        assert sorted({c.group for c in levels if c.grouping == "level"}) == ["1", "2", "3", "4", "5", "6"]

    def test_adjustments_are_over_metrics_and_over_groups(self, make: Make) -> None:
        run = make(BASE, LOUDER, suite="genres@1", seeds=[0])
        found = compare(run, "base", "louder", options=ComparisonOptions(by="genre"))
        whole, groups = found[:2], found[2:]
        assert [c.p_holm for c in whole] == pytest.approx(holm([known(c.p) for c in whole]).tolist())
        assert [c.p_bh for c in groups] == pytest.approx(benjamini_hochberg([known(c.p) for c in groups]).tolist())
        assert {c.p_bh for c in whole} == {c.p_holm for c in groups} == {None}

    def test_few_prompts_get_no_test(self, folder: Path) -> None:
        found = by_metric(compare(folder, "base", "louder", options=ComparisonOptions(by="genre")), "jazz")["Peak@1"]
        assert found.estimate is not None and found.n == 2
        assert (found.low, found.p, found.p_bh, found.detectable) == (None, None, None, None)
        assert findall(r"\d+", found.reason or "") == ["2", "4"]

    def test_chance_is_a_against_itself(self, folder: Path) -> None:
        c = by_metric(compare(folder, "base", "louder"))["Peak@1"]
        early, late = (prompt_means(folder, "base", where=f"seed = {seed}") for seed in (0, 1))
        d = [late[p] - early[p] for p in early]
        assert c.chance is not None and c.chance.estimate is not None and c.estimate is not None
        assert c.chance.estimate == pytest.approx(np.mean(d))
        assert c.chance.p == all_signs_p(d)
        assert c.chance.low is not None and c.chance.high is not None and c.chance.low < 0 < c.chance.high
        assert abs(c.chance.estimate) < c.estimate

    def test_odd_numbers_of_seeds_leave_the_middle_one_out(self, make: Make) -> None:
        run = make(BASE, LOUDER, seeds=[0, 1, 2], metrics=[PEAK])
        early, late = (prompt_means(run, "base", where=f"seed = {seed}") for seed in (0, 2))
        (c,) = compare(run, "base", "louder")
        assert c.chance is not None and c.chance.estimate == pytest.approx(np.mean([late[p] - early[p] for p in early]))
        assert compare(make(BASE, LOUDER, seeds=[0], metrics=[PEAK]), "base", "louder")[0].chance is None


class TestLaws:
    def test_the_other_way_round_everything_is_mirrored(self, folder: Path) -> None:
        for one, other in zip(
            compare(folder, "base", "louder", options=ComparisonOptions(by="genre")),
            compare(folder, "louder", "base", options=ComparisonOptions(by="genre")),
            strict=True,
        ):
            assert (other.a, other.b, other.column, other.group) == (one.b, one.a, one.column, one.group)
            assert other.estimate == -(one.estimate or 0.0)
            assert (other.p, other.p_holm, other.p_bh, other.n) == (one.p, one.p_holm, one.p_bh, one.n)
            assert (other.mean_a, other.mean_b, other.detectable) == (one.mean_b, one.mean_a, one.detectable)
            assert other.better == one.better
            assert other.superiority == pytest.approx(1 - (one.superiority or 0.0))
            if one.low is not None and one.high is not None:
                assert (other.low, other.high) == pytest.approx((-one.high, -one.low))

    @settings(max_examples=15)
    @given(st.permutations(list(combinations(("base", "louder", "other"), 2))))
    def test_many_pairs_at_once_are_each_by_itself(self, folder: Path, pairs: list[tuple[str, str]]) -> None:
        with Store.read(folder) as store:
            found = compare_all(store, pairs, ("genre",))
        for place, (a, b) in enumerate(pairs):
            assert found[14 * place : 14 * (place + 1)] == compare(folder, a, b, options=ComparisonOptions(by="genre"))

    def test_two_runs_say_what_one_says(self, folder: Path, make: Make) -> None:
        first, second = make(row("x", salt=7), BASE), make(LOUDER)
        together = compare(folder, "base", "louder", options=ComparisonOptions(by="level"))
        assert compare(first, "base", "louder", other=second, options=ComparisonOptions(by="level")) == together

    def test_the_suites_other_version_is_no_other_prompt(self, make: Make, tmp_path: Path) -> None:
        prompts = [{"id": f"p{i}", "text": f"tune {i}", "genre": "pop", "level": 1} for i in range(8)]
        one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
        one.write_text(yaml.safe_dump({"name": "mine", "version": 1, "prompts": prompts[:6]}))
        two.write_text(yaml.safe_dump({"name": "mine", "version": 2, "prompts": prompts}))
        found = compare(make(BASE, suite=str(one)), "base", "louder", other=make(LOUDER, suite=str(two)))
        assert {c.n for c in found} == {6}

    def test_rows_of_one_name_are_told_apart(self, make: Make) -> None:
        first, second = make(BASE), make(row("base", salt=9))
        found = compare(first, "base", "base", other=second)
        assert (found[0].a, found[0].b) == (f"base ({first.name})", f"base ({second.name})")


class TestMarks:
    def test_prompts_of_one_only_are_left_out_and_counted(self, folder: Path) -> None:
        found = by_metric(compare(folder, "base", "flawed"))["Peak@1"]
        assert found.n == 10
        assert found.warnings == (Notice("W-UNPAIRED", {"only_a": 2, "only_b": 0}),)
        a, b = prompt_means(folder, "base"), prompt_means(folder, "flawed")
        assert found.estimate == pytest.approx(np.mean([b[p] - a[p] for p in b]))

    def test_nothing_in_common_is_a_reason(self, folder: Path) -> None:
        rock = by_metric(compare(folder, "base", "flawed", options=ComparisonOptions(by="genre")), "rock")["Peak@1"]
        assert (rock.estimate, rock.n) == (None, 0)
        assert rock.reason is not None and "'flawed'" in rock.reason

    def test_five_prompts_can_settle_nothing(self, make: Make, tmp_path: Path) -> None:
        prompts = [{"id": f"p{i}", "text": f"tune {i}", "genre": "pop", "level": 1} for i in range(5)]
        (tmp_path / "five.yaml").write_text(yaml.safe_dump({"name": "five", "version": 1, "prompts": prompts}))
        found = by_metric(compare(make(BASE, LOUDER, suite=str(tmp_path / "five.yaml")), "base", "louder"))["Peak@1"]
        assert found.p is not None and found.p >= 2 / 32 and found.detectable is None
        assert found.warnings == (Notice("W-FEW", {"prompts": 5, "p": 2 / 32}),)

    def test_other_lengths_of_clips_are_named(self, make: Make) -> None:
        run = make(BASE, row("short", cut=0.8), duration=0.5)
        counts = {"shorter": 24, "longer": 0, "of": 24, "asked": 0.5, "shortest": 0.4, "longest": 0.4}
        marks = (Notice("W-LENGTH", {"a": 0.5, "b": 0.4}), Notice("W-CLIP-LENGTH", {"model": "short", **counts}))
        for found in compare(run, "base", "short"):
            assert found.warnings[-2:] == marks

    def test_another_duration_is_refused_or_marked(self, make: Make) -> None:
        one, two = make(BASE), make(LOUDER, duration=0.2)
        with pytest.raises(UsageError) as caught:
            compare(one, "base", "louder", other=two)
        assert all(word in str(caught.value) for word in (f"0.1 s in {one}", f"0.2 s in {two}", "--mark"))
        found = compare(one, "base", "louder", other=two, options=ComparisonOptions(by="genre", mark=True))
        assert len(found) == 14
        assert all(Notice("W-DURATION", {"a": 0.1, "b": 0.2}) in c.warnings for c in found)


class TestRefusals:
    @pytest.mark.parametrize(
        ("a", "b", "message"),
        [
            ("bose", "louder", "'bose'.*'base'.*: base, louder, other, flawed"),
            ("base", "quieter", "'quieter'"),
            ("base", "base", "'base' .* itself"),
        ],
    )
    def test_rows_that_are_none(self, folder: Path, a: str, b: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            compare(folder, a, b)

    def test_what_is_no_run_group_or_second_run(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"run\.db"):
            compare(tmp_path, "base", "louder")
        with pytest.raises(UsageError, match=r"run\.db"):
            compare(folder, "base", "louder", other=tmp_path)
        with pytest.raises(UsageError, match="'mood'"):
            compare(folder, "base", "louder", options=ComparisonOptions(by="mood"))
        with pytest.raises(UsageError, match=r"'base' .* itself"):
            compare(folder, "base", "base", other=folder / ".." / folder.name)

    def test_other_prompts(self, make: Make, tmp_path: Path) -> None:
        def suite(**changes: Any) -> str:
            prompt = {"id": "p", "text": "a slow waltz", "genre": "pop", "level": 1, **changes}
            path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
            path.write_text(yaml.safe_dump({"name": "mine", "version": 1, "prompts": [prompt]}))
            return str(path)

        one = make(BASE, suite=suite())
        with pytest.raises(UsageError) as caught:
            compare(one, "base", "louder", other=make(LOUDER, suite=suite(text="a march")))
        assert all(word in str(caught.value) for word in ("'p'", "text", "a slow waltz", "a march"))
        with pytest.raises(UsageError) as caught:
            compare(one, "base", "louder", other=make(LOUDER, suite=suite(bpm=90)))
        assert all(word in str(caught.value) for word in ("'p'", "bpm", "null", "90"))
        with pytest.raises(UsageError) as caught:
            compare(one, "base", "louder", other=make(LOUDER, suite=suite(id="q")))
        assert all(word in str(caught.value) for word in (" p …", " q …"))

    def test_other_words_are_paired_by_id_where_that_is_asked_for(self, make: Make) -> None:
        """One model over a suite and its paraphrases: the paired differences, with interval and mark."""
        options = ComparisonOptions(by="level", rephrased=True)
        one = make(BASE, suite="genres@1", seeds=[0])
        two = make(row("base", shift=0.03), suite="genres-paraphrased@1", seeds=[0])
        with pytest.raises(UsageError, match=r"'choral-2'.*text.*--rephrased"):
            compare(one, "base", "base", other=two)
        found = compare(one, "base", "base", other=two, options=options)
        first, second = prompt_means(one, "base"), prompt_means(two, "base")
        ours = by_metric(found)["Peak@1"]
        assert (ours.n, len(first), len(second)) == (24, 36, 24) and ours.a != ours.b
        d = [second[p] - first[p] for p in second]
        assert ours.estimate == pytest.approx(np.mean(d))
        assert ours.low is not None and ours.high is not None and ours.low < np.mean(d) < ours.high
        assert {c.group for c in found} == {"all", "2", "3", "4", "5"}
        words = Notice("W-WORDS", {"prompts": 24, "of": 24})
        assert all(words in c.warnings for c in found)
        with Store.read(one) as store:
            assert set(first) == set(store.prompts())
        table = bench.Run(one).compare("base", "base", other=two, rephrased=True)
        assert table.set_index("metric").loc["Peak@1", "estimate"] == ours.estimate

    def test_other_music_is_no_other_words(self, make: Make, tmp_path: Path) -> None:
        def suite(name: str, **changes: Any) -> str:
            prompt = {"id": "p", "text": "a slow waltz", "genre": "pop", "level": 1, "bpm": 90, **changes}
            path = tmp_path / f"{name}.yaml"
            path.write_text(yaml.safe_dump({"name": "mine", "version": 1, "prompts": [prompt]}))
            return str(path)

        one, rephrased = make(BASE, suite=suite("a")), ComparisonOptions(rephrased=True)
        others: tuple[dict[str, Any], ...] = ({"bpm": 91}, {"genre": "folk"}, {"level": 2}, {"key": "A minor"})
        for place, changes in enumerate(others):
            other = make(LOUDER, suite=suite(str(place), text="three in a bar", **changes))
            with pytest.raises(UsageError, match="prompt 'p'") as error:
                compare(one, "base", "louder", other=other, options=rephrased)
            assert "--rephrased" not in str(error.value)
        same = compare(one, "base", "louder", other=make(LOUDER, suite=suite("b")), options=rephrased)
        assert "W-WORDS" not in {warning.code for c in same for warning in c.warnings}


class TestMismatches:
    """A metric that is not the same in both runs has a reason with both values, and the other metrics have numbers."""

    def found(self, one: Path, two: Path, metric: str) -> Comparison:
        rows = by_metric(compare(one, "base", "louder", other=two))
        assert rows["Loud@1"].estimate is not None
        assert (rows[metric].estimate, rows[metric].p, rows[metric].n) == (None, None, 0)
        return rows[metric]

    def test_version(self, make: Make, tmp_path: Path) -> None:
        newer = tmp_path / "levels.py"
        newer.write_text(LEVELS.read_text() + "\n\nPeak.version = 2\n")
        one, two = make(BASE), make(LOUDER, metrics=[f"{newer}:Peak", LOUD])
        reason = self.found(one, two, "Peak@1").reason
        assert reason is not None and f"version: 1 in {one} and 2 in {two}" in reason

    def test_parameters(self, make: Make) -> None:
        one, two = make(BASE), make(LOUDER, metrics=[{"name": PEAK, "params": {"limit": 99}}, LOUD])
        reason = self.found(one, two, "Peak@1").reason
        assert reason is not None and f"limit: 200.0 in {one} and 99.0 in {two}" in reason

    def test_text_of_a_plugin_file(self, make: Make, tmp_path: Path) -> None:
        changed = tmp_path / "levels.py"
        changed.write_text(LEVELS.read_text() + "\n# another day\n")
        one, two = make(BASE), make(LOUDER, metrics=[f"{changed}:Peak", LOUD])
        reason = self.found(one, two, "Peak@1").reason
        assert reason is not None and "plugin file" in reason

    def test_a_metric_that_one_run_lacks(self, make: Make) -> None:
        one, two = make(BASE), make(LOUDER, metrics=[LOUD])
        reason = self.found(one, two, "Peak@1").reason
        assert reason is not None and str(one) in reason and "tunebench score" in reason
        (loud, peak) = compare(two, "louder", "base", other=one)
        assert loud.estimate is not None and peak.reason is not None and peak.reason.startswith(f"only {one} has")


@pytest.mark.slow
def test_known_truth_off_key_notes_are_found(tmp_path: Path) -> None:
    """The same scores with notes off the scale: six prompts are enough."""
    config = {
        "suite": str(tmp_path / "six.yaml"),
        "models": ["composer", "composer-offkey"],
        "metrics": ["harmonic-accuracy"],
        "duration": 6,
        "executor": {"workers": 0},
    }
    genres = ("classical", "dance", "jazz", "pop", "rock", "classical")
    prompts = [{"id": f"p{i}", "text": f"{g} tune {i}", "genre": g, "level": 3} for i, g in enumerate(genres)]
    (tmp_path / "six.yaml").write_text(yaml.safe_dump({"name": "six", "version": 1, "prompts": prompts}))
    (c,) = compare(bench.run(config, tmp_path / "out").folder, "composer", "composer-offkey")
    assert c.estimate is not None and c.high is not None and c.p is not None
    assert c.estimate < -3 and c.high < 0 and c.better == "composer"
    assert c.p == 2 / 2**6 and c.n == 6


def test_detectable_is_said_where_it_is_true(folder: Path) -> None:
    """Of fewer than ten prompts that differ sign flips find less than it says; of ten they find it in four of five."""
    rng = np.random.default_rng(13)
    d = rng.normal(1, 1, 10)
    with Store.read(folder) as store:
        run = ComparedRun(store)
        blank = compare_all(store, [("base", "louder")])[0]

        def detectable(differences: np.ndarray) -> float | None:
            (found,) = finish(
                [PendingComparison((0, "all"), blank, differences=differences)], SetTests([run]), Silent()
            )
            return found.detectable

        assert detectable(d[:9]) is detectable(np.r_[d[:9], np.zeros(5)]) is None
        size = (detectable(d) or 0.0) / d.std(ddof=1)
    power = (sign_flip_p(rng.normal(size, 1.0, (4000, 10))) < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.025)


def test_a_model_that_fails_badly_on_few_prompts_is_not_called_worse_on_average(folder: Path) -> None:
    """Most prompts gain a little, two lose much: exchanging A and B tells them apart, their means may be equal."""
    d = np.r_[np.full(34, 1.0) + np.linspace(-0.2, 0.2, 34), [-6.0, -7.0]]
    with Store.read(folder) as store:
        run = ComparedRun(store)
        blank = replace(compare_all(store, [("base", "louder")])[0], warnings=())

        def finished(differences: np.ndarray) -> Comparison:
            pending = PendingComparison((0, "all"), blank, differences=differences)
            return finish([pending], SetTests([run]), Silent())[0]

        skewed, even = finished(d), finished(np.linspace(0.5, 1.5, 36))
    assert skewed.p is not None and skewed.p < 0.05 <= (skewed.mean_p or 0)
    assert [w.code for w in skewed.warnings] == ["W-SKEW"] and not skewed.told_apart(skewed.p)
    assert skewed.mean_low is not None and skewed.mean_high is not None and skewed.mean_low < 0 < skewed.mean_high
    assert even.warnings == () and even.told_apart(even.p) and (even.mean_low or 0) > 0
