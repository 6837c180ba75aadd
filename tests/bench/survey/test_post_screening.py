"""Who is left out for what they said of hidden references, anchors and spoiled clips, counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.errors import UsageError
from bench.survey.answer_rules import AnswerRules
from bench.survey.post_screening import failed_checks, failed_references
from bench.survey.ratings import Ratings
from bench.survey.reading import read_ratings, read_survey

ITEMS = [f"p{n}" for n in range(10)]


def mushra(wrong: dict[tuple[str, str], int], listeners: int = 8) -> pd.DataFrame:
    """Sound ratings, but ``wrong[listener, control]`` of the ten items are rated on the wrong side of 90."""
    rows = []
    for who in (f"l{n}" for n in range(listeners)):
        for number, item in enumerate(ITEMS):
            for model, right, off in (("reference", 97, 80), ("anchor70", 60, 95), ("anchor35", 20, 20), ("A", 70, 70)):
                rows.append((who, item, "MUSHRA", model, str(off if number < wrong.get((who, model), 0) else right)))
    return pd.DataFrame(rows, columns=["listener", "prompt", "scale", "model", "text"])


def test_more_than_15_percent_of_either_kind_is_too_much() -> None:
    table = mushra({("l0", "reference"): 2, ("l1", "reference"): 1, ("l2", "anchor70"): 2, ("l3", "anchor70"): 1})
    assert set(failed_references(table)) == {"l0", "l2"}


def test_an_item_whose_anchor_many_rate_high_says_nothing_of_them() -> None:
    """On the first three items three of eight rate the anchor above 90: these items do not count."""
    wrong = {(f"l{n}", "anchor70"): 3 for n in range(3)}
    assert failed_references(mushra(wrong)) == {}
    assert set(failed_references(mushra({("l0", "anchor70"): 3, ("l1", "anchor70"): 3}))) == {"l0", "l1"}


def test_without_controls_there_is_no_such_screening() -> None:
    table = mushra({})
    with pytest.raises(UsageError):
        failed_references(table[table["model"] == "A"])


def spoiled(misses: int, prompts: int = 10) -> pd.DataFrame:
    rows = []
    for who, missed in (("good", 0), ("once", 1), ("deaf", misses)):
        for number in range(prompts):
            for model, value in (("base", 3), ("tuned", 4), ("broken", 4 if number < missed else 1)):
                rows.append((who, f"p{number}", model, "Harmony", value))
    return pd.DataFrame(rows, columns=["listener", "prompt", "model", "scale", "value"])


@pytest.mark.parametrize(("misses", "prompts", "left_out"), [(2, 10, {"deaf"}), (1, 3, set()), (2, 20, set())])
def test_spoiled_clips_must_be_rated_lower_than_ones_own_others(misses: int, prompts: int, left_out: set[str]) -> None:
    """3.5 is the mean of the others; never for a single miss, and not for a tenth."""
    table = spoiled(misses, prompts).rename(columns={"value": "text"}).astype({"text": str})
    assert set(failed_checks(table, ["broken"])) == left_out
    with pytest.raises(UsageError):
        failed_checks(table, ["brokn"])


def test_reading_leaves_them_out_with_the_reason(tmp_path: Path) -> None:
    spoiled(5).to_csv(tmp_path / "r.csv", index=False)
    found = read_ratings(tmp_path / "r.csv", rules=AnswerRules(quality_checks=("broken",)))
    assert isinstance(found, Ratings) and found.models == ("base", "tuned") and found.listeners == ("good", "once")
    assert [one.count for one in found.exclusions] == [30, 20]
    votes = pd.DataFrame([("l", "p", "x", "y", "x")], columns=["listener", "prompt", "a", "b", "choice"])
    votes.to_csv(tmp_path / "v.csv", index=False)
    with pytest.raises(UsageError):
        read_survey(tmp_path / "v.csv", rules=AnswerRules(post_screening=True))


def test_the_command_shows_before_and_after(tunebench: Callable[..., Any], tmp_path: Path) -> None:
    spoiled(5).to_csv(tmp_path / "r.csv", index=False)
    done = tunebench("survey", "analyze", tmp_path / "r.csv", "--quality-check", "broken", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (after,), before = told["comparisons"], told["unscreened"]
    assert (after["listeners"], [one["listeners"] for one in before]) == (2, [3])
    assert {one["reason"].split(":")[0] for one in told["exclusions"]} == {
        "post-screening",
        "degraded clip, used as a check of listeners",
    }
    plain = json.loads(tunebench("survey", "analyze", tmp_path / "r.csv", "--json").stdout)
    assert plain["unscreened"] == [] and len(plain["comparisons"]) == 3
