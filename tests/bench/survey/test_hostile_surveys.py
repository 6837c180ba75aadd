"""Surveys as nobody should send them, and results worked out by hand: a number that is right, or a sentence."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.cli.survey_options import ranges
from bench.errors import DataError, UsageError
from bench.stats import crossed_t_test, icc, kendall_w, krippendorff_alpha
from bench.survey.analysis import analyse
from bench.survey.rating_range import Range
from bench.survey.ratings import Ratings
from bench.survey.reading import read_survey
from bench.survey.report import as_markdown, as_text
from bench.survey.results import Analysis, SurveyComparison, record
from bench.survey_question import SurveyQuestion

HEADER = ["listener", "prompt", "model", "scale", "value"]


def survey(listeners: int = 5, prompts: int = 6, models: tuple[str, ...] = ("base", "tuned")) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        (f"l{i}", f"p{j}", model, "Harmony", int(rng.integers(1, 6)))
        for i, j, model in product(range(listeners), range(prompts), models)
    ]
    return pd.DataFrame(rows, columns=HEADER)


def analysed(table: pd.DataFrame, folder: Path, margin: float | None = None, limits: Range | None = None) -> Analysis:
    table.to_csv(folder / "r.csv", index=False)
    return analyse(read_survey(folder / "r.csv", ranges=limits), margin, resamples=50)


def of_differences(d: list[list[float]], folder: Path, margin: float) -> SurveyComparison:
    """The comparison of two models of which the first is always rated 3."""
    rows = []
    for i, j in np.ndindex(len(d), len(d[0])):
        rows += [(f"l{i}", f"p{j}", "a", "Harmony", 3), (f"l{i}", f"p{j}", "b", "Harmony", 3 + d[i][j])]
    return analysed(pd.DataFrame(rows, columns=HEADER), folder, margin).comparisons[0]


@pytest.mark.parametrize("factor", [1e300, 1e-300, 1e160, 1e-170])
def test_ratings_out_of_this_world_are_refused(factor: float, tmp_path: Path) -> None:
    table = survey()
    table["value"] = table["value"] * factor
    with pytest.raises(SurveyQuestion) as caught:
        analysed(table, tmp_path)
    assert all(word in str(caught.value) for word in ("Harmony", "--words"))


@pytest.mark.parametrize("factor", [1e300, 1e-300])
def test_a_variance_beyond_floating_point_is_a_sentence(factor: float) -> None:
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(ValueError, match="variance"):
        crossed_t_test(np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [2.0, 2.0, 1.0]]) * factor)


def test_control_characters_reach_neither_the_terminal_nor_the_table(tmp_path: Path) -> None:
    names = {"base": "a\nb", "tuned": "\x1b[31mred\x07"}
    found = analysed(survey().replace({"model": names}), tmp_path)
    assert set(found.design.models) == {"a b", "[31mred"}
    assert not set(as_text(found)) & set(map(chr, {*range(32), *range(127, 160)} - {10}))


def test_markup_in_names_is_text_in_markdown(tmp_path: Path) -> None:
    names = {"base": "<script>x", "tuned": "_a_ `b|c` [d](e)"}
    found = as_markdown(analysed(survey().replace({"model": names}), tmp_path))
    assert "&lt;script>x" in found
    assert r"\_a\_ \`b\|c\` [d\](e)" in found
    assert all(mark not in found for mark in (" <script>", " _a_", " `b", " [d]"))
    assert "d_z" in found


def test_names_that_differ_in_capitals_are_noticed(tmp_path: Path) -> None:
    table = survey(models=("base", "Base", "tuned"))
    assert "Base and base" in " ".join(analysed(table, tmp_path).notes)
    assert "only in case" not in " ".join(analysed(survey(), tmp_path).notes)


def test_a_model_that_nobody_rated_is_named(tmp_path: Path) -> None:
    table = survey(models=("a", "b", "c")).astype({"value": object})
    table.loc[table["model"] == "c", "value"] = ""
    found = analysed(table, tmp_path)
    assert found.design.models == ("a", "b")
    assert "Models without any answer that counts: c." in found.notes


def test_no_claim_without_a_test(tmp_path: Path) -> None:
    text = as_text(analysed(survey().assign(value=3), tmp_path))
    assert "No difference could be tested" in text
    assert "hold for new listeners" not in text


def test_several_seeds_of_a_prompt_are_not_called_one(tmp_path: Path) -> None:
    table = survey()
    assert "one clip per prompt" in " ".join(analysed(table, tmp_path).claims)
    by_listener = table.assign(seed=table["listener"].str[1:].astype(int) % 2)
    found = analysed(by_listener, tmp_path)
    assert (found.design.seeds, found.design.repeated) == (2, 0)
    assert "one clip per prompt" not in " ".join(found.claims)


@pytest.mark.parametrize(
    ("listeners", "prompts", "told"),
    [(2, 6, [("2 listeners", "11")]), (6, 3, [("3 prompts", "8")]), (4, 4, [])],
)
def test_very_few_listeners_or_prompts_are_warned_of(
    listeners: int, prompts: int, told: list[tuple[str, str]], tmp_path: Path
) -> None:
    """False positives of 100 surveys: see `bench.survey.conclusions`."""
    claims = analysed(survey(listeners, prompts), tmp_path).claims
    assert [found for claim in claims for found in re.findall(r"^With (\d+ \w+).* up to (\d+) of 100\b", claim)] == told


def test_numbers_agree_with_their_nouns(tmp_path: Path) -> None:
    table = survey(prompts=6).astype({"value": object})
    table["genre"] = table["prompt"]
    table.loc[0, "value"] = ""
    text = as_text(analysed(table, tmp_path))
    assert "Excluded: 1 answer\n" in text
    assert "1 prompt a genre gives" in text


def test_a_range_below_zero_is_legible(tmp_path: Path) -> None:
    table = survey()
    table["value"] -= 3
    assert "Harmony (−2 to 2)" in as_text(analysed(table, tmp_path))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"listener": "value", "value": "value"}, "'value' .*listener .*value"),
        ({"value": "value", "choice": "scale"}, "'value' .*'choice'"),
    ],
)
def test_contradictions_are_refused(columns: dict[str, str], message: str, tmp_path: Path) -> None:
    survey().to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(UsageError, match=message):
        read_survey(tmp_path / "r.csv", columns)


def test_half_a_preference_is_asked_for_the_rest(tmp_path: Path) -> None:
    survey().to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(DataError) as caught:
        read_survey(tmp_path / "r.csv", {"choice": "value"})
    assert all(word in str(caught.value) for word in ("'choice'", "--column a=NAME", "--column b=NAME"))


def test_a_scale_has_one_range() -> None:
    with pytest.raises(UsageError, match="twice for 'Harmony'"):
        ranges(["Harmony=1-5", "Harmony=1-10"])


def test_three_by_three_by_hand(tmp_path: Path) -> None:
    # Mean 1; listener means 1, 1/3, 5/3; prompt means 1, 5/3, 1/3.
    # L = 3·(0 + 4/9 + 4/9)/2 = 4/3, I = 4/3, SS total = 6, E = (6 − 8/3 − 8/3)/4 = 1/6.
    # V = (4/3 + 4/3 − 1/6)/9 = 5/18; df = (5/2)²/(2·(16/9)/2 + (1/36)/4) = 6.25/(16/9 + 1/144) = 900/257.
    found = of_differences([[1, 2, 0], [0, 1, 0], [2, 2, 1]], tmp_path, margin=2.5)
    assert found.estimate == pytest.approx(1)
    assert found.se == pytest.approx((5 / 18) ** 0.5)
    assert found.df == pytest.approx(900 / 257)
    t = (18 / 5) ** 0.5
    p, reach = 2 * stats.t.sf(t, 900 / 257), stats.t.ppf(0.975, 900 / 257) / t
    assert [found.t, found.p] == pytest.approx([t, p])
    assert [found.low, found.high] == pytest.approx([1 - reach, 1 + reach])
    # Six of nine cells above, three tied, none below.
    assert found.superiority == pytest.approx(7.5 / 9)
    # TOST: the nearer bound decides, (2.5 − 1)/se.
    assert found.equivalence is not None
    assert found.equivalence.p == pytest.approx(stats.t.sf(1.5 * t, 900 / 257))


def test_holm_by_hand_over_pairs(tmp_path: Path) -> None:
    found = analysed(survey(6, 8, ("a", "b", "c")), tmp_path).comparisons
    p = sorted((one.p or 0.0, one.p_holm or 0.0) for one in found)
    first = min(1.0, 3 * p[0][0])
    second = max(first, min(1.0, 2 * p[1][0]))
    assert [adjusted for _, adjusted in p] == pytest.approx([first, second, max(second, p[2][0])])


def test_agreement_by_hand_on_four_clips_and_three_listeners() -> None:
    clips = np.array([[1.0, 2, 1], [2, 3, 2], [3, 3, 4], [4, 5, 5]])
    # Clip means 4/3, 7/3, 10/3, 14/3; listener means 2.5, 3.25, 3; mean 35/12.
    whole = clips.mean()
    rows = 3 * ((clips.mean(axis=1) - whole) ** 2).sum() / 3
    columns = 4 * ((clips.mean(axis=0) - whole) ** 2).sum() / 2
    rest = (((clips - whole) ** 2).sum() - 3 * rows - 2 * columns) / 6
    assert icc(clips, kind="2,k") == pytest.approx((rows - rest) / (rows + (columns - rest) / 4))
    # Ranks 1 2 3 4; 1 2.5 2.5 4; 1 2 3 4: sums 3, 6.5, 8.5, 12, S = 42.5; ties of listener two: 2³ − 2 = 6.
    assert kendall_w(clips.T) == pytest.approx(12 * 42.5 / (9 * (64 - 4) - 3 * 6))
    # Interval α: 1 − observed/expected over the 12 values.
    values = clips.ravel()
    observed = sum((row[i] - row[j]) ** 2 for row in clips for i in range(3) for j in range(3)) / 2 / 12
    expected = sum((x - y) ** 2 for x in values for y in values) / (12 * 11)
    assert krippendorff_alpha(clips.T, level="interval") == pytest.approx(1 - observed / expected)


def test_missing_cells_match_the_mixed_model_itself(tmp_path: Path) -> None:
    import mixedlm

    rng = np.random.default_rng(3)
    d = rng.normal(0.5, 1, (8, 10)) + rng.normal(0, 1, (8, 1)) + rng.normal(0, 1, (1, 10))
    d[rng.random(d.shape) < 0.2] = np.nan
    rows, columns = np.nonzero(~np.isnan(d))
    frame = pd.DataFrame({"y": d[rows, columns], "l": rows.astype(str), "p": columns.astype(str)})
    fit = mixedlm.lmer("y ~ 1 + (1|l) + (1|p)", frame)
    table = frame.assign(a=0.0).melt(["l", "p"], ["a", "y"]).set_axis(["listener", "prompt", "model", "value"], axis=1)
    found = analysed(table.assign(scale="Harmony")[HEADER], tmp_path, limits=Range(-20, 20)).comparisons[0]
    assert (found.method, found.floored) == ("mixed model", False)
    assert found.estimate == pytest.approx(float(fit.beta[0]), abs=1e-4)
    assert found.df == pytest.approx(float(mixedlm.satterthwaite_df(fit).df[0]), rel=1e-3)


def test_odd_designs_have_no_nan(tmp_path: Path) -> None:
    whole = survey(6, 6, ("a", "b", "c"))
    number = [whole[column].str[1:].astype(int) for column in ("listener", "prompt")]
    model = whole["model"].map({"a": 0, "b": 1, "c": 2})
    designs = {
        "incomplete blocks": whole[(number[0] + number[1]) % 3 != model],
        "every listener another prompt": whole[number[0] == number[1]],
        "two points": whole.assign(value=whole["value"] > 2).astype({"value": int}),
        "one listener": whole[number[0] == 0],
        "one prompt": whole[number[1] == 0],
        "two of each": whole[(number[0] < 2) & (number[1] < 2)],
        "one model": whole[model == 0],
    }
    for name, table in designs.items():
        found = analysed(table, tmp_path)
        text = as_text(found)
        json.dumps(record(found), allow_nan=False)
        assert "nan" not in text.lower(), name
        assert max(map(len, text.splitlines())) <= 120, name
        assert all((one.p is None) == bool(one.reason) for one in found.comparisons), name


def test_p_is_uniform_without_a_difference() -> None:
    rng = np.random.default_rng(1)
    p, listeners, prompts = [], 8, 12
    names = [(f"l{i}", f"p{j}") for i in range(listeners) for j in range(prompts)]
    for _ in range(150):
        frames = []
        for model in ("a", "b"):
            opinion = rng.normal(0, 1, (listeners, prompts)) + rng.normal(0, 0.5, (1, prompts))
            value = (opinion + rng.normal(0, 0.5, (listeners, 1))).ravel()
            frames.append(
                pd.DataFrame(names, columns=HEADER[:2]).assign(model=model, scale="x", value=value, seed="", genre="")
            )
        table = pd.concat(frames, ignore_index=True)
        ratings = Ratings(table, (), (), ("a", "b"), {})
        p.append(analyse(ratings, resamples=2).comparisons[0].p or 0.0)
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert np.mean(np.array(p) < 0.05) < 0.11  # three standard errors above .05
