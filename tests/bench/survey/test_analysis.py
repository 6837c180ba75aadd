"""The analysis of a survey: right numbers, and a sentence wherever there is no number."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from bench.errors import DataError, UsageError
from bench.stats import crossed_t_test, icc, kendall_w, krippendorff_alpha
from bench.stats.survey_model import TYPICAL, simulate_ratings
from bench.survey.analysis import analyse
from bench.survey.rating_range import Range
from bench.survey.ratings import Preferences, Ratings
from bench.survey.reading import read_survey
from bench.survey.report import as_markdown, as_text
from bench.survey.results import Analysis, ModelRating, record
from bench.text_table import Layout

MODELS, SCALES = ("base", "lora", "sao"), ("Harmony", "Rhythm")
PREFER = ("listener", "prompt", "a", "b", "choice")


def frame(listeners: int = 5, prompts: int = 8, seed: int = 0, **effects: float) -> pd.DataFrame:
    """Ratings 1–5 with all the crossed effects; prompts alternate between two genres."""
    rng = np.random.default_rng(seed)
    rows = []
    for scale in SCALES:
        by_listener, by_prompt = rng.normal(0, 0.6, (listeners, 3)), rng.normal(0, 0.6, (prompts, 3))
        for i, j, (k, model) in product(range(listeners), range(prompts), enumerate(MODELS)):
            opinion = 3 + effects.get(model, 0) + by_listener[i, k] + by_prompt[j, k] + rng.normal(0, 0.7)
            rows.append((f"l{i}", f"p{j}", model, scale, float(np.clip(round(opinion), 1, 5)), f"g{j % 2}"))
    return pd.DataFrame(rows, columns=["listener", "prompt", "model", "scale", "value", "genre"])


def read(table: pd.DataFrame, folder: Path, ends: Range | None = None) -> Ratings | Preferences:
    table.to_csv(folder / "r.csv", index=False)
    return read_survey(folder / "r.csv", None, ends)


def analysed(table: pd.DataFrame, folder: Path, ends: Range | None = None, **options: object) -> Analysis:
    return analyse(read(table, folder, ends), resamples=200, **options)  # type: ignore[arg-type]


def matrix(table: pd.DataFrame, model: str, scale: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = table[(table["model"] == model) & (table["scale"] == scale)]
    return rows.pivot_table(index="listener", columns="prompt", values="value").to_numpy()


def presentable(found: Analysis) -> None:
    """Every form of the result can be shown: no NaN anywhere, and no line too long for a terminal."""
    written = json.dumps(record(found), allow_nan=False)
    text, markdown = as_text(found, Layout(120)), as_markdown(found)
    for form in (written, text, markdown):
        assert "nan" not in form.lower()
    assert max(map(len, text.splitlines())) <= 120


def test_comparisons_are_the_crossed_test_of_later_less_earlier(tmp_path: Path) -> None:
    table = frame(lora=0.5)
    found = analysed(table, tmp_path)
    assert [(c.a, c.b, c.scale) for c in found.comparisons] == [
        (a, b, scale) for scale in SCALES for a, b in combinations(MODELS, 2)
    ]
    for one in found.comparisons:
        test = crossed_t_test(matrix(table, one.b, one.scale) - matrix(table, one.a, one.scale))
        assert (one.estimate, one.low, one.high, one.t, one.df, one.p) == pytest.approx(
            (test.estimate, test.low, test.high, test.t, test.df, test.p)
        )
        assert (one.method, one.cells, one.missing) == ("crossed t", 40, 0)
    presentable(found)


def test_holm_runs_over_scales_and_pairs(tmp_path: Path) -> None:
    found = analysed(frame(lora=0.6, sao=0.9), tmp_path).comparisons
    p = sorted(one.p or 0.0 for one in found)
    worst = 0.0
    expected = {}
    for rank, value in enumerate(p):
        worst = max(worst, min(1.0, (len(p) - rank) * value))
        expected[value] = worst
    assert [one.p_holm for one in found] == pytest.approx([expected[one.p or 0.0] for one in found])


def test_genres_are_adjusted_over_their_whole_table(tmp_path: Path) -> None:
    table = frame(lora=0.6)
    found = analysed(table, tmp_path).genres
    assert [(g.genre, g.prompts) for g in found[:2]] == [("g0", 4), ("g1", 4)]
    assert [g.p_bh for g in found] == pytest.approx(false_discovery_control([g.p or 0.0 for g in found]))
    part = table[table["genre"] == "g1"]
    expected = crossed_t_test(matrix(part, "lora", "Harmony") - matrix(part, "base", "Harmony"))
    assert found[1].p == pytest.approx(expected.p)


def test_models_and_agreement(tmp_path: Path) -> None:
    table = frame()
    found = analysed(table, tmp_path)
    first = found.models[0]
    assert isinstance(first, ModelRating)
    values = matrix(table, "base", "Harmony")
    assert first.mean == pytest.approx(values.mean())
    assert (first.q1, first.median, first.q3) == tuple(np.percentile(values, [25, 50, 75]))
    assert first.low is not None and first.high is not None and first.low < values.mean() < first.high
    by_listener = np.hstack([matrix(table, model, "Harmony") for model in MODELS])
    agreement = found.agreement[0]
    assert (agreement.alpha, agreement.icc, agreement.kendall_w) == pytest.approx(
        (krippendorff_alpha(by_listener), icc(by_listener.T), kendall_w(by_listener))
    )


def test_missing_cells_take_the_mixed_model_and_are_counted(tmp_path: Path) -> None:
    table = frame(6, 8)
    lost = (table["listener"] == "l0") & (table["prompt"].isin(["p1", "p2"])) & (table["model"] != "sao")
    found = analysed(table[~lost], tmp_path)
    methods = {(c.a, c.b): (c.method, c.cells, c.missing, c.paired) for c in found.comparisons if c.scale == "Rhythm"}
    assert methods == {
        ("base", "lora"): ("mixed model", 46, 2, 46),
        ("base", "sao"): ("maximal mixed model", 48, 0, 46),
        ("lora", "sao"): ("maximal mixed model", 48, 0, 46),
    }
    assert found.design.missing == {"Harmony": 4, "Rhythm": 4}
    assert found.agreement[0].complete == 20
    assert sum("mixed model (REML" in claim for claim in found.claims) == 2
    presentable(found)


def latin_square() -> pd.DataFrame:
    """12 listeners hear 24 prompts, each from one of two models by turns; the true difference is 0.8."""
    ratings = simulate_ratings(np.random.default_rng(1), 1, 12, 24, 0.8, TYPICAL)[:, 0]
    rows = [
        (f"l{i}", f"p{j}", ("base", "tuned")[(i + j) % 2], ratings[(i + j) % 2, i, j])
        for i, j in product(range(12), range(24))
    ]
    return pd.DataFrame(rows, columns=["listener", "prompt", "model", "value"])


def test_a_latin_square_is_tested(tmp_path: Path) -> None:
    found = analysed(latin_square(), tmp_path, all_at_once=True)
    one = found.comparisons[0]
    assert (one.method, one.cells, one.missing, one.paired) == ("maximal mixed model", 288, 0, 0)
    assert one.p is not None and one.p < 0.001
    assert one.low is not None and one.high is not None and one.low < 0.8 < one.high
    assert one.superiority is one.rank_biserial is one.d_z is None
    # One model: the test of two models at once is that of their difference.
    assert (found.omnibus[0].p, found.omnibus[0].df_error) == pytest.approx((one.p, one.df))
    presentable(found)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.15, 0.3, 0.6, 0.9]), st.sampled_from([1, 2, 5]))
def test_where_all_models_at_once_are_tested_so_are_pairs(
    tmp_path_factory: pytest.TempPathFactory, seed: int, share: float, steps: int
) -> None:
    table = frame(5, 6, seed % 1000, sao=1.0)
    table = table[(table["scale"] == "Harmony") & (np.random.default_rng(seed).random(len(table)) < share)]
    table = table.assign(value=table["value"] // (6 / steps))
    try:
        found = analysed(table, tmp_path_factory.mktemp("pairs"), all_at_once=True)
    except (DataError, UsageError):  # nothing left, or a lone value far from the others is asked about
        return
    for one in found.omnibus:
        tested = [pair.p is not None for pair in found.comparisons if pair.scale == one.scale]
        assert one.p is None or all(tested)


def test_effect_sizes_by_hand(tmp_path: Path) -> None:
    rows = [("l", "p", 1, 3), ("l", "q", 2, 2), ("m", "p", 4, 3), ("m", "q", 1, 5), ("n", "p", 2, 4), ("n", "q", 3, 4)]
    table = pd.DataFrame(
        [(who, what, model, value) for who, what, *pair in rows for model, value in zip("ab", pair, strict=True)],
        columns=["listener", "prompt", "model", "value"],
    )
    one = analysed(table, tmp_path).comparisons[0]
    # Differences 2, 0, −1, 4, 2, 1: four above 0, one tie; ranks of |d| 3.5, 1.5, 5, 3.5, 1.5 without the tie.
    assert one.superiority == pytest.approx(4.5 / 6)
    assert one.rank_biserial == pytest.approx((15 - 2 * 1.5) / 15)
    means = np.array([1.0, 1.5, 1.5])
    assert one.d_z == pytest.approx(means.mean() / means.std(ddof=1))
    assert one.d_z_unit == "listener means"
    assert one.superiority_low is not None and one.superiority_low <= 4.5 / 6


def test_equivalence_only_where_a_margin_is_stated(tmp_path: Path) -> None:
    table = frame(12, 20)
    assert all(one.equivalence is None for one in analysed(table, tmp_path).comparisons)
    wide = analysed(table, tmp_path, margin=3.0)
    assert all(one.equivalence and one.equivalence.p < 0.01 for one in wide.comparisons)
    assert any(claim.startswith("Equivalence:") for claim in wide.claims)
    for margin in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(UsageError, match="above 0"):
            analysed(table, tmp_path, margin=margin)


@pytest.mark.parametrize(("listeners", "said"), [(4, ".125"), (5, ".0625"), (6, None)])
def test_few_listeners_are_told_that_rank_tests_are_powerless(listeners: int, said: str | None, tmp_path: Path) -> None:
    claims = " ".join(analysed(frame(listeners, 4), tmp_path).claims)
    assert ("rank tests on listener means" in claims) == (said is not None)
    assert said is None or f"their smallest two-sided p is {said}." in claims


def test_customary_tests_are_shown_as_wrong_as_they_are(tmp_path: Path) -> None:
    table = frame(20, 12)
    table = table[(table["scale"] == "Harmony") & (table["model"] != "sao")]
    found = analysed(table, tmp_path, compare_tests=True)
    rates = {one.test: one.false_positives for one in found.customary}
    assert rates["crossed t"] is not None and rates["crossed t"] < 0.075
    for name in ("Wilcoxon over all ratings", "paired t over all ratings", "mixed model, intercepts only"):
        rate = rates[name]
        assert rate is not None and rate > 0.2
    assert "wrong at .05" in as_markdown(found)
    presentable(found)


def test_omnibus(tmp_path: Path) -> None:
    found = analysed(frame(6, 8, sao=2.0), tmp_path, all_at_once=True).omnibus
    assert [(one.scale, one.method) for one in found] == [("Harmony", "crossed F"), ("Rhythm", "crossed F")]
    assert all(one.p_holm is not None and one.p_holm < 0.05 for one in found)


def test_preferences(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    people, pieces = [f"l{n}" for n in range(8)], [f"p{n}" for n in range(10)]
    rows = [(who, what, "x", "y", rng.choice(["x", "y", "y", "tie"])) for who in people for what in pieces]
    table = pd.DataFrame(rows, columns=PREFER)
    found = analysed(table, tmp_path, margin=0.5)
    signs = table["choice"].map({"x": -1, "y": 1, "tie": 0}).to_numpy(dtype=float).reshape(8, 10)
    one = found.comparisons[0]
    test = crossed_t_test(signs)
    assert (one.estimate, one.p, one.low) == pytest.approx((test.estimate, test.p, test.low))
    assert one.superiority == pytest.approx((1 + signs.mean()) / 2)
    halves, davidson = found.strengths
    x, y = halves.models
    assert (halves.ties, davidson.ties, halves.listeners) == ("half wins", "Davidson", 8)
    assert halves.effective_listeners == pytest.approx(8) and davidson.nu is not None
    assert x.strength is not None and y.strength is not None
    won, tied, lost = (signs > 0).sum(), (signs == 0).sum(), (signs < 0).sum()
    assert (y.wins, y.ties, y.losses) == (won, tied, lost)
    assert y.strength - x.strength == pytest.approx(math.log((won + tied / 2) / (lost + tied / 2)))
    presentable(found)
    with pytest.raises(UsageError, match=r"ratings.*preferences"):
        analysed(table, tmp_path, compare_tests=True)


def test_every_pair_of_many_models_by_preference(tmp_path: Path) -> None:
    rows = [
        (f"l{who}", f"p{what}", a, b, b if (who + what) % 4 else a)
        for who, what in product(range(5), range(5))
        for a, b in combinations("wxyz", 2)
    ]
    found = analysed(pd.DataFrame(rows, columns=PREFER), tmp_path)
    (fit,) = found.strengths
    strengths = [one.strength or 0.0 for one in fit.models]
    assert len(fit.differences) == 6 and [one.best for one in fit.models][-1] == 1
    assert strengths == sorted(strengths)
    assert sum(strengths) == pytest.approx(0, abs=1e-9)
    assert len(found.comparisons) == 6


def test_another_rating_scale_changes_units_only(tmp_path: Path) -> None:
    table = frame()
    plain = analysed(table, tmp_path).comparisons
    wider = analysed(table.assign(value=table["value"] * 20), tmp_path).comparisons
    for one, other in zip(plain, wider, strict=True):
        assert other.estimate == pytest.approx(20 * (one.estimate or 0))
        assert (other.t, other.df, other.p, other.d_z, other.superiority) == pytest.approx(
            (one.t, one.df, one.p, one.d_z, one.superiority)
        )


def test_ordered_steps_are_described_without_a_test(tmp_path: Path) -> None:
    table = frame(8, 12, lora=0.8)
    found = analysed(table, tmp_path)
    harmony, _ = found.ordinal
    assert (harmony.scale, harmony.reference, list(harmony.log_odds)) == ("Harmony", "base", list(MODELS))
    assert harmony.log_odds["base"] == 0 and harmony.log_odds["lora"] > max(0.5, harmony.log_odds["sao"])
    assert list(harmony.thresholds) == ["1", "2", "3", "4"]
    assert list(harmony.thresholds.values()) == sorted(harmony.thresholds.values())
    # Any rising values of the steps say the same.
    steps = {1.0: 1, 2.0: 2, 3.0: 10, 4.0: 50, 5.0: 100}
    stretched = analysed(table.assign(value=table["value"].map(steps)), tmp_path, Range(1, 100)).ordinal[0]
    assert stretched.log_odds == pytest.approx(harmony.log_odds)
    many = analysed(table.assign(value=table["value"] + np.arange(len(table)) % 9 / 10), tmp_path).ordinal[0]
    assert not many.log_odds and "different ratings" in many.reason


def test_listeners_bias_and_consistency(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    quality = rng.normal(50, 12, 120)
    rows = [
        (f"l{i}", f"p{j // 2}", MODELS[j % 2], quality[j] + 4 * i + rng.normal(0, 4 + 1.5 * i))
        for i, j in product(range(5), range(120))
    ]
    table = pd.DataFrame(rows, columns=["listener", "prompt", "model", "value"])
    found = analysed(table, tmp_path, Range(0, 120)).listeners
    assert [one.listener for one in found] == [f"l{i}" for i in range(5)]
    assert [one.bias for one in found] == pytest.approx([-8, -4, 0, 4, 8], abs=1.5)
    assert [one.inconsistency for one in found] == pytest.approx([4, 5.5, 7, 8.5, 10], abs=1.5)
    assert sum(one.bias or 0.0 for one in found) == pytest.approx(0, abs=1e-6)


def test_of_many_listeners_the_least_consistent_are_shown(tmp_path: Path) -> None:
    table = frame(30, 4)
    found = analysed(table[table["scale"] == "Harmony"], tmp_path)
    assert len(found.listeners) == 30
    section = as_text(found).split("\n\nListeners\n")[1].split("\n\n")[0]
    assert len([line for line in section.splitlines() if line.startswith("Harmony  l")]) == 20
    assert "20 least consistent of 30" in section
    presentable(found)


I, J, K = np.indices((4, 4, 3))  # noqa: E741, listener, prompt, model
CELLS = {
    "one listener": I == 0,
    "one prompt": J == 0,
    "one cell": (I == 0) & (J == 0),
    "one model": K == 0,
    "no prompt in common": J % 3 == K,
    "a model for one listener only": (K < 2) | (I == 0),
    "staircase": (I + J + K) % 3 == 0,
    "two by two": (I < 2) & (J < 2),
}
VALUES = {
    "noise": (7 * I + 5 * J * J + 3 * K * I) % 5 + 1,
    "constant": 3 + 0 * I,
    "model only": 1 + K,
    "two points": (I * J + K) % 2,
    "listener only": 1 + I,
}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("cells", CELLS)
def test_a_result_or_a_sentence_whatever_there_is(cells: str, values: str, tmp_path: Path) -> None:
    rows = [
        (f"l{i}", f"p{j}", f"m{k}", VALUES[values][i, j, k], f"g{j % 2}")
        for i, j, k in zip(*np.nonzero(CELLS[cells]), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["listener", "prompt", "model", "value", "genre"])
    found = analysed(table, tmp_path, margin=0.5)
    for one in found.comparisons:
        assert (one.low is not None) != bool(one.reason) and (one.p is not None or one.reason)
    for rating in found.models:
        assert (rating.low is not None) != bool(rating.reason)
    for genre in found.genres:
        assert (genre.low is not None) != bool(genre.reason)
    presentable(found)


def test_models_are_compared_between_listeners(tmp_path: Path) -> None:
    table = frame(12, 8, lora=1.5)
    own = table["listener"].map({f"l{n}": MODELS[n % 3] for n in range(12)})
    found = analysed(table[table["model"] == own], tmp_path)
    assert {one.method for one in found.comparisons} == {"maximal mixed model"}
    assert all(one.p is not None and one.df is not None and one.df < 20 for one in found.comparisons)
    assert (found.design.listeners, found.design.fewest_listeners) == (12, 4)
    presentable(found)


def test_one_listener_a_model_tells_nothing_of_others(tmp_path: Path) -> None:
    table = frame(3, 8, lora=1.5)
    own = table["listener"].map({f"l{n}": MODELS[n] for n in range(3)})
    found = analysed(table[table["model"] == own], tmp_path, all_at_once=True)
    assert all(one.p is None and "only one listener" in one.reason for one in found.comparisons)
    assert all(one.p is None for one in found.omnibus)
    presentable(found)


def positioned(tmp_path: Path, first: str, drift: float, blocks: bool = False) -> Ratings:
    """12 listeners, 8 prompts, two models in random order but for the one that is named; ratings fall by the drift."""
    rng = np.random.default_rng(3)
    table = frame(12, 8, seed=2)
    table = table[(table["scale"] == "Harmony") & (table["model"] != "sao")].reset_index(drop=True)
    turn = rng.random(len(table)) - 2 * (table["model"] == first)
    order = turn.groupby([table["listener"], table["prompt"]]).rank() - 1
    place = order if blocks else order + 2 * table["prompt"].str[1:].astype(int)
    survey = read(table, tmp_path)
    assert isinstance(survey, Ratings)
    moved = survey.table.assign(position=place.to_numpy(), value=survey.table["value"] - drift * place.to_numpy())
    return replace(survey, table=moved, ranges={"Harmony": Range(-20, 20)})


def test_a_drift_is_taken_out_by_position(tmp_path: Path) -> None:
    still, drifting = (
        analyse(positioned(tmp_path, "", drift), resamples=100, all_at_once=True) for drift in (0.0, 0.5)
    )
    for found in (still, drifting):
        one = found.comparisons[0]
        assert (one.method, one.by_position, one.warnings) == ("maximal mixed model", True, ())
        assert one.p == pytest.approx(found.omnibus[0].p)
        presentable(found)
    assert drifting.comparisons[0].estimate == pytest.approx(still.comparisons[0].estimate, abs=1e-6)
    assert drifting.comparisons[0].se == pytest.approx(still.comparisons[0].se, rel=1e-3)


@pytest.mark.parametrize("blocks", [False, True])
def test_a_model_that_always_comes_first_is_warned_of(blocks: bool, tmp_path: Path) -> None:
    found = analyse(positioned(tmp_path, "base", 0.0, blocks), resamples=100)
    (warning,) = found.comparisons[0].warnings
    assert warning.startswith("W-ORDER-EFFECT: ") and "base was heard before lora always" in warning
    assert warning in as_text(found).replace("\n", " ")
    # Where the position is the model itself, nothing can take it out.
    assert found.comparisons[0].by_position is not blocks
    assert found.comparisons[0].p is not None


def test_positions_that_are_not_all_known_are_left_out(tmp_path: Path) -> None:
    survey = positioned(tmp_path, "base", 0.0)
    part = replace(survey, table=survey.table.assign(position=survey.table["position"].where(survey.table.index > 0)))
    one = analyse(part, resamples=100).comparisons[0]
    assert (one.method, one.by_position, one.warnings) == ("crossed t", False, ())


@pytest.mark.parametrize(("listeners", "said"), [(2, True), (3, False)])
def test_two_listeners_are_told_that_intervals_of_means_are_narrow(listeners: int, said: bool, tmp_path: Path) -> None:
    table = frame(listeners, 6)
    for part in (table, table[table["model"] == "lora"]):
        claims = " ".join(analysed(part, tmp_path).claims)
        assert ("intervals of the models' means are too narrow" in claims) == said


@pytest.mark.parametrize("listeners", [3, 8])
def test_intervals_of_means_stay_on_the_scale(listeners: int, tmp_path: Path) -> None:
    found = analysed(frame(listeners, 4, base=-1.8, lora=1.8), tmp_path)
    for one in found.models:
        assert isinstance(one, ModelRating) and one.low is not None and one.high is not None and one.mean is not None
        assert 1 < one.low < one.mean < one.high < 5


@settings(max_examples=25)
@given(st.data())
def test_any_small_survey_can_be_shown(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    names = st.sampled_from(["u", "v", "w"])
    rows = data.draw(st.lists(st.tuples(names, names, names, st.integers(1, 5)), min_size=1, max_size=30))
    folder = tmp_path_factory.mktemp("any")
    try:
        found = analysed(pd.DataFrame(rows, columns=["listener", "prompt", "model", "value"]), folder, margin=1.0)
    except UsageError as question:  # one listener answered one question twice, differently
        assert len(set(rows)) > len({row[:3] for row in rows}) and question.exit_code == 2
    except DataError as error:
        assert "no answer" in str(error)
    else:
        presentable(found)
