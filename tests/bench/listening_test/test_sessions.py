"""Who hears what: counts, balance and blocks."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.listening_test.folder import SPOILED
from bench.listening_test.sessions import ListeningTrial, plan_sessions, plan_workload
from bench.listening_test.settings import ListeningChecks, ListeningTest

NO_CHECKS = ListeningChecks(practice=0, beeps=0, spoiled=0, headphones=False)


def of_test(kind: str = "ratings", **settings: object) -> ListeningTest:
    return ListeningTest.model_validate({"kind": kind, "checks": NO_CHECKS, **settings})


def counted(session: tuple[ListeningTrial, ...]) -> list[ListeningTrial]:
    return [trial for trial in session if trial.role == "test"]


@given(
    models=st.integers(2, 5), items=st.integers(1, 12), block=st.integers(1, 12), listeners=st.integers(2, 9),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_each_listener_hears_every_model_on_each_item_of_a_block_once(
    models: int, items: int, block: int, listeners: int, seed: int
) -> None:
    block, names = min(block, items), [f"m{place}" for place in range(models)]
    sessions = plan_sessions(of_test(listeners=listeners, seed=seed), names, items, block)
    assert len(sessions) == listeners
    heard: Counter[int] = Counter()
    for session in sessions:
        cells = Counter((trial.item, trial.models[0]) for trial in counted(session))
        own = {item for item, _ in cells}
        assert len(own) == block
        assert set(cells) == {(item, name) for item in own for name in names} and set(cells.values()) == {1}
        heard.update(own)
    assert max(heard[item] for item in range(items)) - min(heard[item] for item in range(items)) <= 1


def test_models_come_early_and_late_equally_often() -> None:
    sessions = plan_sessions(of_test(listeners=6), ["a", "b", "c"], 12, 12)
    places: dict[str, list[int]] = defaultdict(list)
    for session in sessions:
        for place, trial in enumerate(counted(session)):
            places[trial.models[0]].append(place)
    means = {name: sum(found) / len(found) for name, found in places.items()}
    assert max(means.values()) - min(means.values()) < 1
    # Each third of a session has each model equally often.
    for session in sessions:
        for start in (0, 12, 24):
            assert Counter(trial.models[0] for trial in counted(session)[start : start + 12]) == {
                "a": 4,
                "b": 4,
                "c": 4,
            }


def test_no_prompt_twice_in_a_row() -> None:
    for session in plan_sessions(of_test(listeners=10), ["a", "b", "c"], 5, 5):
        items = [trial.item for trial in session]
        assert all(first != second for first, second in pairwise(items))


@pytest.mark.parametrize("models", [2, 3, 4])
def test_sides_are_balanced_within_listeners_and_within_pairs(models: int) -> None:
    names = [f"m{place}" for place in range(models)]
    sessions = plan_sessions(of_test("preference", listeners=8), names, 8, 8)
    sides: Counter[tuple[object, ...]] = Counter()
    for session in sessions:
        pages = counted(session)
        assert len(pages) == 8 * models * (models - 1) // 2
        for a, b in combinations(names, 2):
            assert sum(trial.models == (a, b) for trial in pages) == sum(trial.models == (b, a) for trial in pages) == 4
        sides.update((trial.item, *trial.models) for trial in pages)
    assert set(sides.values()) == {4}  # of eight listeners, for each item, pair and side


def test_orders_on_a_page_are_rows_of_a_williams_square() -> None:
    sessions = plan_sessions(of_test("stimuli", listeners=4), ["a", "b", "c", "d"], 4, 4)
    places: Counter[tuple[int, str]] = Counter()
    for session in sessions:
        for trial in counted(session):
            places.update(enumerate(trial.models))
    assert set(places.values()) == {4}


def test_one_scale_a_pass_hears_everything_once_a_scale_and_the_passes_take_turns() -> None:
    test = of_test(scales=["Harmony", "Rhythm"], one_scale_a_pass=True, listeners=4)
    sessions = plan_sessions(test, ["a", "b"], 3, 3)
    assert all(Counter(trial.asked for trial in session) == {0: 6, 1: 6} for session in sessions)
    assert [session[0].asked for session in sessions] == [0, 1, 0, 1]


def test_checks_are_where_they_should_be() -> None:
    test = of_test(checks={"practice": 2, "beeps": 3, "spoiled": 2, "headphones": False}, listeners=5)
    for session in plan_sessions(test, ["a", "b"], 10, 6):
        roles = Counter(trial.role for trial in session)
        assert roles == {"practice": 2, "test": 12, "spoiled": 2, "beeps": 3}
        assert [trial.role for trial in session[:2]] == ["practice", "practice"]
        own = {trial.item for trial in counted(session)}
        assert all(trial.item not in own for trial in session if trial.role == "practice")
        copies = [trial for trial in session if trial.role == "spoiled"]
        assert all(trial.models == (SPOILED,) and trial.spoils in "ab" and trial.item in own for trial in copies)
        assert all(2 <= trial.beeps <= 5 for trial in session if trial.role == "beeps")


def test_a_pair_with_a_spoiled_copy_has_its_clip_beside_it() -> None:
    test = of_test("preference", checks={"spoiled": 2, "beeps": 0, "practice": 0, "headphones": False}, listeners=30)
    sides: Counter[int] = Counter()
    for session in plan_sessions(test, ["a", "b"], 6, 6):
        for trial in session:
            if trial.role == "spoiled":
                assert sorted(trial.models) == sorted([trial.spoils, SPOILED])
                sides[trial.models.index(SPOILED)] += 1
    assert sum(sides.values()) == 60 and min(sides.values()) > 15


def test_a_block_is_the_most_that_fits() -> None:
    # 3 models of 10 s and 5 s an answer on one scale: 45 s a prompt.
    test = of_test(scales=["Harmony"], minutes=9, listeners=3)
    found = plan_workload(test, 3, 36, 10)
    assert (found.items, found.of, found.trials, found.minutes) == (12, 36, 36, 9)
    pair = plan_workload(of_test("preference", minutes=9, listeners=30), 3, 36, 10)
    assert (pair.items, pair.trials) == (7, 21)  # 3 pairs of 25 s
    page = plan_workload(of_test("stimuli", scales=["Harmony"], minutes=9, listeners=30), 3, 36, 10)
    assert (page.items, page.trials) == (12, 12)  # a page of 45 s


def test_too_little_time_and_too_few_listeners_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^minutes: .* 0\.8 minutes"):
        plan_workload(of_test(scales=["Harmony"], minutes=0.5), 3, 36, 10)
    with pytest.raises(UsageError, match="invite 3"):
        plan_workload(of_test(scales=["Harmony"], minutes=9, listeners=2), 3, 36, 10)


def test_the_seed_decides_and_another_seed_decides_otherwise() -> None:
    drawn = [plan_sessions(of_test(listeners=3, seed=seed), ["a", "b"], 6, 4) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
