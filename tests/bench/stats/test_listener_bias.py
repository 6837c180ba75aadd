"""Listeners' bias and inconsistency against the figures of a published implementation, and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.listener_bias import listener_bias, listener_bias_by_moments

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# 79 videos rated 1-5 by 26 subjects: the public part of the Netflix data set, as sureal ships it (Apache-2.0).
NETFLIX = """
    54555535555555555555555555 45555555454555555555555555 55555545344555555445554555 45555554454555455555555454
    55555555555555555445554555 45555535555555555555555555 35454454454555355435554555 55555545553555555455445455
    55455455355555555445554555 11121111131221112112111112 21233122232342122122311232 22232222243335222422222133
    33444333353443223333323243 43544444454454334334334245 53555555555554454553544555 54555545555555454554445344
    54355545555555455555544355 55455555555555555555545455 55555355554555555545555455 21332223133235112222121132
    11332122132242312213221122 22431323342343312223332234 22433233353342323323232242 33444443353444434334334343
    44554544455445555344554454 55555555455555545555555554 45555555455545555555455555 11111111111111111111111111
    22222123131312222222122132 23353313143434333212233233 33434334344443333223434243 33554535454444454324443453
    55554355454545454443444454 55445445454444555455545454 11111131122211111111111111 11223111123332211111211112
    33454434244343233233232243 23444434344443433333433344 44555444455543554343434354 44545554455455555454544555
    55555545454555455544554455 11312111142111111111111121 12324232253443233232322123 21235423443443243222422234
    33525114443443324422433244 43425434453442345243543254 52335445554455544334434254 44455524555554545544434455
    55545545554543555554554455 55445545554555555544555555 12321232142231232221221122 32524332444453342333323333
    43443434443343333333332343 44444444454453454443443445 55554555555554554435544554 55555535555554555555555555
    11112111121111111111111121 12322142131221212112212232 32343233143322322221322232 33234454352343222233333243
    54534455354553554434444454 45355555454554354444544553 55445545554554555455555555 11111111121111111111111111
    22413223122343222111222122 22324134243433332223223133 33343534353334334224332234 44335333354453533334434354
    44444235453444434324434354 45453545553544545344353445 35345544454555555345554455 55555135354454545435444555
    55555544454543455445554555 21221113131121112222121131 12223253343343322223222223 32443324344444322424323353
    33533434143453343333233443 35535555255453445435434455 55435545455453545555545454
"""


def netflix() -> Array:
    return np.array([[float(digit) for digit in row] for row in NETFLIX.split()])


def test_alternating_projection_as_published() -> None:
    """sureal 0.9, ``test_proj_mle_subjective_model_corruptdata``: the first five subjects' ratings are shuffled.

    Netflix, *sureal*, github.com/Netflix/sureal, test/subjective_model_test.py; to 8 decimals.
    """
    ratings = netflix()
    rng = np.random.RandomState(0)
    for subject in range(5):
        column = ratings[:, subject, None].copy()
        rng.shuffle(column)
        ratings[:, subject] = column[:, 0]
    found = listener_bias(ratings.T)
    assert found.quality.mean() == pytest.approx(3.5447906523855877, abs=5e-9)
    assert found.quality.var() == pytest.approx(1.3559834679453553, abs=5e-9)
    assert found.bias.mean() == pytest.approx(0, abs=5e-9)
    assert found.bias.var() == pytest.approx(0.08903258562151985, abs=5e-9)
    assert found.inconsistency.mean() == pytest.approx(0.8091663380211014, abs=5e-9)
    assert found.inconsistency.var() == pytest.approx(0.21269010120806528, abs=5e-9)
    # Those who press at random are the least consistent.
    assert set(np.argsort(found.inconsistency)[-5:]) == set(range(5))


def test_three_subjects_as_published_follow_one_of_them() -> None:
    """sureal's ``test_ap_subjective_model_output_os_is_dict_style``: Tom, Jerry and Pinokio on three pictures."""
    ratings = np.array([[3.0, 2, 4], [4, 1, 1], [1, 3, 3]])
    found = listener_bias(ratings)
    assert found.bias.var() == pytest.approx(0.17283950617283952, abs=5e-5)
    assert found.inconsistency.sum() == pytest.approx(2.8802122896041467, abs=5e-5)
    assert found.inconsistency.var() == pytest.approx(0.4856715281793693, abs=5e-5)
    assert found.quality.sum() == pytest.approx(7.333333333333334, abs=5e-5)
    assert found.quality[0] == pytest.approx(2.444444460976023, abs=5e-5)
    assert found.inconsistency.min() < 1e-6


def test_both_ways_find_what_was_simulated() -> None:
    rng = np.random.default_rng(4)
    bias, spread = np.linspace(-0.6, 0.6, 25), np.linspace(0.7, 1.2, 25)
    ratings = rng.normal(3, 1, 600) + bias[:, None] + spread[:, None] * rng.normal(size=(25, 600))
    ratings[rng.random(ratings.shape) < 0.3] = np.nan
    for estimate in (listener_bias, listener_bias_by_moments):
        found = estimate(ratings)
        assert found.bias == pytest.approx(bias, abs=0.15)
        assert found.inconsistency == pytest.approx(spread, abs=0.15)
        assert found.ratings.tolist() == (~np.isnan(ratings)).sum(axis=1).tolist()


def test_moments_are_those_of_grubbs() -> None:
    """Three listeners: υ₁² = (s₁₂² + s₁₃² − s₂₃²)/2 from the variances of the differences; Grubbs (1948), eq. 15."""
    rng = np.random.default_rng(2)
    ratings = rng.normal(3, 1, 50) + np.array([[0.5], [0.8], [1.0]]) * rng.normal(size=(3, 50))
    one, two, three = ratings
    apart = [np.var(a - b, ddof=1) for a, b in ((one, two), (one, three), (two, three))]
    expected = [apart[0] + apart[1] - apart[2], apart[0] + apart[2] - apart[1], apart[1] + apart[2] - apart[0]]
    found = listener_bias_by_moments(ratings)
    assert found.inconsistency**2 == pytest.approx(np.array(expected) / 2)
    assert found.bias == pytest.approx(ratings.mean(axis=1) - ratings.mean())


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(2, 9), st.sampled_from([0.0, 0.4, 0.8]))
def test_any_ratings_give_numbers_or_a_sentence(seed: int, listeners: int, clips: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, (listeners, clips)).astype(float)
    ratings[rng.random(ratings.shape) < missing] = np.nan
    for estimate in (listener_bias, listener_bias_by_moments):
        try:
            found = estimate(ratings)
        except ValueError as error:
            assert "two listeners" in str(error)
            continue
        rated = found.ratings > 0
        assert np.isfinite(found.bias[rated]).all() and np.isnan(found.bias[~rated]).all()
        assert found.bias[rated].mean() == pytest.approx(0, abs=1e-6)
        assert not (found.inconsistency < 0).any()
