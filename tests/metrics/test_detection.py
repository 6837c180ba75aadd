"""Detections: distances of subsets are what the metrics say of them, and rates have their closed forms."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import EmbeddingSet, Reference
from bench.contracts.prompt import Prompt
from bench.contracts.prompt_suite import load_suite_named
from bench.progress import Silent
from metrics.coverage import Coverage, Density
from metrics.damaged_music import TAKES, DamagedMusic, asked, listen
from metrics.degradation_kinds import DEGRADATIONS, Degradation, fewer
from metrics.detection import Design, Detection, detect, draws, judged, prompts_needed
from metrics.detection_report import needed_rows, write_detections
from metrics.distances_of_prompts import DISTANCES, distance_differences
from metrics.divergence import kl_divergence
from metrics.dose_listening import CLEAN
from metrics.frechet import FrechetAudioDistance
from metrics.kernel import KernelAudioDistance
from metrics.tagger import tag_shares

KIND = replace(fewer(DEGRADATIONS["noise"]), name="shift", labels=("little", "much"))
GENRES = ("choral", "jazz", "pop")


def invented(a_genre: int = 10, windows: int = 2) -> DamagedMusic:
    """Takes about a center of their genre, and the same shifted."""
    rng = np.random.default_rng(1)
    prompts = [Prompt(f"{genre}-{i}", f"{genre} {i}", genre) for i in range(a_genre) for genre in GENRES]
    centers = {genre: rng.normal(size=200) for genre in GENRES}

    def take() -> list[np.ndarray]:
        return [(centers[p.genre or ""] + rng.normal(size=(windows, 200))).astype(np.float32) for p in prompts]

    takes = {(CLEAN, name): take() for name in TAKES}
    for label, step in zip(KIND.labels, (0.02, 0.5), strict=True):
        takes["shift", label] = [(vectors + step).astype(np.float32) for vectors in takes[CLEAN, "B"]]
    return DamagedMusic(prompts, "e@1", takes)


def reference() -> Reference:
    music = invented(8, 3)
    own = music.gathered((CLEAN, "A"))
    own = replace(own, prompts={group: f"other {text}" for group, text in own.prompts.items()})
    wide = own.vectors.astype(np.float64)
    return Reference("music", "e@1", "r", own.windows, wide.mean(axis=0), np.cov(wide.T), own)


def parts(music: DamagedMusic, chosen: np.ndarray, swap: np.ndarray) -> tuple[EmbeddingSet, EmbeddingSet]:
    """The two sets of a subset, put together by hand."""
    a, b = music.gathered((CLEAN, "A")), music.gathered((CLEAN, "B"))
    found = []
    for one, other in ((a, b), (b, a)):
        kept, taken = one.part((chosen & ~swap)[one.groups]), other.part((chosen & swap)[other.groups])
        groups = np.concatenate([kept.groups, taken.groups])
        vectors = np.concatenate([kept.vectors, taken.vectors])
        found.append(replace(kept, vectors=vectors, groups=groups, recordings=groups))
    return found[0], found[1]


def test_distances_of_subsets_are_what_the_metrics_say_of_them() -> None:
    music, of = invented(), reference()
    chosen, coins, _ = draws(music.of_genres(), len(music.prompts), 27, Design(subsets=3, null=3))
    found = distance_differences(music, (CLEAN, "A"), (CLEAN, "B"), chosen, coins, of)
    assert set(found) == set(DISTANCES)
    for row in range(3):
        first, second = parts(music, chosen[row], coins[row])
        for metric, name in ((KernelAudioDistance(), "kad@2"), (FrechetAudioDistance(), "fad@1")):
            values = [metric.evaluate(one, of).value for one in (first, second)]
            assert found[name][row] == pytest.approx(values[1] - values[0], rel=1e-6)  # type: ignore[operator]
        a, b = (music.gathered((CLEAN, take)) for take in "AB")
        own = chosen[row][a.groups]
        unswapped = distance_differences(
            music, (CLEAN, "A"), (CLEAN, "B"), chosen[row : row + 1], np.zeros((1, 30), bool), of
        )
        for ours, name in ((Density(), "density@2"), (Coverage(), "coverage@2")):
            difference = ours.difference(a.part(own), b.part(own), of, 0).estimate
            assert unswapped[name][0] == pytest.approx(-(difference or 0), abs=1e-12)
        by_prompt = [
            [
                kl_divergence(tag_shares(r, "msd"), tag_shares(x, "msd"))
                for r, x in zip(music.vectors[CLEAN, "reference"], of_take, strict=True)
            ]
            for of_take in (music.vectors[CLEAN, "A"], music.vectors[CLEAN, "B"])
        ]
        change = np.diff(by_prompt, axis=0)[0] * np.where(coins[row], -1, 1)
        assert found["kl-musicnn"][row] == pytest.approx(change[chosen[row]].mean())
    everything = distance_differences(music, (CLEAN, "B"), ("shift", "much"), chosen, np.zeros_like(chosen), of)
    assert all((everything[name] > 0).all() for name in ("fad@1", "kad@2", "kl-musicnn"))


def test_subsets_have_equally_many_prompts_of_each_genre() -> None:
    music, design = invented(), Design(subsets=20, null=30, seed=3)
    chosen, coins, chance = draws(music.of_genres(), 30, 6, design)
    assert chosen.shape == (20, 30) and coins.shape == chance.shape == (30, 30)
    for own in music.of_genres():
        assert (chosen[:, own].sum(axis=1) == 2).all() and (chance[:, own].sum(axis=1) == 2).all()
    again, other = draws(music.of_genres(), 30, 6, design), draws(music.of_genres(), 30, 6, replace(design, seed=4))
    np.testing.assert_array_equal(again[0], chosen)
    assert not np.array_equal(other[0], chosen)


def test_rates_without_an_effect_are_those_of_chance_and_with_a_large_one_certain() -> None:
    chance = np.random.default_rng(5).normal(size=200)
    nothing = judged("d", KIND, "little", 6, np.zeros(50), chance)
    assert nothing.detected is not None and 0.04 <= nothing.detected <= 0.05
    assert nothing.improved == nothing.detected and nothing.auc == pytest.approx(0.5) and nothing.separation == 0
    worse, better = (judged("d", KIND, "much", 6, np.full(50, effect), chance) for effect in (10.0, -10.0))
    assert (worse.detected, worse.improved, worse.auc) == (1, 0, 1)
    assert (better.detected, better.improved, better.auc) == (0, 1, 0)
    none = judged("d", KIND, "much", 6, np.full(50, np.nan), chance)
    assert none.detected is None and none.reason


def test_the_rate_is_the_power_of_the_test() -> None:
    """Prompts differ by N(.4, .3²) where damaged and by N(0, 1) by chance: T of n prompts is normal."""
    from scipy.stats import norm

    rng = np.random.default_rng(6)
    prompts, design = 600, Design(subsets=300, null=1000)
    effect, chance = rng.normal(0.4, 0.3, prompts), rng.normal(0, 1, prompts)
    for size in (6, 24, 60):
        chosen, coins, others = draws([range(prompts)], prompts, size, design)
        signs = np.where(coins, -1, 1)
        found = judged("d", KIND, "much", size, chosen @ effect / size, (others * signs) @ chance / size)
        limit = norm.ppf(0.95)
        power = norm.sf((limit / np.sqrt(size) - 0.4) / np.sqrt((1 + 0.3**2) / size))
        assert found.detected == pytest.approx(power, abs=0.05)


def at(prompts: int, detected: float | None, improved: float = 0.0) -> Detection:
    return Detection("d", "shift", "much", "", prompts, detected, improved, 0.5, 0.0, 10, 10)


@pytest.mark.parametrize(
    ("rates", "needed", "cell"),
    [
        ((0.9, 0.95, 1.0), 6, "≤ 6"),
        ((0.2, 0.85, 1.0), 12, "12"),
        ((0.9, 0.5, 0.8), 24, "24"),
        ((0.9, 0.9, 0.7), None, "> 24"),
        ((None, 0.9, 0.9), 12, "12"),
        ((None, None, None), None, "–"),
    ],
)
def test_the_fewest_prompts_from_which_on_a_damage_is_seen(
    rates: tuple[float | None, ...], needed: int | None, cell: str
) -> None:
    found = [at(prompts, rate) for prompts, rate in zip((6, 12, 24), rates, strict=True)]
    assert prompts_needed(found) == needed
    kind = replace(KIND, labels=("much",))
    assert needed_rows(found, [kind])[1] == [["shift", f"much {kind.unit}", cell]]


def test_what_calls_damaged_music_better_is_marked() -> None:
    kind = replace(KIND, labels=("much",))
    assert needed_rows([at(6, 0.0, 0.3), at(12, 0.0, 0.7)], [kind])[1][0][-1] == "+"


def test_the_files_hold_what_was_found_and_the_same_again(tmp_path: Path) -> None:
    music, of, design = invented(), reference(), Design((6, 12), 4, 10)
    found = [detect(music, [KIND], of, design, tmp_path, Silent()) for _ in "ab"]
    assert found[0] == found[1]
    assert len(found[0]) == len(DISTANCES) * len(KIND.labels) * 2
    much = {one.distance: one for one in found[0] if (one.dose, one.prompts) == ("much", 12)}
    assert much["kad@2"].detected == 1.0
    few = [one for one in found[0] if one.distance == "density@2" and one.prompts == 6]
    assert all(one.detected is None and one.reason for one in few)
    data, svg, png, page = write_detections(found[0], [KIND], music, of, design, tmp_path)
    first = [path.read_bytes() for path in (data, svg, page)]
    write_detections(found[0], [KIND], music, of, design, tmp_path)
    assert [path.read_bytes() for path in (data, svg, page)] == first
    rows = list(csv.DictReader(data.read_text().splitlines()))
    assert [(row["distance"], int(row["prompts"])) for row in rows] == [(o.distance, o.prompts) for o in found[0]]
    assert png.read_bytes()[:4] == b"\x89PNG" and "shift" in svg.read_text() and svg.name in page.read_text()


def test_music_is_made_once(tmp_path: Path) -> None:
    kinds: list[Degradation] = [replace(fewer(DEGRADATIONS["low-pass"]), doses=(3,), labels=("2",))]
    prompts = asked(load_suite_named("genres@1").prompts, 1)[:2]
    music = listen(prompts, kinds, tmp_path, Silent(), 3.0)
    assert set(music.vectors) == {(CLEAN, "A"), (CLEAN, "B"), (CLEAN, "reference"), ("low-pass", "2")}
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:100])  # a disk was full
    times = files[1].stat().st_mtime_ns
    again = listen(prompts, kinds, tmp_path, Silent(), 3.0)
    for condition, vectors in music.vectors.items():
        for one, other in zip(vectors, again.vectors[condition], strict=True):
            np.testing.assert_array_equal(one, other)
    assert files[1].stat().st_mtime_ns == times


def test_the_prompts_are_distinct_and_no_genre_has_a_key_twice() -> None:
    prompts = asked(load_suite_named("genres@1").prompts, 24)
    assert len({prompt.text for prompt in prompts}) == len({prompt.id for prompt in prompts}) == 144
    assert len({(prompt.genre, prompt.key) for prompt in prompts}) == 144
    assert [prompt.genre for prompt in prompts[:6]] == [prompt.genre for prompt in prompts[6:12]]
